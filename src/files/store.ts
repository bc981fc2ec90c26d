import type { Attributes, FileId, FileInfo, FileMeta, FilePatch, NewFile } from './records.ts';

/** Options of a call to the source of truth. */
export interface StoreCall {
  /** Called off when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/** Makes a write depend on the version that the writer saw. */
export interface WriteCondition {
  /** The write happens only if the record still has this version. */
  readonly ifVersion?: number;
}

/**
 * The source of truth for files, as the file layer needs it; Postgres and PGlite implement it.
 *
 * Every method rejects with `ForebayError` `DATABASE_UNAVAILABLE` when the database does not answer.
 */
export interface FileStore {
  /** Records by id; ids without a record are missing from the map. One query, whatever the number of ids. */
  loadInfos(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, FileInfo>>;
  /** Attributes by id; a file that never had any gives `{}` at version 0, an id without a file is missing. */
  loadMetas(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, FileMeta>>;
  /** @throws {ForebayError} `FILE_EXISTS` when the id is taken. */
  create(file: NewFile): Promise<FileInfo>;
  /** @throws {ForebayError} `NOT_FOUND`, or `VERSION_MISMATCH` when `ifVersion` is no longer the record's. */
  update(id: FileId, patch: FilePatch, condition?: WriteCondition): Promise<FileInfo>;
  /** The record as it was, or `null` when there was none. @throws {ForebayError} `VERSION_MISMATCH` */
  delete(id: FileId, condition?: WriteCondition): Promise<FileInfo | null>;
  /** Replaces the attributes. @throws {ForebayError} `NOT_FOUND` (no such file), `VERSION_MISMATCH` */
  putMeta(id: FileId, attributes: Attributes, condition?: WriteCondition): Promise<FileMeta>;
  /** Asks the database for nothing, to see that it answers. */
  ping(call?: StoreCall): Promise<void>;
}

/** A file as the indexer found it. */
export interface IndexedFile {
  readonly id: FileId;
  readonly name: string;
  readonly path: string;
  /** The exact path in base64, only where it is not valid UTF-8. */
  readonly pathBytes?: string;
  readonly size: number;
  readonly mimeType: string;
  readonly ownerId: string;
  readonly sha256?: string;
  readonly tags: readonly string[];
  /** RFC 3339, UTC, milliseconds. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The file's own time of change in microseconds (RFC 3339, UTC): with the size, what tells a changed file from an unchanged one. */
  readonly modifiedAt: string;
}

/** What a batch did. */
export interface BulkOutcome {
  readonly inserted: readonly FileId[];
  readonly changed: readonly FileId[];
  /** How many were as the store had them, and were not written. */
  readonly unchanged: number;
}

/** Where a listing goes on. */
export interface PathCursor {
  readonly path: string;
  readonly id: FileId;
}

/** A record as a listing shows it. */
export interface PathEntry extends PathCursor {
  readonly pathBytes?: string;
}

/**
 * The source of truth for files, as indexing needs it. Batches are one statement each.
 *
 * Every method rejects with `ForebayError` `DATABASE_UNAVAILABLE` when the database does not answer.
 */
export interface FileBulkStore {
  /**
   * Makes the records that are missing, and changes those whose size, time of change or (where given) SHA-256 differ. A change touches only
   * what comes from the file's content: size, SHA-256 and times; owner, tags, media type, name and path stay as they are.
   * Each id at most once per batch; at most a few thousand files.
   */
  upsertIndexed(files: readonly IndexedFile[], call?: StoreCall): Promise<BulkOutcome>;
  /** Records whose path begins with `prefix`, in a stable order, from after `after` on; `prefix` ends with a slash. */
  listBelow(prefix: string, options: { readonly after?: PathCursor; readonly limit: number } & StoreCall): Promise<PathEntry[]>;
  /** Deletes records with their attributes; gives the ids that were there. */
  deleteMany(ids: readonly FileId[], call?: StoreCall): Promise<FileId[]>;
}
