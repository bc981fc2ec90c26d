import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate, openDatabase } from '../../src/postgres/index.ts';
import { runToEnd, type Ended } from '../support/program.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { tempDir } from '../support/temp.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
  await using database = await openDatabase(server.url);
  // The role of these tests has the name of the schema, which would be the first in its path.
  await database.exec('alter role forebay set search_path = public');
});
afterAll(() => server.stop());

const run = (args: readonly string[], url?: string): Promise<Ended> =>
  runToEnd(args, url === undefined ? {} : { env: { FOREBAY_DATABASE_URL: url } });

const OPTIONS = ['--table', '"My Documents"', '--id', 'id', '--cache', 'documents', '--tags', "array['owner:' || owner]"];

describe('a database that a newer version has migrated', () => {
  test.each([
    ['works if it says so', 'compatible', 0, 0],
    ['is refused if it does not, with what to do', 'incompatible', 1, 1],
  ])('%s', async (_, name, more, exitCode) => {
    const url = await server.createDatabase(name);
    await using database = await openDatabase(url);
    const { version } = await migrate(database);
    await database.exec('create table documents (id uuid primary key)');
    await database.query("insert into forebay.migrations (number, name, compatible_from) values ($1, 'from-the-future.sql', $2)", [
      version + 1,
      version + more,
    ]);
    const words = `SCHEMA_NEWER: the database is at migration ${version + 1}, which takes a version of Forebay that knows migration ${version + 1}; this one knows ${version}: run a version`;
    const { code, stderr } = await run(['attach', '--table', 'documents', '--id', 'id'], url);
    expect([code, stderr]).toEqual([exitCode, exitCode === 0 ? expect.any(String) : expect.stringContaining(words)]);
  });
});

describe('forebay attach and detach', () => {
  test('print the SQL that they would run, and changed nothing', async () => {
    const url = await server.createDatabase('dry');
    await using database = await openDatabase(url);
    await database.exec('create table "My Documents" (id uuid primary key, owner text)');
    const { code, stdout } = await run(['attach', ...OPTIONS, '--dry-run'], url);
    expect(code).toBe(0);
    expect(stdout).toContain('its migrations run first');
    expect(stdout).toContain('create or replace trigger forebay_updated after update on public."My Documents"');
    expect(await database.query("select from pg_namespace where nspname = 'forebay'")).toEqual([]);
    expect(await run(['attach', ...OPTIONS], url)).toMatchObject({ code: 0 });
    const plan = await run(['detach', '--table', '"My Documents"', '--dry-run'], url);
    expect(plan.stdout).toContain('drop trigger if exists forebay_updated on public."My Documents"');
    // What was printed is what does it: run by hand, it leaves nothing to do.
    await database.exec(plan.stdout);
    expect(await run(['detach', '--table', '"My Documents"'], url)).toMatchObject({
      code: 0,
      stdout: 'Nothing to do, public."My Documents" is not attached.\n',
    });
    await database.exec((await run(['attach', ...OPTIONS, '--dry-run'], url)).stdout);
    expect((await run(['attach', ...OPTIONS], url)).stdout).toContain('Nothing to do, it is attached already');
  });

  test('answer programs in JSON, and list what is attached', async () => {
    const url = await server.createDatabase('json');
    await using database = await openDatabase(url);
    await database.exec('create table "My Documents" (id uuid primary key, owner text)');
    const json = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await run([...args, '--json'], url)).stdout);
    const described = { table: 'public."My Documents"', id: 'id', cache: 'documents', tags: "array['owner:' || owner]" };
    expect(await json('attach', '--list')).toEqual([]);
    expect(await json('attach', ...OPTIONS)).toEqual({
      ...described,
      outcome: 'attached',
      dryRun: false,
      needsMigration: false,
      notes: [],
    });
    expect(await json('attach', ...OPTIONS)).toMatchObject({ outcome: 'unchanged' });
    expect(await json('attach', '--list')).toMatchObject([{ ...described, state: 'on' }]);
    expect((await run(['attach', '--list'], url)).stdout).toBe(
      `on      public."My Documents"  id id, cache documents, tags array['owner:' || owner]\n`,
    );
    expect(await json('detach', '--table', '"My Documents"', '--dry-run')).toMatchObject({
      outcome: 'detached',
      dryRun: true,
      sql: expect.stringContaining('drop'),
    });
    expect(await json('detach', '--table', '"My Documents"')).toEqual({
      outcome: 'detached',
      table: 'public."My Documents"',
      dryRun: false,
    });
    expect((await run(['attach', '--list'], url)).stdout).toBe('No table is attached.\n');
  });

  test.each<[string, readonly string[], string]>([
    ['no table', ['attach', '--id', 'id'], '--table TABLE is missing'],
    ['no id', ['attach', '--table', 'documents'], '--id COLUMN is missing'],
    ['a list of one', ['attach', '--list', '--table', 'documents'], '--list prints all tables'],
    ['a table that is not there', ['attach', '--table', 'nowhere', '--id', 'id'], 'table = nowhere: there is no such table'],
    ['nothing to detach', ['detach'], "required option '--table <TABLE>' not specified"],
  ])('%s is a clear error with exit code 2', async (_name, args, text) => {
    const { code, stderr } = await run(args, server.url);
    expect(code).toBe(2);
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('a database that does not answer is exit code 1', async () => {
    const { code, stderr } = await run(['attach', '--list'], 'postgres://nobody@127.0.0.1:1/none');
    expect(code).toBe(1);
    expect(stderr).toContain('DATABASE_UNAVAILABLE');
  });

  test('without a database URL they are about the embedded database, and say so', async () => {
    await using folder = await tempDir();
    await using database = await openDatabase(`pglite:${folder.path}/database`);
    await database.exec('create table documents (id bigint primary key)');
    await database.close();
    const { code, stdout, stderr } = await run(['attach', '--table', 'documents', '--id', 'id', '--data', folder.path]);
    expect(code).toBe(0);
    expect(stdout).toContain('Attached public.documents as the cache documents');
    expect(stderr).toContain(`the embedded database in ${folder.path}`);
  });
});
