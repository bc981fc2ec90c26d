import { ForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { silentLogger } from '../core/logger.ts';

/** Options of one statement. */
export interface QueryCall {
  /** Stops the wait for a connection or for the answer, and the statement itself where it already runs on a server. Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What runs SQL: the database, or a transaction on it. */
export interface Queryable {
  /**
   * One statement with `$1` parameters. `bigint` columns come as numbers (unsafe ones reject), `timestamptz` as RFC 3339 text in UTC with milliseconds,
   * `bytea` as `Uint8Array`, `jsonb` parsed.
   * @throws {ForebayError} `DATABASE_UNAVAILABLE` when the database does not answer, `OVERLOADED` when too many wait for a connection, `CLOSED`.
   */
  query<Row extends object>(sql: string, params?: readonly unknown[], call?: QueryCall): Promise<Row[]>;
  /** Statements without parameters, separated by semicolons: for migrations. No client-side time limit. */
  exec(sql: string): Promise<void>;
}

export interface PoolStats {
  /** Connections that are open. PGlite has one. */
  readonly total: number;
  readonly idle: number;
  /** That may be open at once. */
  readonly limit: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
}

/** The source of truth: Postgres, or Postgres inside this process (PGlite). */
export interface Database extends Queryable, AsyncDisposable {
  readonly kind: 'postgres' | 'pglite';
  /** Which database, for people: never holds a password. */
  readonly description: string;
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. Inside, use `tx` only: PGlite has a single connection,
   * so a statement on the database itself would wait for the transaction that waits for it.
   *
   * `call.signal` ends the wait for a connection only. A statement that failed inside makes the whole transaction reject even where `work` ignored its error.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>, call?: QueryCall): Promise<T>;
  stats(): PoolStats;
  /** The same database by connections kept apart (two at most), for small statements that must not wait behind loads. PGlite has its one connection only. Closed with the database. */
  lane(): Queryable;
  /** Waits for what runs, then closes. Idempotent; later calls reject with `CLOSED`. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Connections at most. PGlite always has one. @defaultValue 10 */
  readonly maxConnections?: number;
  /** Wait for a connection, in ms: for the server to accept one, and for a free one of the pool. @defaultValue 5000 */
  readonly connectTimeoutMs?: number;
  /** How long one statement may run, in ms; the server stops it, and the client gives up soon after when the server does not. @defaultValue 30000 */
  readonly statementTimeoutMs?: number;
  /** @defaultValue says nothing */
  readonly logger?: Logger;
}

export type ResolvedDatabaseOptions = Required<DatabaseOptions>;

function positive(name: keyof DatabaseOptions, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new ForebayError('CONFIG_INVALID', `${name} is ${value}; give a whole number above 0`, { field: name });
}

/** A resource folder of PGlite, or nothing for one in memory. */
function pgliteFolder(url: string): string | undefined {
  const folder = url.slice('pglite:'.length);
  if (folder === '') {
    throw new ForebayError(
      'CONFIG_INVALID',
      'database URL "pglite:" names no folder; give pglite:FOLDER, or pglite:memory to keep nothing',
    );
  }
  return folder === 'memory' ? undefined : folder;
}

/**
 * Opens a database by URL: `postgres://user:password@host:5432/name`, `pglite:FOLDER` (made when missing; one process at a time, which the caller sees to)
 * or `pglite:memory`. The driver is loaded only now.
 *
 * A Postgres that is down does not fail this call: the first statement connects, and each later one tries again.
 * The caller owns the result and closes it.
 *
 * @throws {ForebayError} `CONFIG_INVALID` for a URL that is none of these, `DATABASE_UNAVAILABLE` when PGlite cannot open its folder.
 */
export async function openDatabase(url: string, options: DatabaseOptions = {}): Promise<Database> {
  const resolved: ResolvedDatabaseOptions = Object.freeze({
    maxConnections: positive('maxConnections', options.maxConnections ?? 10),
    connectTimeoutMs: positive('connectTimeoutMs', options.connectTimeoutMs ?? 5_000),
    statementTimeoutMs: positive('statementTimeoutMs', options.statementTimeoutMs ?? 30_000),
    logger: options.logger ?? silentLogger,
  });
  if (url.startsWith('pglite:')) {
    const { openPglite } = await import('./pglite.ts');
    return openPglite(pgliteFolder(url), resolved);
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    const { openPostgres } = await import('./pg.ts');
    return openPostgres(url, resolved);
  }
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme';
  throw new ForebayError(
    'CONFIG_INVALID',
    `the database URL has ${scheme}; give postgres://user:password@host:5432/name, pglite:FOLDER or pglite:memory`,
  );
}
