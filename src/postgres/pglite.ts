import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import type { Transaction } from '@electric-sql/pglite';
import { toForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { abortable } from './abortable.ts';
import type { Database, PoolStats, QueryCall, Queryable, ResolvedDatabaseOptions } from './database.ts';
import { asDatabaseError, closedError } from './failures.ts';
import { maintain } from './pglite-upkeep.ts';
import { INT8, TIMESTAMPTZ, isoTimestamp, safeInteger } from './values.ts';

/** Statements between two looks at what Postgres's background processes, which PGlite has none of, would have done. */
const UPKEEP_EVERY = 256;

function inside(runner: PGlite | Transaction): Queryable {
  return {
    query: async <Row extends object>(sql: string, params?: readonly unknown[], call?: QueryCall): Promise<Row[]> => {
      call?.signal?.throwIfAborted();
      return (await runner.query<Row>(sql, params === undefined ? [] : [...params])).rows;
    },
    exec: async (sql) => void (await runner.exec(sql)),
  };
}

/**
 * Postgres inside this process, on one connection. Every acknowledged commit is in the operating system's hands, so a killed process loses none;
 * PGlite does not flush files to the disk itself, so a power cut may: that is what a real Postgres is for.
 */
class PgliteDatabase implements Database {
  readonly kind = 'pglite';
  readonly description: string;
  readonly #lite: PGlite;
  readonly #logger: Logger;
  #statements = 0;
  #running = 0;
  #upkeep: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(lite: PGlite, description: string, logger: Logger) {
    this.#lite = lite;
    this.description = description;
    this.#logger = logger;
  }

  async query<Row extends object>(sql: string, params?: readonly unknown[], call?: QueryCall): Promise<Row[]> {
    call?.signal?.throwIfAborted();
    return abortable(
      this.#run(() => inside(this.#lite).query<Row>(sql, params)),
      call?.signal,
    );
  }

  async exec(sql: string): Promise<void> {
    await this.#run(() => inside(this.#lite).exec(sql));
  }

  async transaction<T>(work: (tx: Queryable) => Promise<T>, call?: QueryCall): Promise<T> {
    return this.#run(() =>
      this.#lite.transaction(async (tx) => {
        call?.signal?.throwIfAborted();
        return work(inside(tx));
      }),
    );
  }

  stats(): PoolStats {
    return { total: 1, idle: this.#running === 0 ? 1 : 0, limit: 1, waiting: Math.max(0, this.#running - 1) };
  }

  lane(): Queryable {
    return this;
  }

  async close(): Promise<void> {
    this.#closing ??= this.#closeNow();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closedError(this.description);
    this.#running += 1;
    try {
      return await work();
    } catch (thrown) {
      throw asDatabaseError(thrown, this.description);
    } finally {
      this.#running -= 1;
      this.#statements += 1;
      if (this.#statements % UPKEEP_EVERY === 0 && this.#closing === undefined) this.#upkeep ??= this.#maintain();
    }
  }

  async #maintain(): Promise<void> {
    try {
      await maintain(inside(this.#lite));
    } catch (thrown) {
      this.#logger.warn({ err: thrown, database: this.description }, 'the upkeep of the database failed; it is tried again later');
    } finally {
      this.#upkeep = undefined;
    }
  }

  async #closeNow(): Promise<void> {
    await this.#upkeep;
    try {
      // So that the next start has no log to replay.
      await this.#lite.exec('checkpoint');
    } catch (thrown) {
      this.#logger.warn({ err: thrown, database: this.description }, 'no checkpoint at the end; the next start replays the log');
    } finally {
      await this.#lite.close();
    }
  }
}

/**
 * Opens PGlite in a folder (made when missing), or in memory.
 * @throws {ForebayError} `DATABASE_UNAVAILABLE` when the folder cannot be used.
 */
export async function openPglite(folder: string | undefined, options: ResolvedDatabaseOptions): Promise<Database> {
  const parsers = { [INT8]: safeInteger, [TIMESTAMPTZ]: isoTimestamp };
  const absolute = folder === undefined ? undefined : path.resolve(folder);
  const description = absolute === undefined ? 'the in-memory database' : `the database in ${absolute}`;
  try {
    if (absolute !== undefined) await mkdir(absolute, { recursive: true, mode: 0o700 });
    const lite = await PGlite.create({ ...(absolute === undefined ? {} : { dataDir: absolute }), parsers });
    await lite.exec(`set timezone = 'UTC'; set statement_timeout = ${options.statementTimeoutMs}`);
    return new PgliteDatabase(lite, description, options.logger);
  } catch (thrown) {
    throw toForebayError(
      thrown,
      'DATABASE_UNAVAILABLE',
      `${description} cannot be opened; see that the folder is writable, holds nothing else and was made by this version of PGlite`,
    );
  }
}
