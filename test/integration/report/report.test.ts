import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Forebay } from '../../../src/forebay.ts';
import { createForebay } from '../../../src/forebay.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { createFileStore } from '../../../src/postgres/file-store.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { reportSchema } from '../../../src/service/routes/report-schema.ts';
import type { TestRedis } from '../../support/redis.ts';
import { startRedis } from '../../support/redis.ts';

/** What the report says, beside what was really read: on a real Redis and the embedded Postgres. */
const FILES = 400;
const ids = Array.from({ length: FILES }, (_, i) => `018f4e9a-1b2c-7d3e-8f40-${String(i).padStart(12, '0')}`);
const ABSENT_ID = '018f4e9a-0000-7000-8000-000000000000';
const idOf = (i: number): string => ids[i] ?? '';

let redis: TestRedis;
let admin: Redis;
let database: Database;

beforeAll(async () => {
  [redis, database] = await Promise.all([startRedis({ args: ['--maxmemory', '64mb'] }), openDatabase('pglite:memory')]);
  admin = new Redis(redis.url);
  await migrate(database);
  const store = createFileStore(database);
  await store.transaction(async (tx) => {
    for (const [i, id] of ids.entries()) await tx.create({ id, path: `/srv/${i % 4}/${i}.txt`, size: i, ownerId: i < 10 ? 'ann' : 'bob' });
  });
});
afterAll(async () => {
  await database.close();
  admin.disconnect();
  await redis.stop();
});
beforeEach(() => admin.flushall());

const open = (local: { maxEntries?: number } = {}): Promise<Forebay> =>
  createForebay({ database, redis: redis.url, local, warm: 'off', cache: { budgetMs: 5000 } });

/** Until what was loaded is in Redis. */
const stored = (keys: number): Promise<void> =>
  vi.waitFor(async () => expect((await admin.keys('file:*')).filter((key) => !key.endsWith(':lease')).length).toBe(keys));

