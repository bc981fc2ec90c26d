import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashKey } from '../../../src/cache/hash.ts';
import { BUCKETS, bucketOf, differenceOf, edgeOf, MissRatioCurve } from '../../../src/cache/reuse-histogram.ts';
import { ReuseSampler } from '../../../src/cache/reuse-sampler.ts';

/** The first reads of a recorded trace, each as a number. */
function traceOf(name: string, most: number): Int32Array {
  const bytes = gunzipSync(readFileSync(new URL(`../../support/traces/${name}.trace.gz`, import.meta.url)));
  return Int32Array.from({ length: Math.min(most, bytes.length / 4) }, (_, i) => bytes.readInt32BE(i * 4));
}

/** Hit ratio of an LRU of this size, by doing it. */
function lruHitRatio(keys: Iterable<number>, size: number): number {
  const held = new Map<number, true>();
  let hits = 0;
  let reads = 0;
  for (const key of keys) {
    reads += 1;
    if (held.delete(key)) hits += 1;
    else if (held.size >= size) held.delete(held.keys().next().value ?? 0);
    held.set(key, true);
  }
  return hits / reads;
}

/** Feeds a sampler as the read path does: one comparison, and the call below the threshold. */
function sample(keys: Iterable<number>, sampler: ReuseSampler, { salt = '', readsPerMs = 50 } = {}): number {
  const hashes = new Map<number, number>();
  let reads = 0;
  for (const key of keys) {
    let hash = hashes.get(key);
    if (hash === undefined) hashes.set(key, (hash = hashKey(`018f4e9a-1b2c-7d3e-${salt}-${key}`)));
    if (hash < sampler.threshold) sampler.read(hash, reads / readsPerMs, false);
    reads += 1;
  }
  return reads;
}

describe('the buckets of distances', () => {
  test('every distance lies in the bucket between whose edges it is', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2 ** 39, noNaN: true }), (distance) => {
        const bucket = bucketOf(distance);
        expect(edgeOf(bucket)).toBeLessThanOrEqual(distance);
        expect(edgeOf(bucket + 1)).toBeGreaterThan(distance);
      }),
    );
  });

  test('edges grow, by an eighth at most beyond 8, and the last bucket takes what is beyond all', () => {
    for (let i = 8; i < BUCKETS; i += 1) {
      expect(edgeOf(i + 1)).toBeGreaterThan(edgeOf(i));
      expect(edgeOf(i + 1) / edgeOf(i)).toBeLessThanOrEqual(1.125);
    }
    expect(bucketOf(2 ** 60)).toBe(BUCKETS - 1);
  });
});

type Step =
  | { readonly do: 'read' | 'forget'; readonly key: number }
  | { readonly do: 'clear' }
  | { readonly do: 'expire'; readonly key: number };

const key = fc.nat({ max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant('read' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
);

/** Distances by the definition: the number of different keys read since. */
function naive(steps: readonly Step[]): { distances: number[]; cold: number } {
  let order: number[] = [];
  const expired = new Set<number>();
  const distances: number[] = [];
  let cold = 0;
  for (const one of steps) {
    if (one.do === 'clear') order = [];
    else if (one.do === 'forget') order = order.filter((other) => other !== one.key);
    else if (one.do === 'expire') {
      if (order.includes(one.key)) expired.add(one.key);
    } else {
      const distance = order.indexOf(one.key);
      if (distance < 0 || expired.has(one.key)) cold += 1;
      else distances.push(distance);
      order = [one.key, ...order.filter((other) => other !== one.key)];
    }
    for (const gone of expired) if (!order.includes(gone)) expired.delete(gone);
  }
  return { distances, cold };
}

describe('a sampler that samples every key', () => {
  test('counts exactly what the definition gives, whatever is read, forgotten, expired or cleared', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        // Fewer slots than reads, so that keys are numbered anew again and again.
        const sampler = new ReuseSampler({ maxKeys: 64 });
        for (const one of steps) {
          if (one.do === 'clear') sampler.clear();
          else if (one.do === 'forget') sampler.forget(hashKey(String(one.key)));
          else if (one.do === 'expire') sampler.put(hashKey(String(one.key)), 0);
          else sampler.read(hashKey(String(one.key)), 1, false);
        }
        const { distances, cold } = naive(steps);
        const counts = sampler.counts();
        const expected = new Float64Array(BUCKETS);
        for (const distance of distances) expected[bucketOf(distance)] = (expected[bucketOf(distance)] ?? 0) + 1;
        expect(counts.buckets).toEqual(expected);
        expect(counts.cold).toBe(cold);
      }),
      { numRuns: 300 },
    );
  });

  test('gives the hit ratio of an LRU of each size that is an edge', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(1, 2, 3, 5, 8, 10, 16, 20),
        (keys, size) => {
          const sampler = new ReuseSampler({ maxKeys: 64 });
          const reads = sample(keys, sampler);
          expect(new MissRatioCurve(sampler.counts(), reads).hitRatioAt(size)).toBeCloseTo(lruHitRatio(keys, size), 9);
        },
      ),
    );
  });
});

