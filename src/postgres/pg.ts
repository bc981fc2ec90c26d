import { Client, Pool, types as pgTypes } from 'pg';
import type { CustomTypesConfig, PoolClient, PoolConfig, QueryConfig } from 'pg';
import { ForebayError } from '../core/errors.ts';
import { abortable } from './abortable.ts';
import type { Database, PoolStats, QueryCall, Queryable, ResolvedDatabaseOptions } from './database.ts';
import { Slots } from './slots.ts';
import { asDatabaseError, breaksConnection, closedError, ignoredFailure } from './failures.ts';
import { INT8, TIMESTAMPTZ, isoTimestamp, safeInteger } from './values.ts';

/** Callers that may wait for a connection; the rest is told at once. */
const MAX_WAITING = 1_000;
/** Statements being stopped on the server at one time; each needs a spare connection. Beyond it, the server's own time limit stops them. */
const MAX_CANCELS = 4;
/** Of the lane: one at work, and one for when the other hangs. */
const LANE_CONNECTIONS = 2;
const LANE_CONNECT_MS = 1_000;
/** How much longer than the server's time limit the client waits before it takes the server for frozen. */
const FROZEN_AFTER_MS = 2_000;

/** How long a caller whose wait for a connection is over looks once more. */
const LAST_LOOK_MS = 1_000;

/** Whether this is the pool's word that nobody gave a connection in time, or the driver's that one took too long to be made. */
const isWaitOver = (thrown: unknown): boolean =>
  thrown instanceof Error && /timeout exceeded when trying to connect|terminated due to connection timeout/.test(thrown.message);

/** The driver's types know its own numbers only; the two of ours are compared as plain ones. */
const ours = new Map<number, (text: string) => unknown>([
  [INT8, safeInteger],
  [TIMESTAMPTZ, isoTimestamp],
]);
const types: CustomTypesConfig = {
  getTypeParser: ((oid, format) =>
    ours.get(oid) ??
    (format === 'binary'
      ? pgTypes.getTypeParser(oid, 'binary')
      : pgTypes.getTypeParser(oid, 'text'))) as CustomTypesConfig['getTypeParser'],
};

/** `query_timeout` is read by the driver from each statement too, but missing from its types. */
type TimedQuery = QueryConfig & { readonly query_timeout: number };

/** One connection of so many is never held by a transaction. */
const KEPT_FOR_OTHERS = 4;

class PostgresDatabase implements Database {
  readonly kind = 'postgres';
  readonly description: string;
  readonly #pool: Pool;
  readonly #config: PoolConfig;
  readonly #options: ResolvedDatabaseOptions;
  /** A transaction may read through a cache whose load needs a connection too: were all held by transactions, each would wait for the others. */
  readonly #transactions: Slots;
  readonly #cancels = new Set<Promise<void>>();
  readonly #url: string;
  #lane: PostgresDatabase | undefined;
  #closing: Promise<void> | undefined;

  constructor(url: string, options: ResolvedDatabaseOptions) {
    this.#options = options;
    this.#url = url;
    this.#config = {
      connectionString: url,
      application_name: 'forebay',
      // Times come as text in the session's zone; in UTC they need no conversion.
      options: '-c TimeZone=UTC -c default_transaction_isolation=read\\ committed',
      connectionTimeoutMillis: options.connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      types,
    };
    const { host, port, database } = new Client(this.#config);
    this.description = `database "${database ?? ''}" on ${host}:${port}`;
    this.#pool = new Pool({ ...this.#config, max: options.maxConnections, statement_timeout: options.statementTimeoutMs });
    const { maxConnections, connectTimeoutMs } = options;
    this.#transactions = new Slots(Math.max(1, maxConnections - Math.ceil(maxConnections / KEPT_FOR_OTHERS)), connectTimeoutMs);
    this.#pool.on('error', (error) => this.#connectionLost(error));
    // The pool listens only while a client is idle. One that is lost between two statements of a transaction would end the process.
    this.#pool.on('connect', (client) => client.on('error', (error) => this.#connectionLost(error)));
  }

