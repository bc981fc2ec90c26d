import { lstat, realpath, stat } from 'node:fs/promises';
import type { FileId } from '../records.ts';
import type { FileBulkStore, PathCursor, PathEntry } from '../store.ts';
import { mapBounded } from './bounded.ts';
import { bytesOfRecord, isBelow, parentOf, pathId, pathKey, withSlash } from './path-bytes.ts';
import { saysGone } from './skips.ts';
import type { Walk } from './walk.ts';

/** Records looked at in one step. */
const PAGE = 1_000;
/** Folders whose real path is remembered; records come in the order of paths, so few are asked for again. */
const MAX_KNOWN_FOLDERS = 1_000;

export interface SweepOptions {
  readonly store: FileBulkStore;
  readonly walk: Walk;
  readonly followSymlinks: boolean;
  /** Calls to the file system at a time. */
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Pages of ids whose file is gone: records that indexing made, below the root of a walk that has ended.
 *
 * Each record's file is looked up instead of being remembered from the walk: a list of all files would need memory without bound, and a file
 * that cannot be looked up (rather than being known to be gone) keeps its record.
 */
export async function* goneRecords(options: SweepOptions): AsyncGenerator<FileId[], void> {
  const prefix = withSlash(options.walk.root).toString('utf8');
  const folders = new Map<string, Promise<boolean>>();
  let after: PathCursor | undefined;
  for (;;) {
    options.signal?.throwIfAborted();
    const page = await options.store.listBelow(prefix, {
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const gone = await mapBounded(page, options.concurrency, (entry) => isGone(entry, options, folders));
    yield page.filter((_, index) => gone[index]).map((entry) => entry.id);
    after = page.at(-1);
    if (page.length < PAGE) return;
  }
}

async function isGone(entry: PathEntry, options: SweepOptions, folders: Map<string, Promise<boolean>>): Promise<boolean> {
  const path = bytesOfRecord(entry);
  const { walk } = options;
  // The text of two paths may be the same where bytes are not UTF-8; and a record whose path was changed, or that a client made, is not ours to judge.
  if (!isBelow(path, walk.root) || pathId(path) !== entry.id) return false;
  if (walk.isExcluded(path)) return true;
  if (walk.isInUnread(path)) return false;
  try {
    const stats = await (options.followSymlinks ? stat : lstat)(path);
    return !stats.isFile() || !(options.followSymlinks || (await isRealFolder(parentOf(path), walk, folders)));
  } catch (thrown) {
    return saysGone(thrown);
  }
}

/** Whether no part of the folder's path below the root is a symbolic link; if one is, the walk did not come here. */
function isRealFolder(folder: Buffer, walk: Walk, folders: Map<string, Promise<boolean>>): Promise<boolean> {
  const key = pathKey(folder);
  const known = folders.get(key);
  if (known !== undefined) return known;
  if (folders.size >= MAX_KNOWN_FOLDERS) folders.clear();
  const expected = Buffer.concat([walk.realRoot, folder.subarray(walk.root.length)]);
  const asked = realpath(folder, { encoding: 'buffer' }).then((real) => real.equals(expected));
  folders.set(key, asked);
  return asked;
}
