import type { FileId } from '../records.ts';
import type { FileBulkStore } from '../store.ts';

/** Why something below the root has no record. */
export type SkipReason =
  /** Below a path of `exclude`. */
  | 'excluded'
  | 'unreadable-folder'
  | 'unreadable-file'
  /** Was listed, and was gone or replaced when it was looked at. */
  | 'vanished'
  /** A symbolic link, and `followSymlinks` is off. */
  | 'symlink'
  | 'broken-symlink'
  | 'symlink-loop'
  /** A symbolic link to what is indexed by another path. */
  | 'already-indexed'
  /** More folders outside the root than are remembered; see `MAX_FOLLOWED_FOLDERS`. */
  | 'too-many-folders'
  /** A socket, pipe or device. */
  | 'not-a-file'
  /** Above 2^53 - 1 bytes. */
  | 'too-large'
  /** Name or path above the limits of a record. */
  | 'too-long';

export interface Skip {
  /** Bytes that are not UTF-8 show as U+FFFD. */
  readonly path: string;
  readonly reason: SkipReason;
  /** What exactly, in words. */
  readonly detail: string;
}

/** Counts so far. */
export interface IndexProgress {
  /** Files that were looked at: described or skipped. */
  readonly discovered: number;
  /** Files whose record is in the store now, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  readonly folders: number;
  readonly inserted: number;
  readonly changed: number;
  readonly unchanged: number;
  /** Everything that was skipped, files or not. */
  readonly skipped: number;
}

export interface WalkOptions {
  /** Stops the run between batches; it then rejects with the signal's reason, and what was written stays. */
  readonly signal?: AbortSignal;
  /** Absolute paths that are left out with all below them. */
  readonly exclude?: readonly (string | Buffer)[];
  /** Index what symbolic links point at outside the root, by the path of the link. Each folder once. @defaultValue false */
  readonly followSymlinks?: boolean;
}

export interface IndexOptions extends WalkOptions {
  readonly store: FileBulkStore;
  /** Compute the SHA-256 of every file, which reads all of every file. @defaultValue false */
  readonly hash?: boolean;
  /** Tags of new records; existing ones keep theirs. @defaultValue none */
  readonly tags?: readonly string[];
  /** Owner of new records; existing ones keep theirs. @defaultValue `uid:N` of the file */
  readonly ownerId?: string;
  /** Delete the records of files that are gone. @defaultValue false: they are counted */
  readonly prune?: boolean;
  /** Files per statement, 1 to 5,000. Two batches are in memory at a time. @defaultValue 1000 */
  readonly batchSize?: number;
  /** Called at every batch and at most once per 250 files; to be rate-limited by the caller. */
  readonly onProgress?: (progress: IndexProgress) => void;
  /** Called for everything that is skipped; the report lists only the first of each reason. */
  readonly onSkipped?: (skip: Skip) => void;
  /** Called with the ids of records that were made, changed or deleted, once that is committed: to invalidate caches. Awaited. */
  readonly onChanged?: (ids: readonly FileId[]) => void | Promise<void>;
}

export interface IndexReport extends Omit<IndexProgress, 'skipped'> {
  /** Records of files that are gone: deleted, or (without `prune`) left. */
  readonly pruned: number;
  readonly gone: number;
  /** The first 100 of each reason. */
  readonly skipped: readonly Skip[];
  readonly skippedByReason: Readonly<Partial<Record<SkipReason, number>>>;
  readonly elapsedMs: number;
}
