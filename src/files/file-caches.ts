import { createCache } from '../cache/cache.ts';
import type { Cache } from '../cache/cache-types.ts';
import type { CacheOptions } from '../cache/options.ts';
import type { RemoteTier } from '../cache/remote-tier.ts';
import { fileTags } from './file-tags.ts';
import type { FileId, FileInfo, FileMeta } from './records.ts';
import type { FileStore } from './store.ts';

/** Settings that both caches share; everything else has the engine's defaults. */
export type FileCacheTuning = Partial<
  Omit<CacheOptions<FileId, unknown>, 'name' | 'source' | 'versions' | 'remote' | 'keyText' | 'describe'>
>;

/** The two caches of files, on the keys `file:info:{uuid}` and `file:meta:{uuid}`: one Cluster slot per file. */
export interface FileCaches {
  readonly info: Cache<FileId, FileInfo>;
  readonly meta: Cache<FileId, FileMeta>;
}

/** Share of the local tier's room that attributes get: they are read less often, and may be larger. */
const META_SHARE = 0.25;

export function createFileCaches(store: FileStore, remote: RemoteTier, tuning: FileCacheTuning): FileCaches {
  const { maxEntries = 50_000, maxBytes = 128 * 1024 ** 2, ...rest } = tuning;
  const share = (part: number) => ({ ...rest, remote, maxEntries: Math.floor(maxEntries * part), maxBytes: Math.floor(maxBytes * part) });
  return {
    info: createCache<FileId, FileInfo>({
      ...share(1 - META_SHARE),
      name: 'file:info',
      source: { loadMany: (ids, call) => store.loadInfos(ids, call) },
      versions: (ids, call) => store.infoVersions(ids, call),
      describe: (file) => ({ version: file.version, tags: fileTags(file), size: file.size, changedAt: Date.parse(file.updatedAt) }),
    }),
    // Attributes say nothing of owner, type or folder, so a tag does not reach them; a change of the file by id does.
    meta: createCache<FileId, FileMeta>({
      ...share(META_SHARE),
      name: 'file:meta',
      source: { loadMany: (ids, call) => store.loadMetas(ids, call) },
      versions: (ids, call) => store.metaVersions(ids, call),
      describe: (meta) => ({ version: meta.version }),
    }),
  };
}
