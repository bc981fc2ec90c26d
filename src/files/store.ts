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
