import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import { Histogram, LATENCY_BOUNDS_MS, quantile, sumOf } from '../../../src/cache/latency.ts';
import { noRemoteTier } from '../../../src/cache/no-remote-tier.ts';
import type { CacheOptions } from '../../../src/cache/options.ts';
import { noRecorder } from '../../../src/cache/recorder.ts';
import type { RemoteRead } from '../../../src/cache/remote-tier.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('a histogram', () => {
  test('has bounds in ascending order from 0.1 µs to 10 s, none more than 1.29 times the one before', () => {
    expect([LATENCY_BOUNDS_MS[0], LATENCY_BOUNDS_MS.at(-1)]).toEqual([0.0001, 10_000]);
    for (let i = 1; i < LATENCY_BOUNDS_MS.length; i += 1) {
      const ratio = (LATENCY_BOUNDS_MS[i] ?? 0) / (LATENCY_BOUNDS_MS[i - 1] ?? 0);
      expect(ratio).toBeGreaterThan(1.2);
      expect(ratio).toBeLessThan(1.29);
    }
  });

  test('puts a value on a bound below it, and what is above all into a bucket of its own', () => {
    const histogram = new Histogram([1, 10]);
    for (const value of [0, 1, 1.001, 10, 11, 1e9]) histogram.record(value);
    expect([...histogram.snapshot().counts]).toEqual([2, 2, 2]);
    expect(histogram.snapshot()).toMatchObject({ count: 6, sum: 1e9 + 23.001 });
  });

  test('counts a weight as so many values', () => {
    const histogram = new Histogram([1, 10]);
    histogram.record(5, 64);
    expect(histogram.snapshot()).toMatchObject({ count: 64, sum: 320 });
  });

  test('estimates any quantile to within the bucket that the true one is in', () => {
    const ms = fc.double({ min: 0.0001, max: 9999, noNaN: true });
    fc.assert(
      fc.property(fc.array(ms, { minLength: 1, maxLength: 300 }), fc.constantFrom(0.5, 0.9, 0.99, 0.999, 1), (values, q) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const exact = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length - 1e-9) - 1)] ?? 0;
        const at = LATENCY_BOUNDS_MS.findIndex((bound) => exact <= bound);
        const estimate = quantile(histogram.snapshot(), q);
        expect(estimate).toBeGreaterThanOrEqual(LATENCY_BOUNDS_MS[at - 1] ?? 0);
        expect(estimate).toBeLessThanOrEqual(LATENCY_BOUNDS_MS[at] ?? 0);
      }),
    );
  });

  test('tells a quantile of what came since an earlier snapshot, and null where nothing came', () => {
    const histogram = new Histogram();
    for (let i = 0; i < 1000; i += 1) histogram.record(1);
    const earlier = histogram.snapshot();
    expect([quantile(earlier, 0.5, earlier), quantile(new Histogram().snapshot(), 0.5)]).toEqual([null, null]);
    histogram.record(100);
    expect(quantile(histogram.snapshot(), 0.5)).toBeLessThanOrEqual(1);
    expect(quantile(histogram.snapshot(), 0.5, earlier)).toBeGreaterThan(63);
  });

  test('gives the last bound for what is above them all', () => {
    const histogram = new Histogram();
    histogram.record(60_000);
    expect(quantile(histogram.snapshot(), 0.5)).toBe(10_000);
  });

  test('is added to others of the same bounds only', () => {
    const [a, b] = [new Histogram([1, 2]), new Histogram([1, 2])];
    a.record(1);
    b.record(5);
    expect(sumOf([a.snapshot(), b.snapshot()])).toMatchObject({ count: 2, sum: 6, counts: new Float64Array([1, 0, 1]) });
    expect(() => sumOf([a.snapshot(), new Histogram().snapshot()])).toThrow(RangeError);
    expect(() => sumOf([])).toThrow(RangeError);
  });
});

