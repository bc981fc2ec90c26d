import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFileStore, migrate, openDatabase } from '../../../src/postgres/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { INSERT, migrateTo, watchingExec } from './migrate.world.ts';

describe('migrate', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it('applies each migration once when ten instances start at the same time', async () => {
    const url = await server.createDatabase('together');
    const databases = await Promise.all(Array.from({ length: 10 }, () => openDatabase(url)));
    const results = await Promise.all(databases.map((database) => migrate(database)));
    const [first] = results;
    expect(results.reduce((sum, result) => sum + result.applied, 0)).toBe(first?.version);
    expect(await databases[0]?.query('select number from forebay.migrations order by number')).toHaveLength(first?.version ?? 0);
    await Promise.all(databases.map((database) => database.close()));
  });

  it('does nothing the second time and keeps the records', async () => {
    await using database = await openDatabase(await server.createDatabase('again'));
    const { version, applied } = await migrate(database);
    expect(applied).toBe(version);
    const record = await createFileStore(database).create({ path: '/a', size: 1, ownerId: 'me' });
    expect(await migrate(database)).toEqual({ version, applied: 0 });
    expect((await createFileStore(database).loadInfos([record.id])).get(record.id)).toEqual(record);
  });

  describe('a database that a newer version has migrated', () => {
    const newer = async (name: string, rows: readonly (readonly [ahead: number, compatibleFrom: number | null])[]) => {
      const database = await openDatabase(await server.createDatabase(name));
      const { version } = await migrate(database);
      for (const [ahead, compatibleFrom] of rows) {
        await database.query('insert into forebay.migrations (number, name, compatible_from) values ($1, $2, $3)', [
          version + ahead,
          'from-the-future.sql',
          compatibleFrom === null ? null : version + compatibleFrom,
        ]);
      }
      return { database, version };
    };

    it('is worked with if all that this one does not know says so', async () => {
      const { database, version } = await newer('compatible', [
        [1, 0],
        [2, -1],
      ]);
      await using _ = database;
      expect(await migrate(database)).toEqual({ version: version + 2, applied: 0 });
    });

    it.each<[string, string, readonly (readonly [number, number | null])[], number]>([
      ['itself', 'newer', [[1, 1]], 1],
      [
        'one before it',
        'newer_before',
        [
          [1, 1],
          [2, 0],
        ],
        1,
      ],
      [
        'the last of several',
        'newer_last',
        [
          [1, 0],
          [2, 2],
        ],
        2,
      ],
      ['one that does not say', 'newer_silent', [[1, null]], 1],
    ])('is refused, and left as it is, if %s takes more', async (_, name, rows, needed) => {
      const { database, version } = await newer(name, rows);
      await using _database = database;
      await expect(migrate(database)).rejects.toMatchObject({
        code: 'SCHEMA_NEWER',
        message: expect.stringContaining(`knows migration ${version + needed}; this one knows ${version}`),
      });
      expect(await database.query('select from forebay.migrations')).toHaveLength(version + rows.length);
    });
  });

  it('needs no lock and no right to make schemas where nothing is missing', async () => {
    const url = await server.createDatabase('settled');
    await using owner = await openDatabase(url);
    const { version } = await migrate(owner);
    await owner.exec('create role reader login; grant usage on schema forebay to reader; grant select on forebay.migrations to reader');
    await using reader = await openDatabase(url.replace(/\/\/[^@]*@/, '//reader@'));
    await owner.transaction(async (tx) => {
      await tx.exec('select pg_advisory_xact_lock(4632072117)');
      expect(await migrate(reader)).toEqual({ version, applied: 0 });
    });
  });

  it('begins anew what an instance was killed in the midst of', async () => {
    await using database = await openDatabase(await server.createDatabase('killed'));
    const cut = watchingExec(database, async (sql, tx) => {
      if (!sql.includes('create table forebay.log')) return;
      const [own] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
      await database.query('select pg_terminate_backend($1)', [own?.pid]);
    });
    await expect(migrate(cut)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    const [left] = await database.query<{ last: number }>('select max(number) as last from forebay.migrations');
    expect(left?.last).toBe(1);
    const { version } = await migrate(database);
    expect(await database.query('select number from forebay.migrations order by number')).toEqual(
      Array.from({ length: version }, (_, index) => ({ number: index + 1 })),
    );
  });

  it('an instance that stands still in the midst is rolled back by the server, and another goes on', async () => {
    const url = await server.createDatabase('frozen');
    await using database = await openDatabase(url);
    await using other = await openDatabase(url);
    const still = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const stuck = migrate(
      watchingExec(database, async (sql) => {
        if (!sql.includes('create table forebay.log')) return;
        reached.resolve();
        await still.promise;
      }),
      { silenceMs: 100 },
    );
    await reached.promise;
    expect((await migrate(other)).applied).toBeGreaterThan(0);
    still.resolve();
    await expect(stuck).rejects.toThrow();
    expect((await migrate(database)).applied).toBe(0);
  });

  describe('on a table that others read and write', () => {
    it('holds nobody up while a transaction stays open: it lets go and tries again', async () => {
      const url = await server.createDatabase('held');
      await using database = await openDatabase(url);
      await using others = await openDatabase(url, { maxConnections: 2 });
      await migrateTo(database, 1);
      await database.exec(INSERT);
      const busy = Promise.withResolvers<void>();
      const logger = { ...silentLogger, warn: () => busy.resolve() };
      let migrating: ReturnType<typeof migrate> | undefined;
      await others.transaction(async (open) => {
        await open.exec("update forebay.file_info set size = 0 where path = '/a/1'");
        migrating = migrate(database, { logger });
        await busy.promise;
        // Behind a migration that waits for as long as it takes, each of these would wait for the open transaction.
        for (let count = 0; count < 20; count += 1) {
          await others.exec(
            "set lock_timeout = 1000; select from forebay.file_info; update forebay.file_info set size = 1 where path = '/a/2'",
          );
        }
      });
      expect((await migrating)?.applied).toBeGreaterThan(0);
    });

    it('gives up after its patience, and changes nothing', async () => {
      const url = await server.createDatabase('impatient');
      await using database = await openDatabase(url);
      await migrateTo(database, 1);
      await database.exec(INSERT);
      await database.transaction(async (open) => {
        await open.exec('update forebay.file_info set size = 0');
        await expect(migrate(database, { patienceMs: 100 })).rejects.toMatchObject({
          code: 'TABLE_BUSY',
          message: expect.stringMatching(/0002-change-log\.sql waited for 100 ms/),
        });
      });
      expect(await database.query('select from forebay.migrations')).toHaveLength(1);
    });
  });

  it('draws versions in the trigger, whatever a writer behind our back says', async () => {
    await using database = await openDatabase(await server.createDatabase('behind'));
    await migrate(database);
    const record = await createFileStore(database).create({ path: '/a', size: 1, ownerId: 'me' });
    const [row] = await database.query<{ version: number }>('update forebay.file_info set version = 0 where id = $1 returning version', [
      record.id,
    ]);
    expect(row?.version).toBeGreaterThan(record.version);
  });
});
