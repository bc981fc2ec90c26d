import { expect, test } from 'vitest';
import type { BenchFlags } from '../../../../src/cli/bench/plan.ts';
import { planOf } from '../../../../src/cli/bench/plan.ts';

test('without flags it is half a minute of a mix that is small and safe', () => {
  expect(planOf({})).toEqual({
    durationMs: 30_000,
    warmupMs: 0,
    keys: 10_000,
    skew: 0.9,
    trace: null,
    writes: 0.01,
    concurrency: 32,
    rate: null,
    batch: 1,
    seed: 1,
    existing: false,
    keep: false,
  });
});

test('records that are there are not written to unless that is asked for twice', () => {
  expect(planOf({ existing: true }).writes).toBe(0);
  expect(() => planOf({ existing: true, writes: '0.1' })).toThrow(/add --yes/);
  expect(planOf({ existing: true, writes: '0.1', yes: true }).writes).toBe(0.1);
});

const wrong: [string, BenchFlags, string][] = [
  ['a duration that is none', { duration: 'long' }, '--duration="long": must be a duration from 1s to 24h'],
  ['a duration that is too short', { duration: '10ms' }, 'from 1s to 24h'],
  ['a duration that is too long', { duration: '2d' }, 'from 1s to 24h'],
  ['no keys', { keys: '0' }, 'a whole number from 1 to 1000000'],
  ['too many keys', { keys: '1000001' }, 'a whole number from 1 to 1000000'],
  ['half a key', { keys: '1.5' }, 'a whole number'],
  ['a skew that is none', { skew: '-1' }, '--skew="-1": must be a number from 0 to 3'],
  ['more writes than calls', { writes: '1.01' }, 'a number from 0 to 1'],
  ['a share in percent', { writes: '5%' }, 'such as 0.1'],
  ['nobody at once', { concurrency: '0' }, 'from 1 to 4096'],
  ['a rate of nothing', { rate: '0' }, 'from 1 to 1000000'],
  ['a batch that is too large', { batch: '1001' }, 'from 1 to 1000'],
  ['a seed that is too large', { seed: '4294967296' }, 'from 0 to 4294967295'],
  ['keys of a trace', { trace: 'x', keys: '5' }, 'leave out --keys, or --trace'],
  ['a skew of a trace', { trace: 'x', skew: '1' }, 'leave out --skew, or --trace'],
  ['keeping what is not its own', { existing: true, keep: true }, 'leave out one of the two'],
];
test.each(wrong)('%s is refused with what is accepted', (_, flags, words) => {
  expect(() => planOf(flags)).toThrow(words);
});
