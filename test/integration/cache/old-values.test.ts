import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Instance, InstanceOptions } from '../../support/redis-caches.ts';
import { gate, holdReplies, openInstance, Rows } from '../../support/redis-caches.ts';
import type { TestRedis } from '../../support/redis.ts';
import { startRedis } from '../../support/redis.ts';

/** No old value is ever put back: each test holds a load or a reply up, lets an invalidation pass it, and looks into both tiers afterwards. */
let redis: TestRedis;
let admin: Redis;
let open: Instance[] = [];

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url);
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});
beforeEach(() => admin.flushall());
afterEach(async () => {
  for (const instance of open) await instance[Symbol.asyncDispose]();
  open = [];
});

async function instance(rows: Rows, options?: InstanceOptions): Promise<Instance> {
  const made = await openInstance(redis.url, { loadMany: rows.loadMany }, options);
  open.push(made);
  return made;
}

/** What a third instance, which has nothing in memory, would be served. */
async function versionServedTo(fresh: Instance, key: string): Promise<number | undefined> {
  return (await fresh.cache.get(key))?.version;
}

/** How the record is told to be forgotten. */
const ways = [
  ['its key', (by: Instance) => by.cache.invalidate({ keys: ['a'] })],
  ['one of its tags', (by: Instance) => by.cache.invalidate({ tags: ['blue'] })],
  ['all', (by: Instance) => by.cache.invalidate({ all: true })],
] as const;

/** How the load that is held up began. */
const reads = [
  ['get', (one: Instance) => one.cache.get('a')],
  ['getMany', (one: Instance) => one.cache.getMany(['b', 'a'])],
  ['warm', (one: Instance) => one.cache.warm(['a'])],
] as const;

describe.each(ways)('a load that read the old row before an invalidation by %s', (_way, invalidate) => {
  describe.each([
    ['this process', true],
    ['another process', false],
  ])('of %s', (_who, bySelf) => {
    test.each(reads)('and ends after it stores nothing in either tier, for %s', async (_read, begin) => {
      const rows = new Rows();
      rows.put('a', 1, ['blue']);
      rows.put('b', 1);
      const one = await instance(rows);
      const other = await instance(rows);
      const third = await instance(rows);
      rows.hold = gate();
      const { hold } = rows;
      const reading = begin(one);
      await vi.waitFor(() => expect(rows.loads).toBe(1));
      rows.put('a', 2, ['blue']);
      rows.hold = null;
      expect(await invalidate(bySelf ? one : other)).toBe('applied');
      hold.open();
      await reading;
      await one.cache.idle();
      expect(one.cache.peek('a')?.version).not.toBe(1);
      expect(await versionServedTo(third, 'a')).toBe(2);
      // The invalidation of another process comes over the bus within milliseconds; the loader's own process never serves the old value after it.
      await vi.waitFor(async () => expect(await versionServedTo(one, 'a')).toBe(2));
      expect(one.cache.stats().counts.fills.stored).toBeLessThanOrEqual(2);
    });
  });

  test('and ends after it stores nothing, with Redis emptied in between', async () => {
    const rows = new Rows();
    rows.put('a', 1, ['blue']);
    const one = await instance(rows);
    const other = await instance(rows);
    const third = await instance(rows);
    rows.hold = gate();
    const { hold } = rows;
    const reading = one.cache.get('a');
    await vi.waitFor(() => expect(rows.loads).toBe(1));
    rows.put('a', 2, ['blue']);
    rows.hold = null;
    await invalidate(other);
    await admin.flushall();
    hold.open();
    await reading;
    await one.cache.idle();
    expect(await versionServedTo(third, 'a')).toBe(2);
  });
});

test('a refresh ahead of expiry that read the old row before an invalidation stores nothing', async () => {
  const rows = new Rows();
  rows.put('a', 1);
  // Every read of an entry is in the last nine tenths of its TTL after 10 % of it.
  const one = await instance(rows, { ttl: () => 2000, refreshAhead: 0.9 });
  const third = await instance(rows);
  await one.cache.get('a');
  await one.cache.idle();
  rows.hold = gate();
  const { hold } = rows;
  await vi.waitFor(async () => {
    expect((await one.cache.get('a'))?.version).toBe(1);
    expect(rows.loads).toBe(2);
  });
  rows.put('a', 2);
  rows.hold = null;
  await one.cache.invalidate({ keys: ['a'] });
  hold.open();
  await one.cache.idle();
  expect(await versionServedTo(one, 'a')).toBe(2);
  expect(await versionServedTo(third, 'a')).toBe(2);
  expect(one.cache.stats().counts.refreshes).toBeGreaterThanOrEqual(1);
});

test('an invalidation between the reply to our MGET and its processing leaves no old value in the local tier', async () => {
  const rows = new Rows();
  rows.put('a', 1);
  const writer = await instance(rows);
  await writer.cache.get('a');
  await writer.cache.idle();
  const processing = gate();
  const replied = gate();
  let isHeld = true;
  const reader = await instance(rows, {
    wrap: (tier) =>
      holdReplies(tier, async () => {
        if (!isHeld) return;
        replied.open();
        await processing.opened;
      }),
  });
  const heard = gate();
  reader.tier.listen({ onInvalidated: () => heard.open(), onTagsChanged: () => {}, onGap: () => {} });
  const reading = reader.cache.get('a');
  await replied.opened;
  isHeld = false;
  rows.put('a', 2);
  await writer.cache.invalidate({ keys: ['a'] });
  await heard.opened;
  processing.open();
  // Asked before the write, it may answer with the old value; it may not keep it.
  expect((await reading)?.version).toBe(1);
  expect(reader.cache.peek('a')).toBeUndefined();
  expect((await reader.cache.get('a'))?.version).toBe(2);
});

test('a process that asks after its own invalidation does not join the load that began before it', async () => {
  const rows = new Rows();
  rows.put('a', 1);
  const one = await instance(rows);
  rows.hold = gate();
  const { hold } = rows;
  const before = one.cache.get('a');
  await vi.waitFor(() => expect(rows.loads).toBe(1));
  rows.put('a', 2);
  rows.hold = null;
  await one.cache.invalidate({ keys: ['a'] });
  const after = one.cache.get('a');
  expect((await after)?.version).toBe(2);
  hold.open();
  expect((await before)?.version).toBe(1);
  await one.cache.idle();
  expect(one.cache.peek('a')?.version).toBe(2);
});
