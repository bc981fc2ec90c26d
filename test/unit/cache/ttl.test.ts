import { readFileSync, writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adaptiveTtl, fixedTtl, jitter } from '../../../src/cache/ttl.ts';
import { ttlChart } from './ttl-chart.ts';

const policy = adaptiveTtl();
const DAY_S = 86_400;
const input = { size: 0, ageS: DAY_S, readsPerSecond: 0.01, firstRead: false };

describe('the adaptive TTL', () => {
  test('is 0.2 * sqrt(age / rate) seconds between its limits', () => {
    expect(policy(input)).toBeCloseTo(0.2 * Math.sqrt(DAY_S / 0.01) * 1000);
    expect(policy({ ...input, firstRead: true })).toBeCloseTo(0.25 * 0.2 * Math.sqrt(DAY_S / 0.01) * 1000);
    expect(policy({ ...input, size: 64 * 1024 })).toBeCloseTo(2 ** -0.1 * 0.2 * Math.sqrt(DAY_S / 0.01) * 1000);
  });

  test('is a tenth of the age, from a minute to an hour, while no read was counted', () => {
    const unread = { ...input, readsPerSecond: null };
    expect(policy({ ...unread, ageS: 6000 })).toBe(600_000);
    expect(policy({ ...unread, ageS: 1 })).toBe(60_000);
    expect(policy({ ...unread, ageS: 1e9 })).toBe(3_600_000);
  });

  test('is an hour for records that do not say when they changed', () => {
    expect(policy({ ...input, ageS: null })).toBe(3_600_000);
  });

  test('never leaves its limits, grows with age, and shrinks with rate and size', () => {
    const number = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(number, number, number, number, (a, b, rate, size) => {
        const [young, old] = [Math.min(a, b), Math.max(a, b)];
        const at = (changes: object): number => policy({ ...input, readsPerSecond: rate, size, ...changes });
        for (const ageS of [young, old]) {
          expect(at({ ageS })).toBeGreaterThanOrEqual(60_000);
          expect(at({ ageS })).toBeLessThanOrEqual(6 * 3_600_000);
        }
        expect(at({ ageS: young })).toBeLessThanOrEqual(at({ ageS: old }));
        if (young > 0) expect(at({ readsPerSecond: old })).toBeLessThanOrEqual(at({ readsPerSecond: young }));
        expect(at({ size: old })).toBeLessThanOrEqual(at({ size: young }));
      }),
    );
  });
});

test('what says nothing (a date that could not be read, a size below nothing) does not make the TTL no number', () => {
  expect(policy({ ...input, ageS: Number.NaN })).toBe(3_600_000);
  expect(policy({ ...input, ageS: -5 })).toBe(60_000);
  for (const size of [-1e9, Number.NaN]) expect(policy({ ...input, size })).toBe(policy(input));
});

test('the limits hold for records that nobody read too', () => {
  const unread = { ...input, readsPerSecond: null };
  expect(adaptiveTtl({ minMs: 7_200_000 })(unread)).toBe(7_200_000);
  expect(adaptiveTtl({ maxMs: 1000, minMs: 10 })({ ...unread, ageS: 1e9 })).toBe(1000);
});

test('a fixed TTL is an hour, or what was asked for', () => {
  expect(fixedTtl()(input)).toBe(3_600_000);
  expect(fixedTtl(5)(input)).toBe(5);
});

test('jitter is within a tenth of the TTL on ordinary fills, and within half of it on warmed ones', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 1e8 }), fc.double({ min: 0, max: 0.999_999, noNaN: true }), (ttlMs, random) => {
      expect(Math.abs(jitter(ttlMs, 'fill', random) - ttlMs)).toBeLessThanOrEqual(ttlMs * 0.1 + 1);
      expect(Math.abs(jitter(ttlMs, 'warm', random) - ttlMs)).toBeLessThanOrEqual(ttlMs * 0.5 + 1);
    }),
  );
  expect(jitter(1000, 'warm', 0)).toBe(500);
  expect(jitter(1000, 'warm', 0.999_999)).toBe(1500);
});

const docs = new URL('../../../docs/', import.meta.url);

test('the curves of docs/ttl-curves.svg are what the policy gives', () => {
  const file = new URL('ttl-curves.svg', docs);
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(file, ttlChart());
  expect(readFileSync(file, 'utf8')).toBe(ttlChart());
});

test('the table of sizes in docs/ttl.md is what the policy gives', () => {
  const text = readFileSync(new URL('ttl.md', docs), 'utf8');
  const sizes: [string, number][] = [
    ['1 KiB', 2 ** 10],
    ['64 KiB', 2 ** 16],
    ['1 MiB', 2 ** 20],
    ['100 MiB', 100 * 2 ** 20],
    ['10 GiB', 10 * 2 ** 30],
  ];
  for (const [name, size] of sizes) {
    const share = (policy({ ...input, size }) / policy(input)).toFixed(2);
    const cells = [1, 30, 365].map((days) => (policy({ ...input, size, ageS: days * DAY_S }) / 60_000).toFixed(1));
    expect(text).toContain(`| ${name} | ${share} | ${cells.join(' | ')} |`);
  }
});

test('the table of ages in docs/ttl.md is what the policy gives', () => {
  const text = readFileSync(new URL('ttl.md', docs), 'utf8');
  const rates = [0.001, 0.01, 0.1, 1];
  const ages: [string, number][] = [
    ['1 minute', 60],
    ['1 hour', 3600],
    ['1 day', DAY_S],
    ['1 month', 30 * DAY_S],
    ['1 year', 365 * DAY_S],
  ];
  const minutes = (ttlMs: number): string => (ttlMs / 60_000).toFixed(1);
  for (const [name, ageS] of ages) {
    const cells = [
      policy({ ...input, ageS, readsPerSecond: null }),
      ...rates.map((readsPerSecond) => policy({ ...input, ageS, readsPerSecond })),
    ];
    expect(text).toContain(`| ${name} | ${cells.map(minutes).join(' | ')} |`);
  }
});
