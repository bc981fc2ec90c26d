import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { attachTable } from '../../../src/postgres/attach.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { startPostgres } from '../../support/postgres.ts';
import { freePort } from '../../support/redis.ts';
import type { Databases } from './world.ts';
import { allFoundIn, examine, foundIn, skippedIn, sql, startDatabases } from './world.ts';

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

const mendOf = (report: Awaited<ReturnType<typeof examine>>, name: string): string =>
  report.checks.find(({ check }) => check === name)?.findings[0]?.mend ?? '';

describe('a doctor finds of the database', () => {
  test('that nobody is there', async () => {
    const report = await examine({ database: `postgres://me:a-secret@127.0.0.1:${await freePort()}/files` });
    expect(foundIn(report)).toEqual([expect.stringMatching(/^database\.reach error: database "files" on 127.* does not answer/)]);
    expect(JSON.stringify(report)).not.toContain('a-secret');
    expect(skippedIn(report)).toMatchObject({ 'database.schema': 'database.reach has to be right first', 'loop.clock': expect.anything() });
  });

  test('that it takes no writes', async () => {
    const url = await databases.fresh('readonly');
    await sql(url, 'alter database readonly set default_transaction_read_only = on');
    const report = await examine({ database: url });
    expect(foundIn(report)).toEqual([expect.stringMatching(/^database\.writable error: transactions of this user are read-only/)]);
    // What it says mends it.
    const mend = mendOf(report, 'database.writable').split('; or ')[0] ?? '';
    await sql(`${url}?options=-c%20default_transaction_read_only%3Doff`, ...mend.split('; '));
    expect(foundIn(await examine({ database: url, dryRun: true }))).toEqual([]);
  });

  test('a trigger that is disabled and one that was dropped, and its words mend both', async () => {
    const url = await databases.fresh('triggers');
    await sql(
      url,
      'alter table forebay.file_info disable trigger file_info_updated',
      'drop trigger file_meta_inserted on forebay.file_meta',
    );
    const report = await examine({ database: url });
    expect(foundIn(report)).toEqual([
      'database.triggers error: the trigger file_info_updated on forebay.file_info is disabled',
      'database.triggers error: the trigger file_meta_inserted on forebay.file_meta is not there',
    ]);
    expect(skippedIn(report)).toMatchObject({ 'loop.probe': 'database.triggers has to be right first' });
    const mends = report.checks.find(({ check }) => check === 'database.triggers')?.findings.map(({ mend }) => mend) ?? [];
    await sql(url, ...mends);
    expect(foundIn(await examine({ database: url, dryRun: true }))).toEqual([]);
  });

  test('a user for whom no trigger fires', async () => {
    const url = await databases.fresh('replicating');
    await sql(url, 'create role loader', 'alter role loader set session_replication_role = replica');
    const report = await examine({ database: url, dryRun: true });
    await sql(url, 'drop role loader');
    expect(foundIn(report)).toEqual([expect.stringMatching(/^database\.triggers error: session_replication_role is replica for loader/)]);
  });

  test('attached tables whose triggers are disabled, or that are gone', async () => {
    const url = await databases.fresh('attached');
    await sql(url, 'create table public.papers (id uuid primary key)');
    await using database = await openDatabase(url);
    await attachTable(database, { table: 'public.papers', id: 'id' });
    expect(foundIn(await examine({ database: url, dryRun: true }))).toEqual([]);
    await sql(url, 'alter table public.papers disable trigger forebay_updated');
    expect(foundIn(await examine({ database: url, dryRun: true }))).toEqual([
      'database.attached error: a trigger on the attached table public.papers is missing or disabled, or its column id is gone',
    ]);
    await sql(url, 'drop table public.papers');
    expect(foundIn(await examine({ database: url, dryRun: true }))).toEqual([
      'database.attached warning: the attached table public.papers is gone, or has none of its triggers',
    ]);
  });

  test.each<[string, string, readonly string[], RegExp]>([
    ['that is not there', 'none', ['drop schema forebay cascade'], /^database\.schema warning: the schema forebay is not installed/],
    [
      'that is older',
      'older',
      ['delete from forebay.migrations where number >= 3'],
      /^database\.schema warning: the schema is at migration 2, this/,
    ],
    [
      'that is newer',
      'newer',
      ["insert into forebay.migrations values (99, '0099-x.sql')"],
      /^database\.schema error: the database is at migration 99/,
    ],
    [
      'of another program',
      'other',
      ["update forebay.migrations set name = 'theirs' where number = 2"],
      /^database\.schema error: migration 2 is "theirs"/,
    ],
  ])('a schema %s', async (_, name, statements, expected) => {
    const url = await databases.fresh(`schema ${name}`);
    await sql(url, ...statements);
    const report = await examine({ database: url });
    expect(foundIn(report)).toEqual([expect.stringMatching(expected)]);
    expect(skippedIn(report)).toMatchObject({ 'loop.probe': 'database.schema has to be right first' });
  });

  test('a newer schema that says that this version can work with it: nothing is amiss', async () => {
    const url = await databases.fresh('compatible');
    await sql(url, "insert into forebay.migrations values (99, '0099-x.sql', now(), 5)");
    const report = await examine({ database: url });
    expect(foundIn(report)).toEqual([]);
    expect(report.checks.find(({ check }) => check === 'database.schema')?.said).toContain('says that this one can work with it');
    expect(skippedIn(report)).toMatchObject({ 'database.triggers': 'a newer version made the schema, and knows its triggers' });
  });

  test('that a user who lacks the right to migrate cannot start when there is something to apply', async () => {
    const url = await databases.fresh('behind');
    await sql(url, 'drop schema forebay cascade', 'drop role if exists starter', 'create role starter login');
    const report = await examine({ database: url.replace('//forebay:', '//starter:'), dryRun: true });
    expect(foundIn(report)).toEqual([
      'database.rights error: the user starter lacks create on database behind',
      'database.schema warning: the schema forebay is not installed: the first start does it',
    ]);
  });

  test('rights that the user lacks, and grants them in its words', async () => {
    const url = await databases.fresh('rights');
    const tables =
      'forebay.file_info, forebay.file_meta, forebay.log, forebay.sequencer, forebay.popular, forebay.attached, forebay.migrations';
    await sql(
      url,
      'create role app login',
      'grant usage on schema forebay to app',
      `grant select, insert, update, delete on ${tables} to app`,
      'grant usage on sequence forebay.version to app',
      'grant select on forebay.outbox to app',
    );
    const asApp = url.replace('//forebay:', '//app:');
    const report = await examine({ database: asApp });
    expect(foundIn(report)).toEqual(['database.rights error: the user app lacks insert, delete on forebay.outbox']);
    await sql(url, mendOf(report, 'database.rights'));
    expect(foundIn(await examine({ database: asApp }))).toEqual([]);
  });

  test('settings of the server by which commits are lost, tables grow and the pool has no room', async () => {
    // A test server is just so set up, for the sake of time.
    await using careless = await startPostgres({ args: ['-c', 'max_connections=13', '-c', 'fsync=off', '-c', 'autovacuum=off'] });
    const url = await careless.createDatabase('careless');
    await using database = await openDatabase(url);
    await migrate(database);
    await database.close();
    expect(allFoundIn(await examine({ database: url, dryRun: true }))).toEqual([
      expect.stringMatching(/^database\.durability error: fsync is off/),
      expect.stringMatching(/^database\.durability error: full_page_writes is off/),
      expect.stringMatching(/^database\.durability warning: synchronous_commit is off/),
      'database.vacuum warning: autovacuum is off',
      'database.connections error: one process may take 12 connections, and max_connections (13) leaves room for 10',
    ]);
    expect(foundIn(await examine({ database: url, dryRun: true, databaseConnections: 5 }))).not.toContainEqual(
      expect.stringContaining('database.connections'),
    );
  });

  test('a transaction that has been open for long', async () => {
    const url = await databases.fresh('held');
    const holder = new Client({ connectionString: url, application_name: 'a-dump' });
    await holder.connect();
    await holder.query('begin isolation level repeatable read');
    await holder.query('select 1');
    try {
      expect(foundIn(await examine({ database: url, dryRun: true }))).toEqual([]);
      // The real limit is five minutes.
      const report = await examine({ database: url, dryRun: true, limits: { longTransactionMs: 1 } });
      expect(foundIn(report)).toEqual([
        expect.stringMatching(
          /^database\.transactions warning: a transaction of forebay \(process \d+, idle in transaction, a-dump\) has been open/,
        ),
      ]);
      expect(mendOf(report, 'database.transactions')).toMatch(/^select pg_terminate_backend\(\d+\)$/);
    } finally {
      await holder.end();
    }
  });

  test('changes that nobody numbers, and that nothing is ever proven, since no process relays', async () => {
    const url = await databases.fresh('alone');
    await sql(url, "insert into forebay.outbox (tags) values ('{a}')");
    const report = await examine({ database: url, relay: 'never', maxStalenessMs: 500 });
    expect(foundIn(report)).toEqual([
      'database.outbox error: 1 row of changes wait, and nobody numbers them: no process relays now',
      'loop.relay error: the settings say relay=never, and no other process relays',
    ]);
  });

  test('a clock that runs at another rate', async () => {
    const url = await databases.fresh('clock');
    const fast = { ...systemClock, now: () => performance.now() * 1.2 };
    expect(foundIn(await examine({ database: url, dryRun: true, clock: fast, limits: { clockMs: 1000 } }))).toEqual([
      expect.stringMatching(/^loop\.clock error: the clock of this machine runs (1[5-9]|2[0-5])\.\d\d % faster than that of the database/),
    ]);
    const slow = { ...systemClock, now: () => performance.now() * 0.95 };
    expect(foundIn(await examine({ database: url, dryRun: true, clock: slow, limits: { clockMs: 1000 } }))).toEqual([
      expect.stringMatching(/^loop\.clock warning: the clock of this machine runs [3-7]\.\d\d % slower/),
    ]);
  });
});

test.each<[string, object, string]>([
  ['far too long', { ttl: { fixedMs: 30 * 86_400_000 } }, 'settings.ttl warning: a fixed TTL of 30d'],
  ['far too short', { ttl: { fixedMs: 100 } }, 'settings.ttl warning: a fixed TTL of 100ms'],
])('a fixed TTL that is %s is found', async (_, settings, expected) => {
  const report = await examine({ database: await databases.fresh(expected), dryRun: true, ...settings });
  expect(foundIn(report)).toEqual([expect.stringContaining(expected)]);
});
