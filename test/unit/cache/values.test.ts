import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import type { Cache } from '../../../src/cache/cache-types.ts';
import type { CacheOptions } from '../../../src/cache/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A cache over values that a test gives; counts the source's calls. */
function open(rows: Readonly<Record<string, unknown>>, options: Partial<CacheOptions<string, unknown>> = {}) {
  const clock = new FakeClock();
  let loads = 0;
  const cache = createCache<string, unknown>({
    name: 'test',
    clock,
    random: () => 0.5,
    ttl: () => 10_000,
    source: (key) => {
      loads += 1;
      return rows[key];
    },
    ...options,
  });
  const get = async (key: string): Promise<unknown> => {
    const reading = cache.get(key);
    await clock.settle();
    return reading;
  };
  return { cache, clock, get, loads: () => loads };
}

/** How a key's local entry would be said to be, in ms; `undefined` when there is none. */
async function ttlLeft(cache: Cache<string, unknown>, key: string): Promise<number | undefined> {
  const { local } = await cache.inspect(key);
  return 'ttlLeftMs' in local ? local.ttlLeftMs : undefined;
}

describe('a value', () => {
  test.each([[0], [-0.5], [''], [false], [true], [[]], [{}], [{ a: [{ b: null }, 'naïve 文 😀'] }]])(
    '%j comes back as it was, from the source and from memory',
    async (value) => {
      const { cache, get, loads } = open({ a: value });
      expect(await get('a')).toEqual(value);
      expect(await get('a')).toEqual(value);
      expect(cache.peek('a')).toEqual(value);
      expect(loads()).toBe(1);
    },
  );

  test('is one object for all who read it, frozen all through', async () => {
    const { get } = open({ a: { list: [{ deep: 1 }] } });
    const first = (await get('a')) as { list: { deep: number }[] };
    expect(await get('a')).toBe(first);
    for (const part of [first, first.list, first.list[0]]) expect(Object.isFrozen(part)).toBe(true);
  });

  test('is not what the source keeps in its hand: changing that changes nothing', async () => {
    const row = { count: 1 };
    const { get } = open({ a: row });
    await get('a');
    row.count = 2;
    expect(await get('a')).toEqual({ count: 1 });
  });

  test('of 1 MB comes back whole, with its bytes', async () => {
    const text = 'ab文d'.repeat(170_000);
    const { cache, get } = open({ a: text }, { maxEntryBytes: 2 ** 21 });
    expect(await get('a')).toBe(text);
    const lookup = await cache.lookup('a');
    expect(lookup).toMatchObject({ outcome: 'hit', tier: 'local' });
    expect('json' in lookup && lookup.json.equals(Buffer.from(JSON.stringify(text)))).toBe(true);
  });

  test.each([null, undefined])('of %s is an absent record, and is remembered as one', async (value) => {
    const { cache, get, loads } = open({ a: value });
    expect([await get('a'), await get('a'), cache.peek('a'), loads()]).toEqual([null, null, null, 1]);
  });

  test('of any JSON comes back as JSON would give it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const { get } = open({ a: value });
        const expected: unknown = JSON.parse(JSON.stringify(value));
        expect(await get('a')).toEqual(expected);
        expect(await get('a')).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  test('that grew past maxEntryBytes is served and not kept, and the smaller one that it replaces is not served again', async () => {
    const rows = { a: 'x' };
    const { cache, clock, get } = open(rows, { maxEntryBytes: 10, graceMs: 60_000 });
    await get('a');
    await clock.pass(9500);
    rows.a = 'x'.repeat(20);
    // In the last tenth of its TTL: served, and refreshed.
    expect(await get('a')).toBe('x');
    expect(cache.peek('a')).toBeUndefined();
    expect(await get('a')).toBe('x'.repeat(20));
    expect(cache.stats().local.entries).toBe(0);
  });

  test('that JSON cannot hold fails its own key in a batch and no other', async () => {
    const { cache, clock } = open({ good: 1, bad: 1n });
    const reading = cache.lookupMany(['good', 'bad']);
    await clock.settle();
    expect(await reading).toMatchObject([
      { outcome: 'loaded', value: 1 },
      { outcome: 'unavailable', error: { code: 'SOURCE_SHAPE' } },
    ]);
  });
});

describe('what a value says of itself', () => {
  test.each([
    ['a version below 0', { version: -1 }, 'version -1'],
    ['half a version', { version: 1.5 }, 'version 1.5'],
    ['more than 64 tags', { tags: Array.from({ length: 65 }, String) }, '65 tags'],
  ])('is refused as %s, with the key and the value named', async (_name, traits, text) => {
    const { cache, clock } = open({ a: 1 }, { describe: () => traits });
    const reading = cache.lookup('a');
    await clock.settle();
    const lookup = await reading;
    expect(lookup).toMatchObject({ outcome: 'unavailable', error: { code: 'SOURCE_SHAPE' } });
    expect('error' in lookup && lookup.error.message).toMatch(new RegExp(`"a".*${text}`));
  });

  test('harms the keys only for which it throws', async () => {
    const describeOnly = (value: unknown): object => {
      if (value === 'bad') throw new Error('cannot say');
      return {};
    };
    const { cache, clock } = open({ a: 'bad', b: 'good' }, { describe: describeOnly });
    const reading = cache.lookupMany(['a', 'b']);
    await clock.settle();
    expect((await reading).map(({ outcome }) => outcome)).toEqual(['unavailable', 'loaded']);
  });

  test('as a date that could not be read does not make the entry unusable', async () => {
    const { cache, get, loads } = open({ a: 1 }, { describe: () => ({ changedAt: Number.NaN, size: -5 }), ttl: undefined as never });
    expect([await get('a'), await get('a'), loads()]).toEqual([1, 1, 1]);
    expect(await ttlLeft(cache, 'a')).toBe(3_600_000);
  });
});

describe("a TTL policy of one's own", () => {
  test.each([Number.NaN, '3600', undefined, null])('that gives %s fails the load with a text that says so', async (ttlMs) => {
    const { cache, clock } = open({ a: 1 }, { ttl: () => ttlMs as never });
    const reading = cache.lookup('a');
    await clock.settle();
    expect(await reading).toMatchObject({
      outcome: 'unavailable',
      error: { code: 'SOURCE_SHAPE', message: expect.stringContaining(`ttl gave ${String(ttlMs)}`) as string },
    });
  });

  test.each([
    [Number.POSITIVE_INFINITY, 365 * 86_400_000],
    [5000, 5000],
    [0, 1],
    [-5, 1],
  ])('that gives %s is taken as %s ms', async (given, taken) => {
    const { cache, get } = open({ a: 1 }, { ttl: () => given });
    await get('a');
    expect(await ttlLeft(cache, 'a')).toBe(taken);
  });

  test('hears of size, age, rate and first read', async () => {
    const heard: unknown[] = [];
    const clock = new FakeClock();
    const { cache } = open(
      { a: 1 },
      {
        clock,
        describe: () => ({ size: 42, changedAt: clock.wallNow() - 5000 }),
        ttl: (input) => {
          heard.push(input);
          return 1000;
        },
        graceMs: 0,
      },
    );
    for (let i = 0; i < 2; i += 1) {
      const reading = cache.get('a');
      await clock.settle();
      await reading;
      await clock.pass(2000);
    }
    expect(heard).toMatchObject([
      { size: 42, ageS: 5, firstRead: true },
      { size: 42, ageS: 5, firstRead: false, readsPerSecond: 1 },
    ]);
  });
});

describe('set', () => {
  test('takes a TTL of its own', async () => {
    const { cache } = open({});
    await cache.set('a', 1, { ttlMs: 250 });
    expect(await ttlLeft(cache, 'a')).toBe(250);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %s as a TTL', async (ttlMs) => {
    const { cache } = open({});
    await expect(cache.set('a', 1, { ttlMs })).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'ttlMs' });
    expect(cache.peek('a')).toBeUndefined();
  });

  test('takes the place of what was known to be absent', async () => {
    const { cache, get } = open({});
    await get('a');
    await cache.set('a', 1);
    expect([cache.peek('a'), cache.stats().local.absentEntries]).toEqual([1, 0]);
  });

  test('keeps out what a load that began before brings', async () => {
    const { cache, clock } = open({ a: 'old' });
    const reading = cache.get('a');
    await cache.set('a', 'new');
    await clock.settle();
    expect([await reading, cache.peek('a')]).toEqual(['old', 'new']);
  });
});
