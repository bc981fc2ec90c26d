import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Instance } from '../../support/redis-caches.ts';
import { openInstance, Rows } from '../../support/redis-caches.ts';
import type { TestRedis } from '../../support/redis.ts';
import { startRedis } from '../../support/redis.ts';

/** Everything that is kept in Redis may vanish at any time: that costs a load, never a stale read. */
let redis: TestRedis;
let admin: Redis;

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url);
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});

/** Every kind of key that the tier keeps. */
const kinds = ['file:info:{a}', 'file:info:{a}:lease', 'forebay:tags'];

/** A day in the life of one record. After each step the writer's own process has been told of every write. */
const steps: readonly (readonly [name: string, run: (world: World) => Promise<unknown>])[] = [
  ['a first read', ({ one }) => one.cache.get('a')],
  ['a read by another instance', ({ two }) => two.cache.get('a')],
  ['a write', (world) => world.write((by) => by.cache.invalidate({ keys: ['a'] }))],
  ['a read', ({ one }) => one.cache.get('a')],
  ['a tag invalidation', (world) => world.write((by) => by.cache.invalidate({ tags: ['blue'] }))],
  ['a read', ({ one }) => one.cache.get('a')],
  ['a write while a load is under way', (world) => world.writeDuringLoad()],
  ['a read', ({ one }) => one.cache.get('a')],
  ['an invalidation of everything', (world) => world.write((by) => by.cache.invalidate({ all: true }))],
  ['a read', ({ one }) => one.cache.get('a')],
];

class World {
  readonly rows = new Rows();
  version = 1;
  readonly one: Instance;
  readonly two: Instance;

  constructor(rows: Rows, one: Instance, two: Instance) {
    this.rows = rows;
    this.one = one;
    this.two = two;
  }

  async write(invalidate: (by: Instance) => Promise<unknown>): Promise<void> {
    this.version += 1;
    this.rows.put('a', this.version, ['blue']);
    expect(await invalidate(this.one)).toBe('applied');
  }

  async writeDuringLoad(): Promise<void> {
    await this.one.cache.invalidate({ keys: ['a'] });
    const slow = this.one.cache.get('a');
    await this.write((by) => by.cache.invalidate({ keys: ['a'] }));
    await slow;
  }
}

describe.each(kinds)('%s, deleted', (kind) => {
  test.each(steps.map(([name], i) => [`${i + 1} (${name})`, i] as const))(
    'after step %s, costs no stale read',
    async (_name, deletedAfter) => {
      await admin.flushall();
      const rows = new Rows();
      rows.put('a', 1, ['blue']);
      await using one = await openInstance(redis.url, { loadMany: rows.loadMany });
      await using two = await openInstance(redis.url, { loadMany: rows.loadMany });
      const world = new World(rows, one, two);
      for (const [i, [, run]] of steps.entries()) {
        await run(world);
        if (i === deletedAfter) await admin.unlink(kind);
        // The writer's process reads its own writes at once; an instance with nothing in memory sees what Redis would give to anyone.
        expect((await one.cache.get('a'))?.version).toBe(world.version);
        await using fresh = await openInstance(redis.url, { loadMany: rows.loadMany });
        expect((await fresh.cache.get('a'))?.version).toBe(world.version);
      }
    },
  );
});

test('with keys evicted for real (8 MB, 100,000 records, tags in use) no read is stale and none fails', async () => {
  await using small = await startRedis({ args: ['--maxmemory', '8mb', '--maxmemory-policy', 'allkeys-lru'] });
  const count = 100_000;
  const rows = new Rows();
  const tagOf = (i: number): string => `tag${i % 50}`;
  for (let i = 0; i < count; i += 1) rows.put(`k${i}`, 1, [tagOf(i)]);
  // Little room in process memory, so that the reads are Redis's to answer.
  await using one = await openInstance(small.url, { loadMany: rows.loadMany }, { maxEntries: 100 });
  const adminOfSmall = new Redis(small.url);
  const keys = Array.from({ length: count }, (_, i) => `k${i}`);
  let stale = 0;
  let version = 1;
  for (let at = 0; at < count; at += 1000) {
    const batch = keys.slice(at, at + 1000);
    await one.cache.getMany(batch);
    if (at % 10_000 !== 0) continue;
    version += 1;
    // One tag of fifty, and one key, of those that may be anywhere.
    const tag = tagOf(at / 10_000);
    for (let i = at / 10_000; i < count; i += 50) rows.put(`k${i}`, version, [tag]);
    expect(await one.cache.invalidate({ tags: [tag] })).toBe('applied');
    rows.put(`k${at + 1}`, version, [tagOf(at + 1)]);
    expect(await one.cache.invalidate({ keys: [`k${at + 1}`] })).toBe('applied');
    const asked = [...keys.filter((_, i) => i % 50 === at / 10_000).slice(0, 500), `k${at + 1}`];
    // The writer's own instance, and one with nothing in memory, which sees what Redis gives to anyone.
    await using fresh = await openInstance(small.url, { loadMany: rows.loadMany });
    for (const reader of [one, fresh]) {
      const found = await reader.cache.getMany(asked);
      for (const key of asked) if (found.get(key)?.version !== rows.rows.get(key)?.version) stale += 1;
    }
  }
  const evicted = Number(/evicted_keys:(\d+)/.exec(await adminOfSmall.info('stats'))?.[1]);
  adminOfSmall.disconnect();
  expect(stale).toBe(0);
  expect(evicted).toBeGreaterThan(10_000);
  expect(one.cache.stats().counts.lookups.unavailable).toBe(0);
}, 120_000);
