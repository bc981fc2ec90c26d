import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFileStore, migrate, openDatabase } from '../../../src/postgres/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';

describe('migrate', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it('applies each migration once when eight instances start at the same time', async () => {
    const url = await server.createDatabase('together');
    const databases = await Promise.all(Array.from({ length: 8 }, () => openDatabase(url)));
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

  it('refuses a database that a newer version migrated, and changes nothing in it', async () => {
    await using database = await openDatabase(await server.createDatabase('newer'));
    const { version } = await migrate(database);
    await database.query('insert into forebay.migrations (number, name) values ($1, $2)', [version + 1, 'from-the-future.sql']);
    await expect(migrate(database)).rejects.toMatchObject({
      code: 'SCHEMA_NEWER',
      message: expect.stringContaining(`migration ${version + 1}`),
    });
    expect(await database.query('select from forebay.migrations')).toHaveLength(version + 1);
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
