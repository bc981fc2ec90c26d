import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database, Queryable } from '../../../src/postgres/index.ts';
import { attachTable, openDatabase, planAttach, planDetach } from '../../../src/postgres/index.ts';
import { readMigrations } from '../../../src/postgres/migrations.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { INSERT, migrateTo } from './migrate.world.ts';

/**
 * The locks that each migration takes on tables that were there before, beyond those of a plain write. A migration that locks a table others use has to be done with it at once: nothing that reads or rewrites the table
 * (a new column that needs a value for each row, an index that is not made concurrently, a check that is not `not valid`) may run under such a lock. Timing says little on a small table, so the modes are what is held.
 */
const LOCKS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '0001-files.sql': {},
  // Triggers are taken off and put on: a change of the catalog, whatever the size of the table.
  '0002-change-log.sql': { 'forebay.file_info': 'AccessExclusiveLock', 'forebay.file_meta': 'AccessExclusiveLock' },
  '0003-attached.sql': {},
  '0004-popularity.sql': {},
  // A column without a value.
  '0005-compatible-from.sql': { 'forebay.migrations': 'AccessExclusiveLock' },
};

const STRENGTH = ['ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'];

interface Relation {
  readonly oid: number;
  readonly name: string;
  readonly file: number;
}

const relations = (database: Queryable): Promise<Relation[]> =>
  database.query<Relation>(`
    select c.oid::integer as oid, n.nspname || '.' || c.relname as name, pg_relation_filenode(c.oid)::integer as file from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('forebay', 'public') and c.relkind in ('r', 'i') order by 2`);

/** What `sql` locks, and whether it made the files of a table or an index anew or added an index to a table of before. */
async function effects(
  database: Database,
  sql: string,
): Promise<{ locks: Record<string, string>; rewritten: string[]; indexed: string[] }> {
  const rolledBack = new Error('rolled back on purpose');
  const before = await relations(database);
  const effect = { locks: {} as Record<string, string>, rewritten: [] as string[], indexed: [] as string[] };
  const work = database.transaction(async (tx) => {
    await tx.exec(sql);
    const held = await tx.query<{ oid: number; mode: string }>(
      "select relation::integer as oid, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'",
    );
    for (const { oid, name } of before) {
      const modes = held.filter((lock) => lock.oid === oid).map(({ mode }) => STRENGTH.indexOf(mode));
      const strongest = STRENGTH[Math.max(-1, ...modes)];
      if (strongest !== undefined) effect.locks[name] = strongest;
    }
    const after = await relations(tx);
    effect.rewritten = before.filter(({ oid, file }) => after.some((now) => now.oid === oid && now.file !== file)).map(({ name }) => name);
    const tables = new Set(before.map(({ oid }) => oid));
    const indexes = await tx.query<{ index: number; table: number; name: string }>(
      'select indexrelid::integer as index, indrelid::integer as table, indexrelid::regclass::text as name from pg_index',
    );
    effect.indexed = indexes.filter(({ index, table }) => tables.has(table) && !tables.has(index)).map(({ name }) => name);
    throw rolledBack;
  });
  await expect(work).rejects.toBe(rolledBack);
  return effect;
}

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

it('no migration holds a table that others use for longer than it takes to change the catalog', async () => {
  const seen: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  for (const { number, name, sql } of await readMigrations()) {
    await using database = await openDatabase(await server.createDatabase(`locks_${number}`));
    await migrateTo(database, number - 1);
    if (number > 1)
      await database.exec(`${INSERT}; insert into forebay.file_meta (id, version, attributes) select id, 1, '{}' from forebay.file_info`);
    seen[name] = await effects(database, sql);
    // A name that is missing above: say there what the new migration locks, and why that is over at once.
    expected[name] = { locks: LOCKS[name], rewritten: [], indexed: [] };
  }
  expect(seen).toEqual(expected);
});

it('attaching a table stops writers alone, and detaching readers too, for a change of the catalog', async () => {
  await using database = await openDatabase(await server.createDatabase('attached'));
  await migrateTo(database, (await readMigrations()).length);
  await database.exec(
    'create table public.documents (id integer primary key, owner text); insert into public.documents select n from generate_series(1, 100) n',
  );
  const options = { table: 'documents', id: 'id', tags: 'owner' };
  const attaching = await planAttach(database, options);
  expect(await effects(database, attaching.sql)).toEqual({
    locks: { 'public.documents': 'ShareRowExclusiveLock' },
    rewritten: [],
    indexed: [],
  });
  await attachTable(database, options);
  const detaching = await planDetach(database, { table: 'documents' });
  expect(await effects(database, detaching.sql)).toEqual({
    locks: { 'public.documents': 'AccessExclusiveLock' },
    rewritten: [],
    indexed: [],
  });
});

it.each([
  [
    'an index',
    'create index on forebay.file_info (size)',
    { locks: { 'forebay.file_info': 'ShareLock' }, rewritten: [], indexed: ['file_info_size_idx'] },
  ],
  [
    'a type that needs the table anew',
    'alter table forebay.file_info alter size type numeric',
    { rewritten: expect.arrayContaining(['forebay.file_info']) },
  ],
])('this test sees %s', async (name, sql, expected) => {
  await using database = await openDatabase(await server.createDatabase(`sees_${name.length}`));
  await migrateTo(database, 1);
  expect(await effects(database, sql)).toMatchObject(expected);
});
