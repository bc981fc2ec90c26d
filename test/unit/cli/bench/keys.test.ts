import { expect, test } from 'vitest';
import { seededChance } from '../../../../src/cli/bench/chance.ts';
import { traceKeys, zipfKeys } from '../../../../src/cli/bench/keys.ts';

const DRAWS = 200_000;

function shares(keys: number, skew: number): number[] {
  const source = zipfKeys(keys, skew, seededChance(7));
  const counts = Array.from({ length: keys }, () => 0);
  for (let i = 0; i < DRAWS; i += 1) {
    const key = source() ?? -1;
    counts[key] = (counts[key] ?? Number.NaN) + 1;
  }
  return counts.map((times) => times / DRAWS);
}

test.each([0, 0.7, 1, 1.5])('with a skew of %d each record is drawn as often as the law says', (skew) => {
  const keys = 50;
  const sum = Array.from({ length: keys }, (_, k) => (k + 1) ** -skew).reduce((a, b) => a + b);
  for (const [k, share] of shares(keys, skew).entries()) {
    const expected = (k + 1) ** -skew / sum;
    // Five standard deviations of so many draws.
    expect(Math.abs(share - expected)).toBeLessThan(5 * Math.sqrt(expected / DRAWS));
  }
});

test('the same seed draws the same, another one draws something else', () => {
  const drawn = (seed: number): number[] => Array.from({ length: 50 }, seededChance(seed));
  expect(drawn(1)).toEqual(drawn(1));
  expect(drawn(1)).not.toEqual(drawn(2));
  expect(drawn(2 ** 32 - 1).every((x) => x >= 0 && x < 1)).toBe(true);
});

test('numbers drawn are spread evenly', () => {
  const random = seededChance(3);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 100_000; i += 1) tenths[Math.floor(random() * 10)]! += 1;
  for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test('a trace is read once, in order', () => {
  const source = traceKeys(Int32Array.of(2, 0, 2));
  expect([source(), source(), source(), source(), source()]).toEqual([2, 0, 2, null, null]);
});
