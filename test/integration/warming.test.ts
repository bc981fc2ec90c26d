import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

const FILES = 2000;
/** Twice a period of counting, so that the second one's counts are told before the end. */
const READS = 20_000;

let redis: TestRedis;
let admin: Redis;
let postgres: TestPostgres;
let database: Database;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  admin = new Redis(redis.url);
  database = await openDatabase(postgres.url);
  await migrate(database);
  await database.exec(`
    insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a', '/a/' || n, n, 'text/plain', 'ann' from generate_series(1, ${FILES}) n`);
});
afterAll(async () => {
  await database.close();
  admin.disconnect();
  await Promise.all([redis.stop(), postgres.stop()]);
});
beforeEach(async () => {
  await admin.flushall();
  await database.exec('truncate forebay.popular');
});

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const open = (options: Partial<Parameters<typeof createForebay>[0]> = {}): Promise<Forebay> =>
  createForebay({ database, redis: redis.url, cache: { budgetMs: 5000 }, warm: 'off', ...options });

/** Ids of a Zipf mix, always the same: the n-th most popular file is read 1/n as often as the first. */
function zipfMix(reads: number): string[] {
  const weights = Array.from({ length: FILES }, (_, n) => 1 / (n + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const bounds: number[] = [];
  for (const weight of weights) bounds.push((bounds.at(-1) ?? 0) + weight / sum);
  let state = 42;
  return Array.from({ length: reads }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const at = state / 2 ** 32;
    return id(bounds.findIndex((bound) => at < bound) + 1);
  });
}

/** Share of these reads that no tier answered. */
async function missRatio({ files }: Forebay, ids: readonly string[]): Promise<number> {
  let misses = 0;
  for (let at = 0; at < ids.length; at += 100) {
    const lookups = await files.lookupMany(ids.slice(at, at + 100));
    misses += lookups.filter(({ outcome }) => outcome !== 'hit').length;
  }
  return misses / ids.length;
}

/** So that the database remembers what is popular. */
async function readMuch(): Promise<void> {
  await using one = await open();
  await missRatio(one, zipfMix(READS));
}

/** Popular keys by hand, the first one the most popular. */
const remember = (...ids: readonly string[]): Promise<unknown> =>
  database.query("select forebay.add_popular('file:info', $1::text[], $2::int[], 21600)", [ids, ids.map((_, i) => 1000 - i)]);

describe('a new process on an empty Redis', () => {
  test('has nearly the hit ratio of before once it is warm, at a few calls of the database', async () => {
    await readMuch();
    await admin.flushall();
    await using one = await open();
    const ids = zipfMix(1000);
    const cold = await missRatio(one, ids);
    await admin.flushall();
    await using two = await open();
    const report = await two.files.warm();
    expect(report).toMatchObject({ outcome: 'done', found: 0, absent: 0, failed: 0 });
    expect(report.loaded).toBe(report.popular);
    const { body } = await two.metricsText();
    expect(Number(/^forebay_loads_total\{cache="file:info"\} (\d+)/m.exec(body)?.[1])).toBeLessThan(report.popular / 50);
    const warm = await missRatio(two, ids);
    expect(cold).toBeGreaterThan(0.3);
    expect(warm).toBeLessThan(cold / 4);
  });

  test('is warm before it serves with `blocking`, and nobody else loads anything then', async () => {
    await remember(id(1), id(2));
    await using one = await open({ warm: 'blocking' });
    expect(await one.files.lookupMany([id(1), id(2), id(3)])).toMatchObject([
      { outcome: 'hit' },
      { outcome: 'hit' },
      { outcome: 'loaded' },
    ]);
    await vi.waitFor(async () => expect(await admin.exists(`file:info:{${id(1)}}`, `file:info:{${id(2)}}`)).toBe(2));
    await using two = await open({ warm: 'blocking' });
    expect(await two.files.lookup(id(1))).toMatchObject({ outcome: 'hit', tier: 'remote' });
    const { body } = await two.metricsText();
    expect(body).toContain('forebay_warm_runs_total{outcome="elsewhere"} 1');
  });

  test('goes on without what was deleted meanwhile, and takes no notice of what is no id', async () => {
    await remember(id(FILES + 1), 'no-id', id(1));
    await using one = await open();
    expect(await one.files.warm()).toMatchObject({ outcome: 'done', popular: 3, loaded: 1, absent: 1 });
    expect(await one.files.warm({ limit: 1 })).toMatchObject({ popular: 1 });
    await expect(one.files.warm({ limit: -1 })).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'limit' });
  });
});

describe('Redis emptied under a fleet', () => {
  test('is filled again by one process, with what others and its own memory hold too', async () => {
    const popular = Array.from({ length: 700 }, (_, n) => id(n + 1));
    await remember(...popular);
    await using one = await open({ warm: 'background' });
    await using two = await open({ warm: 'background' });
    const loadedBy = async (forebay: Forebay): Promise<number> =>
      Number(/^forebay_warmed_entries_total (\d+)/m.exec((await forebay.metricsText()).body)?.[1]);
    const both = async (): Promise<number> => (await loadedBy(one)) + (await loadedBy(two));
    await vi.waitFor(async () => expect(await both()).toBe(700), { timeout: 20_000 });
    // Whoever warms has all of it in memory.
    await Promise.all([one.files.getMany(popular), two.files.getMany(popular)]);
    await admin.flushall();
    const keys = popular.map((text) => `file:info:{${text}}`);
    await vi.waitFor(async () => expect(await admin.exists(...keys)).toBe(700), { timeout: 20_000 });
    expect(await both()).toBe(1400);
    expect(await two.files.lookup(id(700))).toMatchObject({ outcome: 'hit' });
    const { body } = await two.metricsText();
    expect(body).toContain('forebay_pacer_recoveries_total');
  });
});

test('a change that meets the warming keeps the old value out of both tiers', async () => {
  const popular = Array.from({ length: 600 }, (_, n) => id(n + 1));
  await remember(...popular);
  const changed = popular[599] ?? '';
  await using one = await open();
  await using two = await open();
  // The rows are read by the load, and the change is committed, before the load is answered.
  const answered = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const query = database.query.bind(database);
  const spy = vi.spyOn(database, 'query').mockImplementation(async (sql, params, call) => {
    const rows = await query(sql, params, call);
    const ids = params?.[0];
    if (sql.includes('from forebay.file_info where id = any') && Array.isArray(ids) && ids.includes(changed)) {
      asked.resolve();
      await answered.promise;
    }
    return rows;
  });
  const warming = one.files.warm();
  await asked.promise;
  spy.mockRestore();
  const { version, invalidation } = await two.files.update(changed, { size: 77_777 });
  expect(invalidation).toBe('applied');
  await vi.waitFor(async () => expect((await one.metricsText()).body).toContain('forebay_flights_tainted_total{cache="file:info"} 1'));
  answered.resolve();
  expect(await warming).toMatchObject({ outcome: 'done', popular: 600, failed: 0 });
  await vi.waitFor(async () => expect(await admin.exists(`file:info:{${popular[0]}}`)).toBe(1));
  expect(await admin.get(`file:info:{${changed}}`)).toBeNull();
  expect(await one.files.lookup(changed)).toMatchObject({ outcome: 'loaded', version });
  expect(await two.files.lookup(changed)).toMatchObject({ version });
});
