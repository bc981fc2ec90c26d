import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface TempFolder extends Disposable {
  readonly path: string;
}

/** A folder that is gone when it is disposed of, and at the latest when this process exits. */
export function tempFolder(name: string): TempFolder {
  const folder = mkdtempSync(path.join(tmpdir(), `forebay-${name}-`));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  return {
    path: folder,
    [Symbol.dispose]: () => {
      process.off('exit', remove);
      remove();
    },
  };
}