describe('the report of a Forebay on real servers', () => {
  test('says who answered how many reads, and what that spared the database', async () => {
    await using one = await open();
    await using two = await open();
    await one.files.getMany(ids.slice(0, 100));
    await stored(100);
    for (let round = 0; round < 3; round += 1) for (const id of ids.slice(0, 100)) await one.files.get(id);
    await two.files.getMany(ids.slice(0, 50));
    await one.files.get(ABSENT_ID);
    await one.files.get(ABSENT_ID);

    const first = reportSchema.parse(one.report());
    expect(first.reads).toMatchObject({ total: 402, answered: { local: 301, remote: 0, source: 101, unavailable: 0 } });
    expect(first.reads.hitRatio).toBeCloseTo(301 / 402, 10);
    expect(first.local).toMatchObject({ hits: 301, entries: 101, saved: { keys: 301 } });
    expect(first.absent).toEqual({ total: 2, share: 2 / 402, local: 1, remote: 0, source: 1 });
    // One call for a hundred keys, and one for the absent one.
    expect(first.database).toMatchObject({ queries: 2, keys: 101, keysPerQuery: 50.5, failedKeys: 0 });
    expect(first.local.saved.queries).toBeCloseTo(301 / 50.5, 10);
    // What was spared is the time that reads of the database took, for each read that process memory answered.
    expect(first.local.saved.waitMs).toBeGreaterThan(301 * 0.05);
    expect(first.local.saved.waitMs).toBeLessThan(301 * 5000);
    expect(first.database.withoutCache.queriesPerSecond).toBeCloseTo((402 / 50.5) * (1000 / first.period.ms), 6);

    const second = reportSchema.parse(two.report());
    expect(second.reads).toMatchObject({ total: 50, answered: { local: 0, remote: 50, source: 0 } });
    expect(second.remote).toMatchObject({ hitRatio: 1, hits: 50, refused: 0, missed: 0, saved: { keys: 50 } });
    expect(second.remote?.payloadBytes).toBeGreaterThan(200);
  });

  test('names the keys and tags that were read most, with how often', async () => {
    await using forebay = await open();
    for (let round = 0; round < 20; round += 1) for (const i of [1, 2]) await forebay.files.get(idOf(i));
    for (let round = 0; round < 5; round += 1) await forebay.files.get(idOf(200));
    const { hot } = reportSchema.parse(forebay.report());
    expect(hot.keys.map(({ name, reads }) => [name, reads])).toEqual([
      [idOf(1), 20],
      [idOf(2), 20],
      [idOf(200), 5],
    ]);
    expect(hot.keys[0]?.share).toBeCloseTo(20 / 45, 10);
    expect(Object.fromEntries(hot.tags.map(({ name, reads }) => [name, reads]))).toMatchObject({
      'owner:ann': 40,
      'owner:bob': 5,
      'folder:/srv/1': 20,
    });
    expect(forebay.hot(1)['file:info']?.keys).toEqual([{ key: idOf(1), reads: 20, error: 0 }]);
    expect(() => forebay.hot(0)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  test('its curve says what an LRU of each size would have answered, and a Forebay of twice the size then does', async () => {
    const bytes = gunzipSync(readFileSync(new URL('../../support/traces/web12.trace.gz', import.meta.url)));
    // The first reads of the trace that fall on as many records as there are.
    const numbers = new Map<number, number>();
    const trace: string[] = [];
    for (let i = 0; i < bytes.length / 4 && trace.length < 6000; i += 1) {
      const key = bytes.readInt32BE(i * 4);
      if (!numbers.has(key) && numbers.size === FILES) continue;
      if (!numbers.has(key)) numbers.set(key, numbers.size);
      trace.push(idOf(numbers.get(key) ?? 0));
    }
    const play = async (maxEntries: number): Promise<ReturnType<Forebay['report']>> => {
      await using forebay = await createForebay({
        database,
        redis: redis.url,
        local: { maxEntries, policy: 'lru' },
        warm: 'off',
        maxStalenessMs: 60_000,
        ttl: { fixedMs: 3_600_000 },
        cache: { budgetMs: 5000 },
      });
      for (const id of trace) await forebay.files.get(id);
      // Its memory and keys are looked up now and then.
      await vi.waitFor(() => expect(forebay.health?.nodes()[0]?.keys).toBeGreaterThan(0), { timeout: 20_000 });
      return reportSchema.parse(forebay.report());
    };
    // Three quarters of the room are for records.
    const [small, large] = [await play(80), await play(160)];
    const at = (factor: number): number => small.curves.local.points.find((point) => point.factor === factor)?.hitRatio ?? Number.NaN;
    expect(small.curves.local.entries).toBe(60);
    expect(Math.abs(at(1) - (small.local.hitRatio ?? 0))).toBeLessThan(0.01);
    expect(Math.abs(at(2) - (large.local.hitRatio ?? 0))).toBeLessThan(0.01);
    expect((large.local.hitRatio ?? 0) - (small.local.hitRatio ?? 0)).toBeGreaterThan(0.03);
    expect(small.curves.local.sentence).toContain(
      `the hit ratio would be ${(at(2) * 100).toFixed(1)} % instead of ${(at(1) * 100).toFixed(1)} %`,
    );
    expect(small.curves.local.recommended?.factor).toBeGreaterThan(1);
    // All that process memory did not have came to Redis, which has room for all of it: what was read before was there.
    expect(large.curves.remote?.reads).toBe(large.reads.total - large.reads.answered.local);
    expect(large.remote?.maxBytes).toBe(64 * 2 ** 20);
    expect(large.curves.remote?.points.at(-1)?.hitRatio).toBeGreaterThan(0.9);
    expect(
      Math.abs((large.curves.remote?.points.find(({ factor }) => factor === 1)?.hitRatio ?? 0) - (large.remote?.hitRatio ?? 0)),
    ).toBeLessThan(0.01);
  });

  test('an entry that is invalidated or expires is one that no larger size would have answered', async () => {
    await using forebay = await open();
    for (let round = 0; round < 10; round += 1) {
      for (const id of ids.slice(0, 200)) await forebay.files.get(id);
      await forebay.files.invalidate({ ids: ids.slice(0, 100) });
    }
    const { curves, local } = reportSchema.parse(forebay.report());
    // Of 2,000 reads the first 200 and then 100 in each round found nothing.
    expect(local.hitRatio).toBeCloseTo(900 / 2000, 10);
    expect(curves.local.points.at(-1)?.hitRatio).toBeCloseTo(900 / 2000, 2);
  });

  test('a period is refused beyond a day, and is all since the start while there is no older snapshot', async () => {
    await using forebay = await open();
    await forebay.files.get(idOf(1));
    expect(() => forebay.report({ periodMs: 86_400_001 })).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
    expect(() => forebay.report({ periodMs: 0 })).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
    const report = reportSchema.parse(forebay.report({ periodMs: 3_600_000 }));
    expect(report.period).toMatchObject({ askedMs: 3_600_000, sinceStart: true });
    expect(report.period.ms).toBeLessThan(3_600_000);
    expect(report.reads.total).toBe(1);
  });

  test('what the report reckons for an entry in Redis is within a quarter of what the server says', async () => {
    await using one = await open();
    await using two = await open();
    await one.files.getMany(ids);
    await stored(FILES);
    await two.files.getMany(ids);
    const { remote } = reportSchema.parse(two.report());
    const usages = await Promise.all(ids.slice(0, 50).map((id) => admin.memory('USAGE', `file:info:{${id}}`, 'SAMPLES', 0)));
    const mean = usages.reduce<number>((sum, usage) => sum + Number(usage), 0) / 50;
    // The key's place in the two tables, of the keys and of those that expire, is not in MEMORY USAGE.
    expect(remote?.bytesPerEntryFrom).toBe('payload');
    expect(Math.abs((remote?.bytesPerEntry ?? 0) / (mean + 48) - 1)).toBeLessThan(0.25);
  });

  test('without Redis there is nothing of it in the report', async () => {
    await using forebay = await createForebay({ database, redis: null, warm: 'off' });
    await forebay.files.getMany(ids.slice(0, 10));
    const report = reportSchema.parse(forebay.report());
    expect(report.remote).toBeNull();
    expect(report.curves.remote).toBeNull();
    expect(report.reads.answered).toEqual({ local: 0, remote: 0, source: 10, unavailable: 0 });
  });
});
