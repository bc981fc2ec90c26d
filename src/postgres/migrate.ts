import { readFile, readdir } from 'node:fs/promises';
import { ForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { silentLogger } from '../core/logger.ts';
import type { Database, Queryable } from './database.ts';

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

const FOLDER = new URL('./sql/', import.meta.url);
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;

/** An arbitrary number that stands for "Forebay migrates" among the server's advisory locks. */
const LOCK = 4_632_072_117;

/** Waiting for another instance's migration has no time limit of its own; the lock ends with that instance's connection. */
const PREPARE = `
  set local statement_timeout = 0;
  select pg_advisory_xact_lock(${LOCK});
  create schema if not exists forebay;
  create table if not exists forebay.migrations (
    number     integer primary key,
    name       text not null,
    applied_at timestamptz not null default now()
  )`;

/** The migrations of this version of Forebay, in order, numbered from 1 without gaps. */
async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => FILE_NAME.test(name)).toSorted();
  return Promise.all(
    names.map(async (name, index) => {
      if (Number(name.slice(0, 4)) !== index + 1) throw new Error(`migration ${name} should have the number ${index + 1}`);
      return { number: index + 1, name, sql: await readFile(new URL(name, FOLDER), 'utf8') };
    }),
  );
}

/** Applies the next migration that is missing; `undefined` when there is none. */
async function applyNext(tx: Queryable, migrations: readonly Migration[]): Promise<Migration | undefined> {
  await tx.exec(PREPARE);
  const [row] = await tx.query<{ last: number }>('select coalesce(max(number), 0) as last from forebay.migrations');
  const last = row?.last ?? 0;
  if (last > migrations.length) {
    throw new ForebayError(
      'SCHEMA_NEWER',
      `the database is at migration ${last}, this version of Forebay knows ${migrations.length}; run a version at least as new as the one that migrated it`,
    );
  }
  const next = migrations[last];
  if (next === undefined) return undefined;
  await tx.exec(next.sql);
  await tx.query('insert into forebay.migrations (number, name) values ($1, $2)', [next.number, next.name]);
  return next;
}

/**
 * Brings the schema `forebay` up to this version: each missing migration in a transaction of its own, one instance at a time. Idempotent.
 * @returns the number of the last migration, and how many were applied now.
 * @throws {ForebayError} `SCHEMA_NEWER` when a newer Forebay migrated this database, `DATABASE_UNAVAILABLE`.
 */
export async function migrate(database: Database, options: { logger?: Logger } = {}): Promise<{ version: number; applied: number }> {
  const logger = options.logger ?? silentLogger;
  const migrations = await readMigrations();
  let applied = 0;
  for (;;) {
    const done = await database.transaction((tx) => applyNext(tx, migrations));
    if (done === undefined) return { version: migrations.length, applied };
    applied += 1;
    logger.info({ migration: done.name, database: database.description }, 'database migrated');
  }
}
