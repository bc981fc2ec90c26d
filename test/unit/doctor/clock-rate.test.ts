import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClockPair } from '../../../src/doctor/clock-rate.ts';
import { rateOf } from '../../../src/doctor/clock-rate.ts';

/** Readings every 100 ms of the clock there, of one here that runs `rate` times as fast. `late`: how much later than in the middle each was answered. */
const readings = (rate: number, count: number, late: (n: number) => number = () => 0, tookMs = 1): ClockPair[] =>
  Array.from({ length: count }, (_, n) => ({ here: 5000 + n * 100 * rate + late(n), there: 1e12 + n * 100, tookMs }));

describe('the rate of two clocks', () => {
  test('is what it is, within what the way of question and answer may have added', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        fc.integer({ min: 20, max: 60 }),
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 60, maxLength: 60 }),
        (rate, count, noise) => {
          const measured = rateOf(
            readings(rate, count, (n) => (noise[n] ?? 0) / 2),
            500,
          );
          expect(measured).not.toBeNull();
          expect(Math.abs((measured?.fasterBy ?? 0) - (rate - 1))).toBeLessThanOrEqual((measured?.uncertainty ?? 0) + 1e-9);
        },
      ),
    );
  });

  test('does not change when one of them is set in between', () => {
    const set = readings(1, 30).map(({ here, there, tookMs }, n) => ({ here, there: there + (n < 25 ? 0 : 7000), tookMs }));
    // Most pairs lie on one side of the jump.
    expect(Math.abs(rateOf(set, 500)?.fasterBy ?? 1)).toBeLessThan(0.01);
  });

  test('is not told from too few readings, or from too short a time', () => {
    expect(rateOf(readings(1, 3), 100)).toBeNull();
    expect(rateOf(readings(1, 10), 5000)).toBeNull();
    expect(rateOf([], 100)).toBeNull();
  });

  test('is uncertain where answers are slow', () => {
    expect(
      rateOf(
        readings(1, 20, () => 0, 200),
        500,
      )?.uncertainty,
    ).toBeGreaterThan(0.2);
  });
});