describe('the bounds of a sampler', () => {
  test('it remembers no more keys than allowed, and samples fewer of them when there are more', () => {
    const sampler = new ReuseSampler({ maxKeys: 100, maxPerSecond: 1e9 });
    for (let i = 0; i < 10_000; i += 1) {
      const hash = hashKey(String(i));
      if (hash < sampler.threshold) sampler.read(hash, 0, false);
      expect(sampler.size).toBeLessThanOrEqual(100);
    }
    expect(sampler.share).toBeGreaterThan(0.005);
    expect(sampler.share).toBeLessThan(0.015);
    // 10,000 keys that were read once each; the sampled ones stand for them.
    expect(sampler.counts().cold).toBeGreaterThan(7000);
    expect(sampler.counts().cold).toBeLessThan(13_000);
  });

  test('keys deeper than the depth of interest are forgotten instead, the oldest first, and shorter distances stay right', () => {
    const sampler = new ReuseSampler({ maxKeys: 1000, maxDepth: 50 });
    for (let round = 0; round < 3; round += 1) for (let i = 0; i < 200; i += 1) sampler.read(hashKey(String(i)), 0, false);
    expect(sampler.share).toBe(1);
    expect(sampler.size).toBe(50);
    expect(sampler.counts().cold).toBe(600);
    for (let i = 199; i > 160; i -= 1) sampler.read(hashKey(String(i)), 0, false);
    expect(sampler.counts().cold).toBe(600);
    expect(sampler.counts().buckets[bucketOf(38)]).toBeGreaterThan(0);
  });

  test('more sampled reads a second than allowed halve the share, and no hot key brings it to nothing', () => {
    const sampler = new ReuseSampler({ maxPerSecond: 100 });
    for (let i = 0; i < 50; i += 1) sampler.read(hashKey(String(i)), 0, false);
    for (let i = 0; i < 50; i += 1) sampler.read(hashKey(String(i)), 1, false);
    expect(sampler.share).toBe(1);
    const [first, second] = [...Array(1000).keys()].map((i) => hashKey(`hot ${i}`)).toSorted((a, b) => a - b);
    for (let i = 0; i < 100_000; i += 1)
      for (const hash of [first ?? 0, second ?? 0]) if (hash < sampler.threshold) sampler.read(hash, 2, false);
    expect(sampler.share).toBeLessThan(1 / 256);
    expect(sampler.share).toBeGreaterThanOrEqual(1 / 1024);
  });

  test('reads that are spread over the seconds leave the share alone', () => {
    const sampler = new ReuseSampler({ maxPerSecond: 100 });
    for (let i = 0; i < 5000; i += 1) sampler.read(hashKey(String(i % 50)), i * 10.1, false);
    expect(sampler.share).toBe(1);
  });
});

describe('the curve of a recorded trace, from a sample', () => {
  test.each([
    ['orm-busy', 1_000_000, 8192],
    ['web12', 95_607, 2048],
  ])(
    '%s: within 2 points of the real LRU at eleven sizes from 1 to 100 % of the keys',
    (name, most, maxKeys) => {
      const keys = traceOf(name, most);
      const sampler = new ReuseSampler({ maxKeys });
      const reads = sample(keys, sampler);
      expect(sampler.share).toBeLessThan(0.2);
      const curve = new MissRatioCurve(sampler.counts(), reads);
      const distinct = new Set(keys).size;
      const rows = [0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1].map((part) => {
        const size = Math.ceil(part * distinct);
        const truth = lruHitRatio(keys, size) * 100;
        return { size, truth, error: (curve.hitRatioAt(size) ?? Number.NaN) * 100 - truth };
      });
      console.log(
        `${name}, ${(sampler.share * 100).toFixed(1)} % sampled: ${rows.map(({ size, truth, error }) => `${size}: ${truth.toFixed(1)} ${error.toFixed(2)}`).join(', ')}`,
      );
      for (const { error } of rows) expect(Math.abs(error)).toBeLessThan(2);
      // The trace is not so easy that anything would do.
      expect((rows.at(-1)?.truth ?? 0) - (rows[0]?.truth ?? 0)).toBeGreaterThan(15);
    },
    120_000,
  );

  test('with 5 % of the keys invalidated on the way, it is within 2 points of an LRU that forgets them too', () => {
    const keys = traceOf('web12', 95_607);
    const sizes = [150, 300, 700, 1500, 3000, 6000, 12_000];
    const sampler = new ReuseSampler({ maxKeys: 2048, maxPerSecond: 1e9 });
    const tiers = sizes.map((size) => ({ size, held: new Map<number, true>(), hits: 0 }));
    keys.forEach((one, i) => {
      const hash = hashKey(`web ${one}`);
      if (hash < sampler.threshold) sampler.read(hash, 0, false);
      for (const tier of tiers) {
        if (tier.held.delete(one)) tier.hits += 1;
        else if (tier.held.size >= tier.size) tier.held.delete(tier.held.keys().next().value ?? 0);
        tier.held.set(one, true);
      }
      if (i % 20 !== 0) return;
      const gone = keys[(i * 7919) % keys.length] ?? 0;
      sampler.forget(hashKey(`web ${gone}`));
      for (const { held } of tiers) held.delete(gone);
    });
    const curve = new MissRatioCurve(sampler.counts(), keys.length);
    for (const { size, hits } of tiers) expect(Math.abs((curve.hitRatioAt(size) ?? 0) - hits / keys.length)).toBeLessThan(0.02);
  });

  test('of a period it is what was read in it: the difference of two counts', () => {
    const sampler = new ReuseSampler();
    for (let i = 0; i < 100; i += 1) sampler.read(hashKey(String(i)), 0, false);
    const before = sampler.counts();
    for (let i = 0; i < 100; i += 1) sampler.read(hashKey(String(i)), 0, false);
    const curve = new MissRatioCurve(differenceOf(sampler.counts(), before), 100);
    expect(curve.hitRatioAt(50)).toBe(0);
    expect(curve.hitRatioAt(104)).toBe(1);
  });

  test('without reads there is no ratio', () => {
    expect(new MissRatioCurve(new ReuseSampler().counts(), 0).hitRatioAt(10)).toBeNull();
  });
});
