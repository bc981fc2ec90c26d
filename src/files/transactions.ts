import type { InvalidationState } from '../cache/lookup.ts';
import type { FileCaches } from './file-caches.ts';
import type { Changed } from './files.ts';
import type { Attributes, FileId, FileInfo, FileMeta, FilePatch, NewFile } from './records.ts';
import { fileId } from './records.ts';
import type { Changes } from './settling.ts';
import { changesOf, note, nothingWritten, settle, settleUnknown } from './settling.ts';
import type { FileStore, FileStoreTransaction, Isolation, WriteCondition } from './store.ts';
import type { FileWrite } from './writes.ts';
import { creation, deletion, metaPut, update } from './writes.ts';

export interface TransactionOptions {
  /** Looked at before the transaction begins, before each of its statements and before the commit; it then rejects with the signal's reason, rolled back. A statement under way is not cut short. */
  readonly signal?: AbortSignal;
  /** @defaultValue 'read committed' */
  readonly isolation?: Isolation;
}

/** A committed transaction: what `work` resolved to, and whether every cache has heard of its changes. */
export interface TransactionResult<T> {
  readonly value: T;
  readonly invalidation: InvalidationState;
}

/** Reads of one kind of record from the database, in the transaction: past the caches, which neither answer nor keep what is read. */
export interface TransactionReads<R> {
  /** The record, its own changes included, or `null` if there is none. */
  get(id: string): Promise<R | null>;
  /** Many with one query; `null` for each id without a record. */
  getMany(ids: readonly string[]): Promise<Map<string, R | null>>;
}

/**
 * File records inside a transaction. Arguments, results and errors are those of `Files`, without a word on the caches, who learn of it all at the end.
 *
 * An error that Forebay raises itself (`NOT_FOUND`, `FILE_EXISTS`, `VERSION_MISMATCH`, `INPUT_INVALID`) leaves the transaction sound: it may be caught, and the work go on. After a statement that
 * the database refused or gave up (`STATEMENT_REFUSED`, `TRANSACTION_CONFLICT`, `DATABASE_UNAVAILABLE`) it can only be rolled back, unless a savepoint was made before it.
 *
 * Statements run one at a time, in the order of the calls. After the end each rejects with `CLOSED`.
 */
export interface FileTransaction extends TransactionReads<FileInfo> {
  readonly meta: TransactionReads<FileMeta> & {
    /** @throws {ForebayError} `NOT_FOUND`, `VERSION_MISMATCH`, `INPUT_INVALID` */
    put(id: string, attributes: Attributes, condition?: WriteCondition): Promise<Changed<FileMeta>>;
  };
  /** @throws {ForebayError} `FILE_EXISTS`, `INPUT_INVALID` */
  create(file: NewFile): Promise<Changed<FileInfo>>;
  /** @throws {ForebayError} `NOT_FOUND`, `VERSION_MISMATCH`, `INPUT_INVALID` */
  update(id: string, patch: FilePatch, condition?: WriteCondition): Promise<Changed<FileInfo>>;
  /** Whether there was such a file. @throws {ForebayError} `VERSION_MISMATCH` */
  delete(id: string, condition?: WriteCondition): Promise<{ readonly existed: boolean }>;
  /**
   * A statement of one's own with `$1` parameters, on tables of one's own or on Forebay's. `bigint` columns come as numbers (unsafe ones reject), `timestamptz` as RFC 3339 text in UTC with
   * milliseconds, `bytea` as `Uint8Array`, `jsonb` parsed. Which files it changed is known from the database's own log alone, so this process forgets them only when it has read of them there.
   * @throws {ForebayError} `STATEMENT_REFUSED` with the driver's error as its cause, `INPUT_INVALID` for a statement that would begin or end a transaction (savepoints are fine).
   */
  query<Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

/** `Files.transaction` on a store and the caches in front of it. */
export async function transact<T>(
  store: FileStore,
  caches: FileCaches,
  work: (tx: FileTransaction) => Promise<T>,
  options: TransactionOptions = {},
): Promise<TransactionResult<T>> {
  const changes = changesOf();
  let sent = false;
  let value: T;
  try {
    value = await store.transaction((tx) => work(fileTransaction(tx, changes)), {
      ...options,
      onCommit: () => {
        sent = true;
      },
    });
  } catch (error) {
    // Rolled back: nobody saw any of it. But a commit whose answer was lost may have happened.
    if (sent && !nothingWritten(error)) await settleUnknown(caches, changes);
    throw error;
  }
  return { value, invalidation: await settle(caches, changes) };
}

function fileTransaction(store: FileStoreTransaction, changes: Changes): FileTransaction {
  const write = <R>(made: FileWrite<R>): Promise<R> => {
    // Before it is known to come to something: a key too many costs a load, and one that `work` did not wait for would be missed.
    note(changes, made);
    return made.on(store);
  };
  return Object.freeze({
    ...reads((ids) => store.loadInfos(ids)),
    meta: Object.freeze({
      ...reads((ids) => store.loadMetas(ids)),
      put: async (id: string, attributes: Attributes, condition?: WriteCondition) =>
        changed(await write(metaPut(id, attributes, condition))),
    }),
    create: async (file: NewFile) => changed(await write(creation(file))),
    update: async (id: string, patch: FilePatch, condition?: WriteCondition) => changed(await write(update(id, patch, condition))),
    delete: async (id: string, condition?: WriteCondition) => ({ existed: (await write(deletion(id, condition))) !== null }),
    query: async <Row extends object>(sql: string, params?: readonly unknown[]) => {
      changes.others = true;
      return store.query<Row>(sql, params);
    },
  });
}

function reads<R>(load: (ids: readonly FileId[]) => Promise<Map<FileId, R>>): TransactionReads<R> {
  return {
    get: async (text) => {
      const id = fileId(text);
      return (await load([id])).get(id) ?? null;
    },
    getMany: async (texts) => {
      const found = await load(texts.map(fileId));
      return new Map(texts.map((text) => [text, found.get(fileId(text)) ?? null]));
    },
  };
}

function changed<R extends { readonly version: number }>(record: R): Changed<R> {
  return { record, version: record.version };
}
