import { setTimeout as pause } from 'node:timers/promises';
import { ForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { silentLogger } from '../core/logger.ts';
import { isBusy, withBriefLocks } from './brief-locks.ts';
import type { Database, Queryable } from './database.ts';
import type { Migration } from './migrations.ts';
import { noteApplied, readMigrations, schemaLevel } from './migrations.ts';

export interface MigrateOptions {
  /** @defaultValue says nothing */
  readonly logger?: Logger;
  /** How long the locks of one migration are tried for, in ms: no try lasts longer than 80 ms, and others go on in between. @defaultValue 120,000 */
  readonly patienceMs?: number;
  /** After so long of silence in the midst of a migration the server rolls it back, in ms: whoever ran it stands still. @defaultValue 30,000 */
  readonly silenceMs?: number;
}

export interface Migrated {
  /** The number of the last migration of the database: more than this version knows, when a newer one has migrated it that this one can work with. */
  readonly version: number;
  /** How many were applied now. */
  readonly applied: number;
}

/** An arbitrary number that stands for "Forebay migrates" among the server's advisory locks. */
const LOCK = 4_632_072_117;
const PATIENCE_MS = 120_000;
const SILENCE_MS = 30_000;
/** Between looks at whether another instance's migration is over. */
const LOOK_AGAIN_MS = [50, 100, 250, 500] as const;
const OUR_TABLES = {
  sql: 'select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1',
  params: ['forebay'],
};

const PREPARE = `
  create schema if not exists forebay;
  create table if not exists forebay.migrations (
    number     integer primary key,
    name       text not null,
    applied_at timestamptz not null default now()
  )`;

/**
 * Brings the schema `forebay` up to this version: each missing migration in a transaction of its own, one instance at a time. Idempotent, and one look without a lock when nothing is missing.
 *
 * Whoever finds another instance at work looks again and again rather than wait in the database: there is nothing that a migration could have to wait for in turn. Killed in the midst, a migration is rolled back, and
 * the next instance begins it anew.
 * @throws {ForebayError} `SCHEMA_NEWER` when a newer Forebay migrated this database and this one cannot work with that, `TABLE_BUSY` when others keep a table locked, `DATABASE_UNAVAILABLE`.
 */
export async function migrate(database: Database, options: MigrateOptions = {}): Promise<Migrated> {
  const { logger = silentLogger } = options;
  const migrations = await readMigrations();
  let applied = 0;
  let looks = 0;
  for (;;) {
    const level = await schemaLevel(database, migrations.length);
    const next = migrations[level];
    if (next === undefined) {
      if (level > migrations.length) {
        logger.info(
          { schema: level, known: migrations.length },
          'a newer version of Forebay has migrated the database; this one can work with it',
        );
      }
      return { version: level, applied };
    }
    switch (await tryApply(database, next, options)) {
      case 'applied':
        applied += 1;
        looks = 0;
        logger.info({ migration: next.name, database: database.description }, 'database migrated');
        break;
      case 'taken':
        if (looks === 0) logger.info({ migration: next.name }, 'another instance migrates the database; waiting for it');
        await pause(LOOK_AGAIN_MS[Math.min(looks, LOOK_AGAIN_MS.length - 1)]);
        looks += 1;
        break;
      case 'done':
        break;
    }
  }
}

/** `taken`: another instance migrates; `done`: another one has applied it meanwhile. */
async function tryApply(database: Database, next: Migration, options: MigrateOptions): Promise<'applied' | 'taken' | 'done'> {
  const { logger = silentLogger, patienceMs = PATIENCE_MS, silenceMs = SILENCE_MS } = options;
  const onBusy = (tries: number): void => {
    if (tries === 1)
      logger.warn(
        { migration: next.name },
        'a migration waits for a table that others have locked; it lets them go first, and tries again',
      );
  };
  try {
    return await withBriefLocks(database, { patienceMs, tables: OUR_TABLES, onBusy }, (tx) => apply(tx, next, silenceMs));
  } catch (thrown) {
    if (!isBusy(thrown)) throw thrown;
    throw new ForebayError(
      'TABLE_BUSY',
      `the migration ${next.name} waited for ${patienceMs} ms for a table that others have locked; nothing was changed: end the transaction that stays open (pg_stat_activity names it), and start again`,
      { cause: thrown },
    );
  }
}

async function apply(tx: Queryable, next: Migration, silenceMs: number): Promise<'applied' | 'taken' | 'done'> {
  await tx.exec(`set local statement_timeout = 0; set local idle_in_transaction_session_timeout = ${silenceMs}`);
  // Tried, not waited for: a statement that waits holds a snapshot, and what has to wait for all snapshots (create index concurrently) would wait for it.
  const [lock] = await tx.query<{ mine: boolean }>(`select pg_try_advisory_xact_lock(${LOCK}) as mine`);
  if (lock?.mine !== true) return 'taken';
  await tx.exec(PREPARE);
  const [row] = await tx.query<{ last: number }>('select coalesce(max(number), 0) as last from forebay.migrations');
  if (row?.last !== next.number - 1) return 'done';
  await tx.exec(next.sql);
  await noteApplied(tx, next);
  return 'applied';
}