/** A cache whose source and remote tier take so long by a clock that moves by a microsecond whenever it is looked at. */
function open(options: Partial<CacheOptions<string, string>> = {}, remote: { ms: number; reply: RemoteRead } | null = null) {
  const clock = new FakeClock();
  const ticking = Object.assign(Object.create(clock) as FakeClock, {
    now: () => {
      clock.advance(0.001);
      return clock.now();
    },
    schedule: clock.schedule,
    endOfTurn: clock.endOfTurn,
    wallNow: clock.wallNow,
  });
  const later = <T>(ms: number, value: T): Promise<T> => new Promise((resolve) => void clock.schedule(ms, () => resolve(value)));
  const tier = noRemoteTier({ alone: true });
  const cache = createCache<string, string>({
    name: 'test',
    clock: ticking,
    random: () => 0.5,
    ttl: () => 3_600_000,
    source: { loadMany: (keys) => later(20, new Map(keys.map((key) => [key, key === 'none' ? null : 'value']))) },
    ...(remote === null ? {} : { remote: { ...tier, read: () => later(remote.ms, remote.reply) } }),
    ...options,
  });
  const read = async (key: string): Promise<unknown> => {
    const reading = cache.lookup(key);
    await clock.pass(200);
    return reading;
  };
  return { cache, clock, read };
}

describe('a cache', () => {
  test('times a read that the source answers as a whole, and the call of the source in it', async () => {
    const { cache, read } = open();
    await read('a');
    await read('none');
    const { latency } = cache.stats();
    expect([latency.read.source.count, latency.load.count, latency.read.local.count]).toEqual([2, 2, 0]);
    expect(latency.read.source.sum).toBeGreaterThan(40);
    expect(latency.read.source.sum).toBeLessThan(41);
    expect(latency.load.sum).toBeGreaterThanOrEqual(40);
    expect(latency.load.sum).toBeLessThan(latency.read.source.sum);
  });

  test('times the first read of process memory and one in 256 after it, each for those since the one before', async () => {
    const { cache, read } = open();
    await read('a');
    await read('none');
    cache.peek('a');
    expect(cache.stats().latency.read.local).toMatchObject({ count: 1 });
    for (let i = 0; i < 255; i += 1) cache.peek(i % 2 === 0 ? 'a' : 'none');
    expect(cache.stats().latency.read.local.count).toBe(1);
    cache.peek('a');
    expect(cache.stats().latency.read.local.count).toBe(257);
    for (let i = 257; i < 1 + 256 * 10; i += 1) cache.peek('a');
    const { local } = cache.stats().latency.read;
    const { localHit, localAbsent } = cache.stats().counts.lookups;
    expect(local.count).toBe(localHit + localAbsent);
    // Three looks at the clock in a read that is timed, a microsecond each.
    expect(local.sum / local.count).toBeCloseTo(0.002, 6);
  });

  test('reads that process memory does not answer do not use up the turn to be timed', async () => {
    const { cache, read } = open();
    await read('a');
    for (let i = 0; i < 1000; i += 1) cache.peek('unknown');
    cache.peek('a');
    expect(cache.stats().latency.read.local.count).toBe(1);
  });

  test('times reads of the remote tier that found nothing or ran out of time, and none that was not sent', async () => {
    const counted = async (reply: RemoteRead): Promise<number> => {
      const { cache, read } = open({}, { ms: 5, reply });
      await read('a');
      return cache.stats().latency.remote.count;
    };
    expect(await counted({ outcome: 'miss' })).toBe(1);
    expect(await counted({ outcome: 'unavailable', reason: 'budget' })).toBe(1);
    expect(await counted({ outcome: 'unavailable', reason: 'breaker' })).toBe(0);
    expect(await counted({ outcome: 'unavailable', reason: 'disconnected' })).toBe(0);
  });

  test('tells stale answers and reads that nobody could answer apart', async () => {
    const { cache, clock, read } = open({ ttl: () => 1000, graceMs: 60_000, maxStalenessMs: 60_000, softTimeoutMs: 5 });
    await read('a');
    await clock.pass(2000);
    await read('a');
    expect(cache.stats().latency.read.stale.count).toBe(1);
    const failing = open({ source: { loadMany: () => Promise.reject(new Error('no')) } });
    await failing.read('a');
    expect(failing.cache.stats().latency.read.none.count).toBe(1);
  });

  test('counts the TTLs that it chose, jitter included', async () => {
    const { cache, read } = open({ ttl: () => 90_000, random: () => 0 });
    await read('a');
    expect(cache.stats().latency.ttl).toMatchObject({ count: 1, sum: 81_000 });
  });

  test('records nothing with a recorder that records nothing, and counts look-ups all the same', async () => {
    const { cache, read } = open({ recorder: noRecorder });
    await read('a');
    cache.peek('a');
    const { latency, counts } = cache.stats();
    expect([latency.read.source.count, latency.read.local.count, latency.load.count, latency.ttl.count]).toEqual([0, 0, 0, 0]);
    expect(counts.lookups).toMatchObject({ loaded: 1, localHit: 1 });
  });
});
