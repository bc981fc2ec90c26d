import { afterAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/postgres/index.ts';
import { attachTable, detachTable, listAttached, migrate, openDatabase, planAttach } from '../../src/postgres/index.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { describeAttached } from './attach.suite.ts';
import { describeAttaching } from './attaching.suite.ts';

const ends: (() => Promise<void>)[] = [];
let server: Promise<TestPostgres> | undefined;

async function newUrl(name: string): Promise<string> {
  const started = await (server ??= startPostgres());
  const url = await started.createDatabase(name);
  await using database = await openDatabase(started.url);
  // The role of these tests has the name of the schema, which would be the first in its path.
  await database.exec(`alter database ${name} set search_path = public`);
  return url;
}

async function opened(url: string): Promise<Database> {
  const database = await openDatabase(url);
  ends.push(() => database.close());
  return database;
}

async function migrated(url: string): Promise<Database> {
  const database = await opened(url);
  await migrate(database);
  return database;
}

afterAll(async () => {
  await Promise.all(ends.map((end) => end()));
  await (await server)?.stop();
});

describeAttached('an attached table in PGlite', () => opened('pglite:memory'));
describeAttached('an attached table in Postgres', async () => opened(await newUrl('attached')));
describeAttaching('attaching in PGlite', () => migrated('pglite:memory'));
describeAttaching('attaching in Postgres', async () => migrated(await newUrl('attaching')));

describe('attaching beside others', () => {
  it("plans, lists and detaches in a database without Forebay's schema, and attaching installs it", async () => {
    const database = await opened(await newUrl('fresh'));
    await database.exec('create table documents (id integer primary key, owner text)');
    const options = { table: 'documents', id: 'id', tags: 'owner' };
    const plan = await planAttach(database, options);
    expect(await listAttached(database)).toEqual([]);
    expect(await detachTable(database, { table: 'documents' })).toMatchObject({ outcome: 'absent' });
    expect(await database.query("select from pg_namespace where nspname = 'forebay'")).toEqual([]);
    expect(plan.needsMigration).toBe(true);
    expect(await attachTable(database, options)).toEqual({ ...plan, needsMigration: false });
  });

  it('gives up when a writer holds the table for longer than the limit, and changes nothing', async () => {
    const database = await migrated(await newUrl('busy'));
    await database.exec('create table documents (id integer primary key)');
    await database.transaction(async (writer) => {
      await writer.query('insert into documents values (1)');
      const attaching = attachTable(database, { table: 'documents', id: 'id', lockTimeoutMs: 50 });
      await expect(attaching).rejects.toMatchObject({ code: 'TABLE_BUSY', message: expect.stringContaining('try again') });
    });
    expect(await listAttached(database)).toEqual([]);
    expect((await attachTable(database, { table: 'documents', id: 'id', lockTimeoutMs: 50 })).outcome).toBe('attached');
    await database.transaction(async (writer) => {
      await writer.query('insert into documents values (2)');
      await expect(detachTable(database, { table: 'documents', lockTimeoutMs: 50 })).rejects.toMatchObject({ code: 'TABLE_BUSY' });
    });
    expect(await listAttached(database)).toMatchObject([{ state: 'on' }]);
  });

  it('says which rights are missing', async () => {
    const url = await newUrl('rights');
    const database = await migrated(url);
    await database.exec(
      'create table documents (id integer primary key); create role guest login; grant create on database rights to guest; grant usage on schema forebay to guest; grant select on all tables in schema forebay to guest',
    );
    const guest = await opened(url.replace('forebay:secret', 'guest'));
    await expect(attachTable(guest, { table: 'documents', id: 'id' })).rejects.toMatchObject({
      code: 'RIGHTS_MISSING',
      message: expect.stringContaining('permission denied'),
    });
  });
});
