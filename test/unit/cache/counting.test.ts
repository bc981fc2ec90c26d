import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { hashKey, mix } from '../../../src/cache/hash.ts';
import type { PopularKey } from '../../../src/cache/popular.ts';
import { PopularKeys } from '../../../src/cache/popular.ts';
import { ReadRate } from '../../../src/cache/read-rate.ts';

const HOUR = 3_600_000;

describe('the read rate', () => {
  test('never counts too low, before anything fades', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 2000 }), (reads) => {
        const rate = new ReadRate(6 * HOUR, 0);
        const exact = new Map<number, number>();
        for (const key of reads) {
          rate.add(hashKey(`key${key}`), 0);
          exact.set(key, (exact.get(key) ?? 0) + 1);
        }
        for (const [key, count] of exact) expect(rate.count(hashKey(`key${key}`))).toBeGreaterThanOrEqual(count);
      }),
      { numRuns: 50 },
    );
  });

  test('counts too high by more than e * reads / 4,096 for at most 2 % of the keys, as a count-min sketch of four rows must', () => {
    const rate = new ReadRate(6 * HOUR, 0);
    const reads = Array.from({ length: 100_000 }, (_, i) => hashKey(`file:info:{${Math.floor(20_000 * ((i * 0.618_034) % 1) ** 3)}}`));
    const exact = new Map<number, number>();
    for (const hash of reads) {
      rate.add(hash, 0);
      exact.set(hash, (exact.get(hash) ?? 0) + 1);
    }
    const within = [...exact].filter(([hash, count]) => rate.count(hash) - count <= (Math.E * reads.length) / 4096);
    expect(within.length / exact.size).toBeGreaterThan(0.98);
  });

  test('tells a steady rate to within 1 % from the first hour on, over ten half-lives', () => {
    const rate = new ReadRate(6 * HOUR, 0);
    const hash = hashKey('steady');
    const everyMs = 10_000;
    for (let now = everyMs; now <= 60 * HOUR; now += everyMs) {
      rate.add(hash, now);
      if (now < HOUR) continue;
      expect(Math.abs(rate.perSecond(hash, now) / 0.1 - 1)).toBeLessThan(0.01);
    }
  });

  test('forgets what is not read any more', () => {
    const rate = new ReadRate(HOUR, 0);
    for (let i = 0; i < 1000; i += 1) rate.add(hashKey('old'), 0);
    rate.add(hashKey('other'), 3 * HOUR);
    expect(rate.count(hashKey('old'))).toBe(125);
    rate.add(hashKey('other'), 40 * HOUR);
    expect(rate.count(hashKey('old'))).toBe(0);
  });
});

describe('the popular keys', () => {
  function collect(options: { maxReads?: number; maxKeys?: number }): { popular: PopularKeys; periods: PopularKey[][] } {
    const periods: PopularKey[][] = [];
    const popular = new PopularKeys({
      periodMs: 10_000,
      maxReads: 10_000,
      maxKeys: 10_000,
      onceAMinute: 1000,
      now: 0,
      handOver: (keys) => periods.push(keys),
      ...options,
    });
    return { popular, periods };
  }

  test('are handed over when the period or the reads of one have passed, few keys that were read once left out', () => {
    const { popular, periods } = collect({ maxReads: 5 });
    for (const key of ['a', 'a', 'b', 'c', 'c']) popular.add(key, 1);
    expect(periods).toEqual([
      [
        { key: 'a', reads: 2 },
        { key: 'c', reads: 2 },
      ],
    ]);
    popular.add('d', 2);
    popular.add('d', 10_002);
    expect(periods[1]).toEqual([{ key: 'd', reads: 2 }]);
  });

  test('of those read once every fourth counts for four, over the ends of periods, and fewer where there are many', () => {
    const { popular, periods } = collect({});
    for (let i = 0; i < 6; i += 1) popular.add(`a${i}`, 0);
    popular.endPeriod(10_000);
    expect(periods).toEqual([[{ key: 'a3', reads: 4 }]]);
    for (let i = 0; i < 2; i += 1) popular.add(`b${i}`, 10_000);
    popular.endPeriod(20_000);
    expect(periods[1]).toEqual([{ key: 'b1', reads: 4 }]);
    // 1,000 a minute are 166 in ten seconds.
    for (let i = 0; i < 5000; i += 1) popular.add(`c${i}`, 20_000);
    popular.endPeriod(30_000);
    expect(periods[2]).toHaveLength(166);
    expect(new Set(periods[2]?.map(({ reads }) => reads))).toEqual(new Set([4]));
  });

  test('are bounded, and what is not counted is', () => {
    const { popular, periods } = collect({ maxKeys: 2 });
    for (const key of ['a', 'b', 'c', 'c', 'a']) popular.add(key, 1);
    popular.endPeriod(1);
    expect(periods).toEqual([[{ key: 'a', reads: 2 }]]);
    expect(popular.dropped).toBe(2);
  });

  describe.each([
    ['orm-busy', 2000, 99],
    ['web12', 2000, 99],
    // Where fewer reads are in a period the hundredth and its neighbours are told apart less well.
    ['orm-busy', 500, 97],
    ['web12', 500, 97],
  ])('of the recorded trace %s at %d reads a second, merged over its periods', (name, perSecond, least) => {
    const exact = new Map<string, number>();
    const merged = new Map<string, number>();
    const add = (counts: Map<string, number>, key: string, by: number): void => void counts.set(key, (counts.get(key) ?? 0) + by);
    const top = (counts: Map<string, number>, most: number): string[] =>
      [...counts]
        .toSorted((a, b) => b[1] - a[1])
        .slice(0, most)
        .map(([key]) => key);
    beforeAll(() => {
      const bytes = gunzipSync(readFileSync(new URL(`../../support/traces/${name}.trace.gz`, import.meta.url)));
      const popular = new PopularKeys({
        periodMs: 10_000,
        maxReads: 10_000,
        maxKeys: 10_000,
        onceAMinute: 1000,
        now: 0,
        handOver: (keys) => {
          for (const { key, reads } of keys) add(merged, key, reads);
        },
      });
      const texts = new Map<number, string>();
      for (let i = 0; i < bytes.length / 4; i += 1) {
        const number = bytes.readInt32BE(i * 4);
        let key = texts.get(number);
        if (key === undefined) texts.set(number, (key = String(number)));
        add(exact, key, 1);
        popular.add(key, (i * 1000) / perSecond);
      }
      popular.endPeriod((bytes.length * 250) / perSecond);
    });

    test(`are at least ${least} of the true top 100`, () => {
      const found = new Set(top(merged, 100));
      expect(top(exact, 100).filter((key) => found.has(key)).length).toBeGreaterThanOrEqual(least);
    });

    test('are worth nearly as many reads as the true ones, among those who fill half a cache too', () => {
      const worth = (keys: readonly string[]): number => keys.reduce((sum, key) => sum + (exact.get(key) ?? 0), 0);
      const half = Math.floor(exact.size / 8);
      expect(worth(top(merged, half)) / worth(top(exact, half))).toBeGreaterThan(0.97);
    });
  });
});

test('hashes of like keys spread evenly over buckets, and mixing gives others', () => {
  const buckets = new Uint32Array(256);
  for (let i = 0; i < 25_600; i += 1) {
    const bucket = hashKey(`file:info:{${i}}`) & 255;
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  // 100 a bucket; the chance of one beyond 160 or below 50 is about one in a million.
  expect(Math.max(...buckets)).toBeLessThan(160);
  expect(Math.min(...buckets)).toBeGreaterThan(50);
  expect(mix(hashKey('a'))).not.toBe(hashKey('a'));
});
