import { describe, expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import type { CacheOptions } from '../../../src/cache/options.ts';
import { MissRatioCurve } from '../../../src/cache/reuse-histogram.ts';
import type { CacheCounts } from '../../../src/cache/stats.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const TTL_MS = 10_000;

function open(options: Partial<CacheOptions<string, string>> = {}) {
  const clock = new FakeClock();
  const cache = createCache<string, string>({
    name: 'test',
    clock,
    random: () => 0.5,
    ttl: () => TTL_MS,
    policy: 'lru',
    source: { loadMany: async (keys) => new Map(keys.map((key) => [key, key === 'nothing' ? null : `value of ${key}`])) },
    ...options,
  });
  const get = async (...keys: string[]): Promise<void> => {
    for (const key of keys) {
      const answer = cache.get(key);
      await clock.settle();
      await answer;
    }
  };
  const lifetimes = (): CacheCounts['lifetimes'] => cache.stats().counts.lifetimes;
  return { cache, clock, get, lifetimes };
}

const NONE = { expiredUsed: 0, expiredUnused: 0, evictedUsed: 0, evictedUnused: 0, refreshedInTime: 0 };

describe('the end of an entry in process memory', () => {
  test('by expiry is counted when its key is loaded again, by whether it had answered a read', async () => {
    const { clock, get, lifetimes } = open({ refreshAhead: 0 });
    await get('used', 'used', 'unused');
    await clock.pass(TTL_MS + 1);
    expect(lifetimes()).toEqual(NONE);
    await get('used', 'unused');
    expect(lifetimes()).toEqual({ ...NONE, expiredUsed: 1, expiredUnused: 1 });
  });

  test('by making room is counted so before its expiry, and as an expiry after it', async () => {
    const { clock, get, lifetimes } = open({ maxEntries: 2 });
    await get('a', 'a', 'b', 'c', 'd');
    expect(lifetimes()).toEqual({ ...NONE, evictedUsed: 1, evictedUnused: 1 });
    await clock.pass(TTL_MS + 1);
    await get('e', 'f');
    expect(lifetimes()).toEqual({ ...NONE, evictedUsed: 1, evictedUnused: 1, expiredUnused: 2 });
  });

  test('by a load ahead of it is counted as refreshed in time', async () => {
    const { clock, get, lifetimes } = open();
    await get('a');
    await clock.pass(TTL_MS * 0.95);
    await get('a');
    expect(lifetimes()).toEqual({ ...NONE, refreshedInTime: 1 });
  });

  test('by invalidation is not counted, nor is that of an absence', async () => {
    const { cache, clock, get, lifetimes } = open();
    await get('a', 'nothing');
    await cache.invalidate({ keys: ['a'] });
    await get('a');
    await clock.pass(40_000);
    await get('nothing');
    expect(lifetimes()).toEqual(NONE);
  });
});

describe('the curve that a cache keeps', () => {
  const ratioAt = (size: number, cache: ReturnType<typeof open>['cache'], reads: number): number | null =>
    new MissRatioCurve(cache.reuse().local, reads).hitRatioAt(size);

  test('has a read of an expired entry, and of one whose tag was invalidated, as one that no size would have answered', async () => {
    const { cache, clock, get } = open({ refreshAhead: 0, describe: () => ({ tags: ['t'] }) });
    await get('a', 'a', 'b', 'b');
    expect(ratioAt(1000, cache, 4)).toBe(0.5);
    await clock.pass(TTL_MS + 1);
    await get('a', 'b');
    expect(ratioAt(1000, cache, 6)).toBeCloseTo(2 / 6, 9);
    await cache.invalidate({ tags: ['t'] });
    await get('a', 'b');
    expect(ratioAt(1000, cache, 8)).toBeCloseTo(2 / 8, 9);
    await cache.invalidate({ all: true });
    await get('a', 'b');
    expect(ratioAt(1000, cache, 10)).toBeCloseTo(2 / 10, 9);
    await get('a', 'b');
    expect(ratioAt(1000, cache, 12)).toBeCloseTo(4 / 12, 9);
  });

  test('knows what entries that made room would have answered in a larger tier', async () => {
    const { cache, get } = open({ maxEntries: 2 });
    for (let round = 0; round < 10; round += 1) await get('a', 'b', 'c');
    expect(cache.stats().counts.lookups.localHit).toBe(0);
    expect(ratioAt(2, cache, 30)).toBe(0);
    expect(ratioAt(3, cache, 30)).toBeCloseTo(27 / 30, 9);
  });

  test('and that they would have expired there too', async () => {
    const { cache, clock, get } = open({ maxEntries: 2 });
    await get('a', 'b', 'c');
    await clock.pass(TTL_MS + 1);
    await get('a');
    expect(ratioAt(1000, cache, 4)).toBe(0);
    await get('b', 'c', 'a');
    expect(ratioAt(1000, cache, 7)).toBeCloseTo(1 / 7, 9);
  });
});