  #connectionLost(error: Error): void {
    this.#options.logger.debug(
      { err: error, database: this.description },
      'a database connection was lost; the next statement opens another',
    );
  }

  async query<Row extends object>(sql: string, params: readonly unknown[] = [], call: QueryCall = {}): Promise<Row[]> {
    const client = await this.#take(call.signal);
    const running = this.#send<Row>(client, sql, params);
    let rows: Row[];
    try {
      rows = await abortable(running, call.signal);
    } catch (thrown) {
      if (call.signal?.aborted === true && thrown === call.signal.reason) this.#stop(client, running);
      else client.release(breaksConnection(thrown));
      throw asDatabaseError(thrown, this.description);
    }
    client.release();
    return rows;
  }

  async exec(sql: string): Promise<void> {
    await this.#borrow(async (client) => void (await client.query(sql)));
  }

  async transaction<T>(work: (tx: Queryable) => Promise<T>, call: QueryCall = {}): Promise<T> {
    if (!this.#transactions.tryTake()) await this.#transactions.take(call.signal);
    const done = this.#borrow(async (client, usable) => {
      await this.#send(client, 'begin');
      let result: T;
      try {
        result = await work(this.#inside(client));
      } catch (thrown) {
        // A roll-back that fails breaks the connection, and with it the transaction: the first error is the one to tell.
        await this.#send(client, 'rollback').then(usable, () => {});
        throw thrown;
      }
      const { command } = await client.query(this.#timed('commit'));
      // Postgres answers a commit after a failed statement with a roll-back, and no error.
      if (command !== 'COMMIT') throw ignoredFailure();
      return result;
    }, call.signal);
    return done.finally(() => this.#transactions.give());
  }

  stats(): PoolStats {
    const { totalCount: total, idleCount: idle, waitingCount, options } = this.#pool;
    return { total, idle, limit: options.max, waiting: waitingCount + this.#transactions.waiting };
  }

  lane(): Queryable {
    this.#lane ??= new PostgresDatabase(this.#url, {
      ...this.#options,
      maxConnections: LANE_CONNECTIONS,
      connectTimeoutMs: LANE_CONNECT_MS,
    });
    return this.#lane;
  }

  async close(): Promise<void> {
    await this.#lane?.close();
    this.#closing ??= this.#pool.end().then(async () => void (await Promise.allSettled(this.#cancels)));
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(signal?: AbortSignal): Promise<PoolClient> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closedError(this.description);
    if (this.#pool.waitingCount >= MAX_WAITING) {
      throw new ForebayError('OVERLOADED', `${MAX_WAITING} callers wait for a connection to ${this.description}; try again later`);
    }
    try {
      return await this.#connect(signal);
    } catch (thrown) {
      if (signal?.aborted === true || !isWaitOver(thrown)) throw asDatabaseError(thrown, this.description);
      // A process that stood still finds its timers due before it has looked at what came meanwhile: a connection that was given back, or made, is noticed in the next moments.
      return this.#connect(AbortSignal.any([AbortSignal.timeout(LAST_LOOK_MS), ...(signal === undefined ? [] : [signal])])).catch(() => {
        throw signal?.aborted === true ? (signal.reason as Error) : asDatabaseError(thrown, this.description);
      });
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<PoolClient> {
    const connecting = this.#pool.connect();
    try {
      return await abortable(connecting, signal);
    } catch (thrown) {
      if (signal?.aborted === true) void connecting.then((client) => client.release()).catch(() => {});
      throw thrown;
    }
  }

  /** Runs `work` on one connection and gives it back: open when `work` succeeded or called `usable` or its error leaves it sound, else closed. */
  async #borrow<T>(work: (client: PoolClient, usable: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const client = await this.#take(signal);
    let sound = false;
    try {
      const result = await work(client, () => (sound = true));
      sound = true;
      return result;
    } catch (thrown) {
      sound ||= !breaksConnection(thrown);
      throw asDatabaseError(thrown, this.description);
    } finally {
      client.release(!sound);
    }
  }

  async #send<Row extends object>(client: PoolClient, text: string, params: readonly unknown[] = []): Promise<Row[]> {
    return (await client.query<Row>(this.#timed(text, params))).rows;
  }

  #timed(text: string, params: readonly unknown[] = []): TimedQuery {
    return { text, values: [...params], query_timeout: this.#options.statementTimeoutMs + FROZEN_AFTER_MS };
  }

  #inside(client: PoolClient): Queryable {
    return {
      query: async <Row extends object>(sql: string, params?: readonly unknown[], call?: QueryCall): Promise<Row[]> => {
        call?.signal?.throwIfAborted();
        return this.#send<Row>(client, sql, params);
      },
      exec: async (sql) => void (await client.query(sql)),
    };
  }

  /** Stops a statement whose caller left. Its connection is closed afterwards, never reused, so that the cancel cannot hit a later statement on it. */
  #stop(client: PoolClient, running: Promise<unknown>): void {
    if (this.#cancels.size >= MAX_CANCELS) {
      client.release(true);
      return;
    }
    const cancel = this.#cancelOnServer(client, running)
      .catch((error: unknown) => this.#options.logger.debug({ err: error }, 'could not stop a statement; its time limit will'))
      .finally(() => {
        client.release(true);
        this.#cancels.delete(cancel);
      });
    this.#cancels.add(cancel);
  }

  async #cancelOnServer(client: PoolClient, running: Promise<unknown>): Promise<void> {
    const { processID } = client as unknown as { readonly processID: number };
    const spare = new Client({ ...this.#config, query_timeout: this.#options.connectTimeoutMs });
    spare.on('error', (error) => this.#connectionLost(error));
    try {
      await spare.connect();
      await spare.query('select pg_cancel_backend($1)', [processID]);
      await running.catch(() => {});
    } finally {
      await spare.end();
    }
  }
}

/** @throws {ForebayError} `CONFIG_INVALID` for a URL that the driver cannot read. */
export function openPostgres(url: string, options: ResolvedDatabaseOptions): Database {
  try {
    return new PostgresDatabase(url, options);
  } catch (thrown) {
    // The driver's message may quote the URL with its password: it is left out.
    throw new ForebayError(
      'CONFIG_INVALID',
      'the database URL is not valid; give postgres://user:password@host:5432/name, with special characters percent-encoded',
      {
        cause: thrown instanceof Error ? thrown.name : undefined,
      },
    );
  }
}
