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
 * Records in the source of truth: of the database, or of one transaction on it.
 *
 * Every method rejects with `ForebayError` `DATABASE_UNAVAILABLE` when the database does not answer, and with `TRANSACTION_CONFLICT` when it lets another transaction through instead.
 */
export interface FileRecords {
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
}

/** Which changes of others a transaction sees, as in SQL. `read committed`: each statement sees what was committed before it. The other two may end in `TRANSACTION_CONFLICT`. */
export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

export interface StoreTransactionCall extends StoreCall {
  /** @defaultValue 'read committed' */
  readonly isolation?: Isolation;
  /** Told right before the commit is sent. Until then an error means that nothing was written; from then on it may have been, unless the code is `STATEMENT_REFUSED` or `TRANSACTION_CONFLICT`. */
  readonly onCommit?: () => void;
}

/** One transaction. Statements run one after the other, each on what those before it did; after the end they reject with `CLOSED`. */
export interface FileStoreTransaction extends FileRecords {
  /** A statement of the caller's own. @throws {ForebayError} `STATEMENT_REFUSED`, `INPUT_INVALID` for one that would begin or end a transaction. */
  query<Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

/** The source of truth for files, as the file layer needs it; Postgres and PGlite implement it. */
export interface FileStore extends FileRecords {
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects, which is then the rejection of this call too.
   * `call.signal` is looked at before the beginning, before each statement and before the commit.
   * @throws {ForebayError} `STATEMENT_REFUSED` when a statement was refused and `work` ignored it.
   */
  transaction<T>(work: (tx: FileStoreTransaction) => Promise<T>, call?: StoreTransactionCall): Promise<T>;
  /** Versions of records by id, without the records; as `loadInfos` and `loadMetas` would give them. */
  infoVersions(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, number>>;
  metaVersions(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, number>>;
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
