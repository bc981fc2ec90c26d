import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { NewFile } from '../../src/files/records.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

/** Transactions with both tiers in front of them: what enters them, and what does not. */
let redis: TestRedis;
let admin: Redis;
let postgres: TestPostgres;
let databases: ReadonlyMap<string, Database>;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  admin = new Redis(redis.url);
  databases = new Map([
    ['pglite', await openDatabase('pglite:memory')],
    ['postgres', await openDatabase(postgres.url)],
  ]);
  for (const database of databases.values()) await migrate(database);
});
afterAll(async () => {
  for (const database of databases.values()) await database.close();
  admin.disconnect();
  await Promise.all([redis.stop(), postgres.stop()]);
});
beforeEach(() => admin.flushall());

const report: NewFile = { path: '/reports/2026/q3.pdf', size: 1, ownerId: 'ann', tags: ['finance'] };

describe.each([['pglite'], ['postgres']])('on %s', (kind) => {
  const open = (): Promise<Forebay> =>
    createForebay({ database: databases.get(kind) ?? expect.fail(`no ${kind}`), redis: redis.url, cache: { budgetMs: 5000 } });
  const inRedis = async (): Promise<string> => {
    const keys = (await admin.keys('file:*')).filter((key) => !key.endsWith(':lease'));
    return keys.length === 0 ? '' : (await admin.mget(keys)).join('\n');
  };

  test('what is read and written in a transaction that is rolled back enters no tier, and what was there stays', async () => {
    await using one = await open();
    const { record } = await one.files.create(report);
    await vi.waitFor(async () => {
      await one.files.settle([record.id]);
      expect(await one.files.lookup(record.id)).toMatchObject({ outcome: 'loaded', stored: true });
    });
    await vi.waitFor(async () => expect(await inRedis()).toContain(`"version":${record.version}`));
    let never = '';
    const failed = one.files.transaction(async (tx) => {
      await tx.update(record.id, { path: '/never/seen' });
      await tx.meta.put(record.id, { never: 'seen' });
      never = (await tx.create({ ...report, path: '/never/made' })).record.id;
      expect((await tx.getMany([record.id, never])).size).toBe(2);
      expect((await tx.meta.get(record.id))?.attributes).toEqual({ never: 'seen' });
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    expect(await inRedis()).not.toContain('never');
    expect(await admin.exists(`file:info:{${record.id}}`)).toBe(1);
    expect([one.files.peek(never), one.files.meta.peek(record.id)]).toEqual([undefined, undefined]);
    expect(await one.files.get(record.id)).toEqual(record);
    expect(await one.files.get(never)).toBeNull();
    expect((await one.files.meta.get(record.id))?.attributes).toEqual({});
  });

  test('what is committed is read at once here, and soon by everyone else, own statements included', async () => {
    await using one = await open();
    await using two = await open();
    const { record } = await one.files.create(report);
    const { record: moved } = await one.files.create(report);
    await two.files.getMany([record.id, moved.id]);
    await two.files.meta.get(record.id);
    const { value: changed } = await one.files.transaction(async (tx) => {
      await tx.query(`update forebay.file_info set size = 77 where id = $1`, [moved.id]);
      await tx.meta.put(record.id, { pages: 9 });
      return (await tx.update(record.id, { size: 2 })).record;
    });
    expect(await one.files.get(record.id)).toEqual(changed);
    expect((await one.files.meta.get(record.id))?.attributes).toEqual({ pages: 9 });
    await vi.waitFor(
      async () => {
        expect(await two.files.get(record.id)).toEqual(changed);
        expect((await two.files.get(moved.id))?.size).toBe(77);
        expect((await one.files.get(moved.id))?.size).toBe(77);
        expect((await two.files.meta.get(record.id))?.attributes).toEqual({ pages: 9 });
      },
      { interval: 5, timeout: 5000 },
    );
  });

  test('a change by own SQL is read at once here after it was settled', async () => {
    await using one = await open();
    const { record } = await one.files.create(report);
    await one.files.get(record.id);
    await databases.get(kind)?.query('update forebay.file_info set size = 55 where id = $1', [record.id]);
    expect(['applied', 'queued']).toContain((await one.files.settle([record.id])).invalidation);
    expect((await one.files.get(record.id))?.size).toBe(55);
  });
});
