import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isoTimestamp, safeInteger } from '../../../src/postgres/values.ts';

describe('isoTimestamp', () => {
  test.each([
    ['2026-01-02 03:04:05+00', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02 03:04:05.6+00', '2026-01-02T03:04:05.600Z'],
    ['2026-01-02 03:04:05.678901+00', '2026-01-02T03:04:05.678Z'],
    ['2026-01-02 08:34:05.678+05:30', '2026-01-02T03:04:05.678Z'],
  ])('%s is %s', (text, expected) => {
    expect(isoTimestamp(text)).toBe(expected);
  });
});

describe('safeInteger', () => {
  test('gives the exact number or refuses', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const safe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
        if (safe) expect(BigInt(safeInteger(String(value)))).toBe(value);
        else expect(() => safeInteger(String(value))).toThrow(String(value));
      }),
    );
    expect(() => safeInteger('9007199254740992')).toThrow(RangeError);
    expect(safeInteger('9007199254740991')).toBe(2 ** 53 - 1);
  });
});
