import { noRemoteTier } from '../../src/cache/no-remote-tier.ts';
import type { RemoteInvalidation } from '../../src/cache/remote-tier.ts';
import { createFiles } from '../../src/files/create-files.ts';
import type { FileCaches } from '../../src/files/file-caches.ts';
import { createFileCaches } from '../../src/files/file-caches.ts';
import type { Files } from '../../src/files/files.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createFileStore } from '../../src/postgres/file-store.ts';

/** Files on a real database, with a remote tier that keeps nothing and notes what everyone is told to forget. */
export interface RecordedFiles {
  readonly files: Files;
  readonly caches: FileCaches;
  /** In order; to be emptied by the test. */
  readonly told: RemoteInvalidation[];
  /** Called before each note. */
  onTold: () => Promise<void>;
}

export function recordedFiles(database: Database): RecordedFiles {
  const remote = noRemoteTier({ alone: true });
  const told: RemoteInvalidation[] = [];
  const caches = createFileCaches(
    createFileStore(database),
    {
      ...remote,
      invalidate: async (change) => {
        await recorded.onTold();
        told.push(change);
        return remote.invalidate(change);
      },
    },
    {},
  );
  const recorded: RecordedFiles = {
    files: createFiles(createFileStore(database), caches, () => Promise.reject(new Error('nothing is popular'))),
    caches,
    told,
    onTold: async () => {},
  };
  return recorded;
}
