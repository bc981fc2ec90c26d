import { describe, expect, test } from 'vitest';
import { resolveOptions } from '../../../src/cache/options.ts';
import { ForebayError } from '../../../src/core/errors.ts';

const least = { name: 'test', source: () => null };

/** Documented limits and defaults: [least, most, default]. */
const COUNTS = {
  maxEntries: [0, 50_000_000, 50_000],
  maxBytes: [0, 2 ** 40, 2 ** 27],
  maxEntryBytes: [1, 2 ** 29, 2 ** 20],
  maxAbsentEntries: [0, 50_000_000, 10_000],
  maxConcurrentLoads: [1, 10_000, 16],
  maxQueuedLoads: [1, 10_000_000, 10_000],
  maxBatch: [1, 10_000, 500],
  maxWaiters: [1, 10_000_000, 10_000],
} as const;
const FRACTIONS = {
  absentTtlMs: [0, 86_400_000, 30_000],
  graceMs: [0, 86_400_000, 30_000],
  staleIfErrorMs: [0, 86_400_000, 0],
  refreshAhead: [0, 0.9, 0.1],
  maxStalenessMs: [100, 86_400_000, 1000],
  budgetMs: [1, 60_000, 50],
  leaseMs: [10, 600_000, 12_000],
  leaseWaitMs: [0, 60_000, 200],
  leasePollMs: [1, 1000, 5],
  softTimeoutMs: [1, 600_000, 100],
  hardTimeoutMs: [1, 600_000, 10_000],
  readRateHalfLifeMs: [1000, 2_592_000_000, 21_600_000],
} as const;
const NUMBERS = [
  ...Object.entries(COUNTS).map(([name, limits]) => ['whole number', name, limits] as const),
  ...Object.entries(FRACTIONS).map(([name, limits]) => ['number', name, limits] as const),
];

/** What `resolveOptions` throws for these. */
function refusal(options: object): ForebayError {
  try {
    resolveOptions({ ...least, ...options });
  } catch (thrown) {
    if (thrown instanceof ForebayError) return thrown;
    throw thrown;
  }
  return expect.fail(`${JSON.stringify(options)} was accepted`);
}

describe.each(NUMBERS)('a %s: %s', (kind, name, [min, max, byDefault]) => {
  const resolved = (value: unknown): unknown =>
    Object.entries(resolveOptions({ ...least, [name]: value })).find(([key]) => key === name)?.[1];

  test('may be as little and as much as its limits, and has its default', () => {
    expect([resolved(min), resolved(max), resolved(undefined)]).toEqual([min, max, byDefault]);
  });

  test.each([min - 1, max + 1, Number.NaN, Number.POSITIVE_INFINITY, String(byDefault), 'much', true])(
    'is refused as %s by a text that names option, value and rule',
    (value) => {
      const error = refusal({ [name]: value });
      expect([error.code, error.field, error.message]).toEqual([
        'CONFIG_INVALID',
        name,
        `${name} = ${String(value)}: has to be a ${kind} from ${min} to ${max}`,
      ]);
    },
  );
});

test('every option that is a number is among these', () => {
  const numbers = Object.entries(resolveOptions(least)).filter(([, value]) => typeof value === 'number');
  expect(numbers.map(([name]) => name).toSorted()).toEqual(NUMBERS.map(([, name]) => name).toSorted());
});

test.each(Object.keys(COUNTS))('%s is refused as half a thing', (name) => {
  expect(refusal({ [name]: 1.5 }).message).toContain('= 1.5: has to be a whole number');
});

test.each([undefined, null, '', 5, 'Ünicode', 'with space', 'a{b}', 'x'.repeat(65)])('the name %j is refused', (name) => {
  expect(refusal({ name })).toMatchObject({ code: 'CONFIG_INVALID', field: 'name' });
});

test.each(['keyText', 'describe', 'ttl', 'random', 'uniqueId'])('%s is refused as anything but a function', (name) => {
  expect(refusal({ [name]: 3600 }).message).toBe(`${name} = 3600: has to be a function`);
});

test.each(['ttlMs', 'maxEntrys', 'toString', 'constructor'])('%s is no option, and the text says so', (name) => {
  expect(refusal({ [name]: 1 }).message).toBe(`${name} = 1: is not an option of createCache`);
});

test('a policy is one of two', () => {
  expect(refusal({ policy: 'fifo' }).message).toBe("policy = fifo: has to be 's3fifo' or 'lru'");
});

test('a long value is cut in the text', () => {
  expect(refusal({ name: 'x'.repeat(10_000) }).message.length).toBeLessThan(200);
});

test('what is resolved is frozen, and an option given as undefined has its default', () => {
  const options = resolveOptions({ ...least, policy: undefined, keyText: undefined } as never);
  expect(Object.isFrozen(options)).toBe(true);
  expect([options.policy, options.keyText]).toEqual(['s3fifo', String]);
});
