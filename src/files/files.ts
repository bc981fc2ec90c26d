import type { InvalidationState, Lookup } from '../cache/lookup.ts';
import type { Inspection } from '../cache/inspect.ts';
import type { WarmReport, WarmRunOptions } from '../cache/warming.ts';
import type { Attributes, FileInfo, FileMeta, FilePatch, NewFile } from './records.ts';
import type { WriteCondition } from './store.ts';
import type { FileTransaction, TransactionOptions, TransactionResult } from './transactions.ts';

export interface ReadOptions {
  /** Stops this caller's wait; the shared load goes on for the others. */
  readonly signal?: AbortSignal;
  /** For this read instead of the bound of all, in ms, from 0 to that bound; 0 asks the database. */
  readonly maxStalenessMs?: number;
  /** The answer has this version or a newer one, or the database was asked after the read began and has no newer. */
  readonly minVersion?: number;
}

/** A record as a write left it. */
export interface Changed<R> {
  readonly record: R;
  readonly version: number;
}

/** A committed write, and whether every cache has heard of it. */
export interface Written<R> extends Changed<R> {
  readonly invalidation: InvalidationState;
}

/** What to forget: any mix of the three. */
export interface FileTargets {
  readonly ids?: readonly string[];
  readonly tags?: readonly string[];
  readonly all?: boolean;
}

/** Reads of one kind of record (`info` or `meta`) through both tiers. */
export interface FileReads<R> {
  /** The record, or `null` if there is no such file. @throws {ForebayError} when nobody could say. */
  get(id: string, options?: ReadOptions): Promise<R | null>;
  /** The whole story: which tier answered, age, TTL left, raw JSON. Never rejects for a failed load. */
  lookup(id: string, options?: ReadOptions): Promise<Lookup<R>>;
  /** Many at once, with one MGET and one query; in the order asked. */
  lookupMany(ids: readonly string[], options?: ReadOptions): Promise<Lookup<R>[]>;
  /** As `get`, for many; `null` for each id without a record. */
  getMany(ids: readonly string[], options?: ReadOptions): Promise<Map<string, R | null>>;
  /** Process memory only, no I/O: `undefined` when it does not know, `null` when it knows there is none. */
  peek(id: string): R | null | undefined;
  /** What each tier holds of this id, without loading. */
  inspect(id: string): Promise<Inspection>;
}

/**
 * File records through the cache. A write resolves once it is committed and every cache has forgotten what it changed, or says that some have yet to hear of it (`queued`).
 * One that rejects with `DATABASE_UNAVAILABLE` may have happened all the same; caches forget as if it had.
 */
export interface Files extends FileReads<FileInfo> {
  readonly meta: FileReads<FileMeta> & {
    /** @throws {ForebayError} `NOT_FOUND`, `VERSION_MISMATCH`, `INPUT_INVALID` */
    put(id: string, attributes: Attributes, condition?: WriteCondition): Promise<Written<FileMeta>>;
  };
  /** @throws {ForebayError} `FILE_EXISTS`, `INPUT_INVALID` */
  create(file: NewFile): Promise<Written<FileInfo>>;
  /** @throws {ForebayError} `NOT_FOUND`, `VERSION_MISMATCH`, `INPUT_INVALID` */
  update(id: string, patch: FilePatch, condition?: WriteCondition): Promise<Written<FileInfo>>;
  /** Whether there was such a file. @throws {ForebayError} `VERSION_MISMATCH` */
  delete(id: string, condition?: WriteCondition): Promise<{ readonly existed: boolean; readonly invalidation: InvalidationState }>;
  /**
   * Runs `work` in one transaction of the database. Inside, use `tx` alone: on one connection it reads and writes past the caches, sees its own changes, and is seen by nobody. Reads outside go on meanwhile
   * (on PGlite, which has one connection, those that no cache answers wait for the end), so keep it short: it holds a connection, and the rows it wrote, until it ends.
   *
   * Resolves once it is committed and every cache has forgotten what it changed, or will (`queued`). Rejects with what `work` threw, rolled back: no cache ever heard of it. When the answer to the commit is
   * lost it rejects with `DATABASE_UNAVAILABLE` and may have happened all the same; caches forget as if it had.
   * @throws {ForebayError} `TRANSACTION_CONFLICT`: run it again; `STATEMENT_REFUSED` when `work` ignored a refusal; `DATABASE_UNAVAILABLE`, `OVERLOADED`, `CLOSED`
   */
  transaction<T>(work: (tx: FileTransaction) => Promise<T>, options?: TransactionOptions): Promise<TransactionResult<T>>;
  /**
   * After one's own SQL changed these files, committed, or a bulk store did: this process forgets them at once; resolves when every cache has, or will (`queued`).
   * Without it they learn of the change too, from the database's own log.
   */
  settle(ids: readonly string[]): Promise<{ readonly invalidation: InvalidationState }>;
  /** Everyone forgets. */
  invalidate(targets: FileTargets): Promise<{ readonly invalidation: InvalidationState }>;
  /** Everyone forgets, and what is under way may not fall back on an old entry either. */
  purge(targets: FileTargets): Promise<{ readonly invalidation: InvalidationState }>;
  /** Loads the records into both tiers ahead of demand. */
  warm(
    ids: readonly string[],
    options?: Pick<ReadOptions, 'signal'>,
  ): Promise<{ readonly loaded: number; readonly absent: number; readonly failed: number }>;
  /**
   * Fills the tiers with what all instances read most, the most popular first, at a pace that leaves the database to the callers. What Redis holds is left. One instance at a time: `elsewhere` says that another one is
   * at it. A call while this process warms resolves with that warming's report.
   */
  warm(options?: WarmRunOptions): Promise<WarmReport>;
}
