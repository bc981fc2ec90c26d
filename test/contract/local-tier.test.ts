import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EvictionPolicy } from '../../src/cache/local-tier.ts';
import { LocalTier } from '../../src/cache/local-tier.ts';

interface Entry {
  readonly bytes: number;
  readonly value: number;
}

const policies = ['s3fifo', 'lru'] as const;

describe.each(policies)('the local tier with %s', (policy) => {
  const key = fc.integer({ min: 0, max: 12 }).map(String);
  const operation = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, bytes: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constantFrom('get' as const, 'peek' as const, 'delete' as const), key }),
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), key }) },
  );

  test('holds to its bounds, counts exactly, and returns only what was last set, after any sequence', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (operations, maxEntries) => {
        let evicted = 0;
        const tier = new LocalTier<Entry>({ maxEntries, maxBytes: 150, policy, onEvict: () => void (evicted += 1) });
        const model = new Map<string, Entry>();
        let value = 0;
        for (const step of operations) {
          if (step.do === 'set') {
            const entry = { bytes: step.bytes, value: (value += 1) };
            expect(tier.set(step.key, entry)).toBe(true);
            model.set(step.key, entry);
          } else if (step.do === 'delete') {
            const had = tier.peek(step.key) !== undefined;
            expect(tier.delete(step.key)).toBe(had);
            model.delete(step.key);
          } else if (step.do === 'clear') {
            tier.clear();
            model.clear();
          } else {
            const found = tier[step.do](step.key);
            if (found !== undefined) expect(found).toBe(model.get(step.key));
          }
          const held = [...tier.entries()];
          expect(tier.size).toBe(held.length);
          expect(tier.bytes).toBe(held.reduce((sum, [, entry]) => sum + entry.bytes, 0));
          expect(tier.size).toBeLessThanOrEqual(maxEntries);
          expect(tier.bytes).toBeLessThanOrEqual(150);
          expect(tier.evictions).toBe(evicted);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('keeps everything while there is room', () => {
    const tier = new LocalTier<Entry>({ maxEntries: 100, maxBytes: 1000, policy });
    for (let i = 0; i < 100; i += 1) tier.set(String(i), { bytes: 10, value: i });
    expect(tier.size).toBe(100);
    expect(tier.evictions).toBe(0);
    for (let i = 0; i < 100; i += 1) expect(tier.get(String(i))?.value).toBe(i);
  });

  test('refuses an entry that is larger than itself, and forgets the one that it replaces', () => {
    const tier = new LocalTier<Entry>({ maxEntries: 10, maxBytes: 100, policy });
    tier.set('a', { bytes: 10, value: 1 });
    expect(tier.set('a', { bytes: 101, value: 2 })).toBe(false);
    expect(tier.get('a')).toBeUndefined();
    expect(tier.bytes).toBe(0);
  });

  test('replaces an entry in place, exact in its bytes', () => {
    const tier = new LocalTier<Entry>({ maxEntries: 10, maxBytes: 100, policy });
    tier.set('a', { bytes: 10, value: 1 });
    tier.set('b', { bytes: 20, value: 2 });
    tier.set('a', { bytes: 50, value: 3 });
    expect([tier.size, tier.bytes, tier.evictions, tier.get('a')?.value]).toEqual([2, 70, 0, 3]);
  });

  test('tells of every entry that made room, with its key, and of none that was deleted or replaced', () => {
    const gone: string[] = [];
    const tier = new LocalTier<Entry>({ maxEntries: 2, maxBytes: 100, policy, onEvict: (key) => void gone.push(key) });
    for (const key of ['a', 'a', 'b']) tier.set(key, { bytes: 1, value: 0 });
    tier.delete('a');
    for (const key of ['c', 'd']) tier.set(key, { bytes: 1, value: 0 });
    expect(gone).toEqual(['b']);
    tier.clear();
    expect([gone.length, tier.evictions, tier.size, tier.bytes]).toEqual([1, 1, 0, 0]);
  });

  test('a listener that deletes while room is being made leaves the counts exact', () => {
    const tier: LocalTier<Entry> = new LocalTier({ maxEntries: 3, maxBytes: 100, policy, onEvict: () => void tier.delete('c') });
    for (const key of ['a', 'b', 'c', 'd', 'e']) tier.set(key, { bytes: 7, value: 0 });
    const held = [...tier.entries()].map(([key]) => key);
    expect(held).not.toContain('c');
    expect([tier.size, tier.bytes]).toEqual([held.length, held.length * 7]);
  });

  test('holds nothing when it may hold nothing', () => {
    const tier = new LocalTier<Entry>({ maxEntries: 0, maxBytes: 100, policy });
    expect(tier.set('a', { bytes: 1, value: 1 })).toBe(false);
    expect(tier.size).toBe(0);
  });
});

test('with s3fifo a scan of one-off reads does not push out what is read often; with lru it does', () => {
  const left = Object.fromEntries(
    policies.map((policy) => {
      const tier = new LocalTier<Entry>({ maxEntries: 100, maxBytes: 1e6, policy });
      const read = (key: string): void => void (tier.get(key) ?? tier.set(key, { bytes: 1, value: 0 }));
      for (let round = 0; round < 5; round += 1) for (let i = 0; i < 50; i += 1) read(`often${i}`);
      for (let i = 0; i < 1000; i += 1) read(`once${i}`);
      return [policy, Array.from({ length: 50 }, (_, i) => tier.peek(`often${i}`)).filter(Boolean).length];
    }),
  );
  expect(left).toEqual({ s3fifo: 50, lru: 0 });
});

/** Reference figures of `test/support/traces/README.md`: hit ratio in % when 1, 5, 10 and 25 % of the keys fit. */
const REFERENCE = {
  'orm-busy': { keys: 76_349, lru: [77.0, 84.1, 88.0, 93.4], s3fifo: [75.6, 85.3, 89.0, 94.0] },
  web12: { keys: 13_756, lru: [39.8, 60.0, 68.5, 77.7], s3fifo: [41.0, 64.9, 72.3, 79.4] },
} as const;
const SHARES = [0.01, 0.05, 0.1, 0.25];
const POLICY_NAMES = { s3fifo: 'S3-FIFO', lru: 'LRU' } as const;

/** The keys of a trace in the order of its requests; equal keys are one string. */
function requestsOf(name: keyof typeof REFERENCE): string[] {
  const bytes = gunzipSync(readFileSync(new URL(`../support/traces/${name}.trace.gz`, import.meta.url)));
  const texts = new Map<number, string>();
  return Array.from({ length: bytes.length / 4 }, (_, i) => {
    const number = bytes.readInt32BE(i * 4);
    let text = texts.get(number);
    if (text === undefined) texts.set(number, (text = String(number)));
    return text;
  });
}

function hitRatio(requests: readonly string[], maxEntries: number, policy: EvictionPolicy): number {
  const tier = new LocalTier<Entry>({ maxEntries, maxBytes: 1e12, policy });
  const entry = { bytes: 1, value: 0 };
  let hits = 0;
  for (const key of requests) {
    if (tier.get(key) === undefined) tier.set(key, entry);
    else hits += 1;
  }
  return (hits / requests.length) * 100;
}

describe.each(['web12', 'orm-busy'] as const)('on the recorded trace %s', (name) => {
  let requests: string[] = [];
  beforeAll(() => {
    requests = requestsOf(name);
  });
  afterAll(() => {
    requests = [];
  });

  test('there are as many keys as its notice says', () => {
    expect(new Set(requests).size).toBe(REFERENCE[name].keys);
  });

  test.each(policies)(
    'the hit ratios of %s are within one point of the reference, and are those that docs/local-tier.md gives',
    (policy) => {
      const ratios = SHARES.map((share) => hitRatio(requests, Math.floor(REFERENCE[name].keys * share), policy));
      for (const [i, ratio] of ratios.entries()) expect(Math.abs(ratio - (REFERENCE[name][policy][i] ?? 0))).toBeLessThan(1);
      const docs = readFileSync(new URL('../../docs/local-tier.md', import.meta.url), 'utf8');
      expect(docs).toContain(`| ${POLICY_NAMES[policy]} | ${ratios.map((ratio) => ratio.toFixed(1)).join(' | ')} |`);
    },
  );
});
