import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];

/** What may happen, in any order: callers come and leave, the source answers or fails, things are forgotten, time passes. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('lookup' as const, 'get' as const), key: fc.constantFrom(...KEYS), leaves: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('many' as const), keys: fc.subarray(KEYS) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'fail' as const, 'leave' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'pass' as const), ms: fc.nat(6000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      key: fc.constantFrom(...KEYS),
      how: fc.constantFrom('keys', 'tags', 'all', 'purge'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set' as const), key: fc.constantFrom(...KEYS) }) },
);

interface Call {
  answer(): void;
  fail(): void;
}

/** A cache with tight limits, whose source answers when told to: a value for most keys, none for `e`. */
function open() {
  const clock = new FakeClock();
  const calls: Call[] = [];
  const cache = createCache<string, string>({
    name: 'test',
    clock,
    random: () => 0.5,
    ttl: () => 5000,
    maxEntries: 3,
    maxBytes: 40_000,
    maxWaiters: 3,
    maxConcurrentLoads: 2,
    maxQueuedLoads: 2,
    maxBatch: 2,
    softTimeoutMs: 100,
    hardTimeoutMs: 1000,
    describe: (value) => ({ tags: [value] }),
    source: {
      loadMany: (keys) =>
        new Promise((resolve, reject) => {
          calls.push({
            answer: () => resolve(new Map(keys.map((key) => [key, key === 'e' ? null : `tag ${key}`]))),
            fail: () => reject(new Error('no')),
          });
        }),
    },
  });
  return { clock, calls, cache };
}

test('whatever happens, each look-up ends in exactly one outcome, counts add up, bounds hold, and nothing is left over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const { clock, calls, cache } = open();
      const waits: Promise<unknown>[] = [];
      const leavers: AbortController[] = [];
      let asked = 0;
      const ask = (wait: Promise<unknown>): void => {
        asked += 1;
        waits.push(wait.then(String, String));
      };
      for (const now of steps) {
        switch (now.do) {
          case 'lookup':
          case 'get': {
            const controller = new AbortController();
            if (now.leaves) leavers.push(controller);
            ask(cache[now.do](now.key, now.leaves ? { signal: controller.signal } : {}));
            break;
          }
          case 'many':
            asked += now.keys.length;
            waits.push(cache.getMany(now.keys).then(String, String));
            break;
          case 'answer':
          case 'fail':
            calls[now.at % calls.length]?.[now.do]();
            break;
          case 'leave':
            leavers[now.at % leavers.length]?.abort();
            break;
          case 'forget':
            if (now.how === 'purge') await cache.purge({ keys: [now.key] });
            else
              await cache.invalidate(now.how === 'all' ? { all: true } : { [now.how]: [now.how === 'tags' ? `tag ${now.key}` : now.key] });
            break;
          case 'set':
            await cache.set(now.key, 'set');
            break;
          case 'settle':
            await clock.settle();
            break;
          case 'pass':
            await clock.pass(now.ms);
            break;
          default:
            now satisfies never;
        }
        const { local, loading } = cache.stats();
        expect(local.entries).toBeLessThanOrEqual(3);
        expect(local.bytes).toBeLessThanOrEqual(40_000);
        expect(loading.running).toBeLessThanOrEqual(2);
        expect(loading.queued).toBeLessThanOrEqual(2);
      }
      // Every wait ends by itself, at the hard timeout at the latest.
      await clock.pass(1000);
      for (const call of calls) call.answer();
      await clock.settle();
      await Promise.all(waits);
      await cache.idle();
      const { counts, loads, loading } = cache.stats();
      expect(Object.values(counts.lookups).reduce((sum, count) => sum + count, 0)).toBe(asked);
      expect(loading).toEqual({ running: 0, queued: 0, abandoned: 0, flights: 0 });
      expect([loads.calls, clock.timers]).toEqual([calls.length, 0]);
    }),
    { numRuns: 300 },
  );
});

test('absent entries and values together stay within maxBytes, and neither takes all of the other', async () => {
  const clock = new FakeClock();
  const cache = createCache<string, string>({
    name: 'test',
    clock,
    maxBytes: 100_000,
    source: (key) => (key.startsWith('none') ? null : 'x'.repeat(200)),
    maxConcurrentLoads: 1000,
  });
  for (const kind of ['there', 'none', 'there']) {
    const reading = cache.getMany(Array.from({ length: 1000 }, (_, i) => `${kind}${i}`));
    await clock.settle();
    await reading;
    const { local } = cache.stats();
    expect(local.bytes).toBeLessThanOrEqual(local.maxBytes);
    expect(local.maxBytes).toBe(100_000);
    expect(local.entries).toBeGreaterThan(50);
    if (kind === 'none') expect(local.absentEntries).toBeGreaterThan(5);
  }
});
