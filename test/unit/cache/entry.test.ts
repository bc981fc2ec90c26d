import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WireEntry } from '../../../src/cache/entry.ts';
import { decodeEntry, encodeEntry, parseFrozen } from '../../../src/cache/entry.ts';

const arbitrary = fc
  .record({
    absent: fc.boolean(),
    version: fc.maxSafeNat(),
    loadedAt: fc.maxSafeNat(),
    ttlMs: fc.integer({ min: 1, max: 2 ** 40 }),
    point: fc.record({ generation: fc.stringMatching(/^[0-9a-f]{0,16}$/), stamp: fc.maxSafeNat() }),
    buckets: fc.uniqueArray(fc.integer({ min: 0, max: 4095 }), { maxLength: 64 }),
    value: fc.json(),
  })
  .map(({ absent, version, loadedAt, ttlMs, point, buckets, value }): WireEntry => {
    const json = absent ? Buffer.alloc(0) : Buffer.from(value);
    return { absent, version, loadedAt, ttlMs, point, buckets, json };
  });

/** What the storing script makes of it. */
function stored(entry: WireEntry): Buffer {
  const { beforeClock, afterClock } = encodeEntry(entry);
  return Buffer.concat([Buffer.from(`${beforeClock}${entry.loadedAt}`), afterClock]);
}

test('an entry comes back as it was written', () => {
  fc.assert(
    fc.property(arbitrary, (entry) => {
      expect(decodeEntry(stored(entry))).toEqual(entry);
    }),
  );
});

test('an entry is one header line and plain JSON', () => {
  const entry: WireEntry = {
    absent: false,
    version: 17,
    loadedAt: 1_732_432_800_123,
    ttlMs: 3_600_000,
    point: { generation: '4f2a9c1d', stamp: 1_732_432_799_000_000 },
    buckets: [102, 7, 3311],
    json: Buffer.from('{"id":1}'),
  };
  expect(stored(entry).toString()).toBe('forebay1 value 17 1732432800123 3600000 4f2a9c1d.1732432799000000 102.7.3311\n{"id":1}');
  expect(stored({ ...entry, absent: true, buckets: [], json: Buffer.alloc(0) }).toString()).toBe(
    'forebay1 absent 17 1732432800123 3600000 4f2a9c1d.1732432799000000 -\n',
  );
});

test('random bytes are no entry', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decodeEntry(Buffer.from(bytes))).toBeNull();
    }),
  );
});

test('a truncated header, or a body without its first byte, is no entry', () => {
  fc.assert(
    fc.property(arbitrary, fc.nat(), (entry, at) => {
      const bytes = stored(entry);
      const headerEnd = bytes.indexOf(10);
      expect(decodeEntry(bytes.subarray(0, at % (headerEnd + 1)))).toBeNull();
      if (!entry.absent) expect(decodeEntry(bytes.subarray(0, headerEnd + 1))).toBeNull();
    }),
  );
});

test('a value that is an object, cut short anywhere, is not taken for one', () => {
  fc.assert(
    fc.property(arbitrary, fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (entry, value, at) => {
      const bytes = stored({ ...entry, absent: false, json: Buffer.from(JSON.stringify(value)) });
      const decoded = decodeEntry(bytes.subarray(0, at % bytes.length));
      if (decoded !== null) expect(() => parseFrozen(decoded.json)).toThrow(SyntaxError);
    }),
  );
});

test('a flipped bit never throws; what is still read as an entry differs in nothing but what the bit is part of', () => {
  fc.assert(
    fc.property(arbitrary, fc.nat(), fc.integer({ min: 0, max: 7 }), (entry, at, bit) => {
      const bytes = stored(entry);
      const place = at % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      const decoded = decodeEntry(bytes);
      if (decoded === null) return;
      const names = ['absent', 'version', 'loadedAt', 'ttlMs', 'point', 'buckets', 'json'] as const;
      const changed = names.filter((name) => JSON.stringify(decoded[name]) !== JSON.stringify(entry[name]));
      expect(changed.length).toBeLessThanOrEqual(1);
      for (const number of [decoded.version, decoded.loadedAt, decoded.ttlMs, decoded.point.stamp, ...decoded.buckets]) {
        expect(Number.isInteger(number) && number >= 0).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a header longer than any of ours is not an entry', () => {
  const withBuckets = (count: number): Buffer =>
    Buffer.from(`forebay1 value 1 1 1 g.1 ${Array.from({ length: count }, () => '1234').join('.')}\n{}`);
  expect(decodeEntry(withBuckets(64))).not.toBeNull();
  expect(decodeEntry(withBuckets(300))).toBeNull();
});

test('a parsed value is frozen all through', () => {
  const value = parseFrozen(Buffer.from('{"a":[{"b":1}],"__proto__":{"c":2}}')) as { a: { b: number }[] };
  expect(Object.isFrozen(value) && Object.isFrozen(value.a) && Object.isFrozen(value.a[0])).toBe(true);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});
