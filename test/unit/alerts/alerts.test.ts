import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AlertName } from '../../../src/alerts/alert.ts';
import { alertRules, ALERT_NAMES } from '../../../src/alerts/alert.ts';
import type { Said } from './world.ts';
import { BOUND_MS, watch } from './world.ts';

interface Case {
  readonly alert: AlertName;
  readonly bad: Partial<Said>;
  readonly good: Partial<Said>;
  /** Less than the limit. */
  readonly almost: Partial<Said>;
  readonly holdMs: number;
  readonly clearMs: number;
  readonly severity: 'warning' | 'critical';
  readonly value: number;
  readonly threshold: number;
  readonly says: RegExp;
}

const depth = (value: number) => async (): Promise<number> => value;
let found = 0;

const CASES: readonly Case[] = [
  {
    alert: 'redis_down',
    bad: { redis: 'down' },
    good: { redis: 'up' },
    almost: { redis: 'off' },
    holdMs: 10_000,
    clearMs: 30_000,
    severity: 'warning',
    value: 10_000,
    threshold: 10_000,
    says: /Redis could not be reached for 10s/,
  },
  {
    alert: 'breaker_open',
    bad: { breaker: 'half-open' },
    good: { breaker: 'closed' },
    almost: { breaker: 'isolated' },
    holdMs: 10_000,
    clearMs: 30_000,
    severity: 'warning',
    value: 10_000,
    threshold: 10_000,
    says: /was not asked for 10s/,
  },
  {
    alert: 'bound_exceeded',
    bad: { stalenessMs: 4200 },
    good: { stalenessMs: 150 },
    almost: { stalenessMs: BOUND_MS },
    holdMs: 5000,
    clearMs: 30_000,
    severity: 'critical',
    value: 4200,
    threshold: 1000,
    says: /in the last 4s may not be known here, and the bound is 1s/,
  },
  {
    alert: 'outbox_deep',
    bad: { outboxDepth: depth(1001) },
    good: { outboxDepth: depth(500) },
    almost: { outboxDepth: depth(1000) },
    holdMs: 30_000,
    clearMs: 30_000,
    severity: 'warning',
    value: 1001,
    threshold: 1000,
    says: /^1001 changes wait .*above 1000/,
  },
  {
    alert: 'stale_found',
    // A counter that grows at each look.
    bad: { staleFound: () => ++found },
    good: { staleFound: () => found },
    almost: { staleFound: () => found },
    holdMs: 0,
    clearMs: 300_000,
    severity: 'critical',
    value: 1,
    threshold: 0,
    says: /older than the bound: 1\./,
  },
  {
    alert: 'database_overload',
    bad: { waiting: 101 },
    good: { waiting: 50 },
    almost: { waiting: 100 },
    holdMs: 5000,
    clearMs: 30_000,
    severity: 'critical',
    value: 101,
    threshold: 100,
    says: /^101 callers wait/,
  },
];

/** The first look after a change is a second later, and one at the outbox up to five seconds. */
const LATE_MS = 6000;

test('every alert has a case here', () => {
  expect(CASES.map(({ alert }) => alert)).toEqual([...ALERT_NAMES]);
  expect(alertRules.map(({ name }) => name)).toEqual([...ALERT_NAMES]);
});

describe.each(CASES)('$alert', ({ alert, bad, good, almost, holdMs, clearMs, severity, value, threshold, says }) => {
  const open = () => {
    found = 0;
    return watch();
  };

  test('is told once it has lasted, and once more when it has been over for long enough, whatever else happens between', async () => {
    const { clock, said, told, lines, alerts } = open();
    Object.assign(said, bad);
    if (holdMs > 0) {
      await clock.pass(holdMs);
      expect(told).toEqual([]);
      expect(alerts.firing()).toEqual([]);
    }
    await clock.pass(LATE_MS);
    expect(told).toMatchObject([
      { version: 1, alert, severity, state: 'firing', threshold, returns: 0, resolvedAt: null, instance: 'host:1', id: 'episode-1-firing' },
    ]);
    expect(told[0]?.value).toBe(value);
    expect(told[0]?.summary).toMatch(says);
    expect(alerts.firing()).toMatchObject([{ alert, state: 'firing', episode: 'episode-1' }]);
    await clock.pass(1_000_000);
    Object.assign(said, good);
    await clock.pass(clearMs);
    expect(told).toHaveLength(1);
    expect(alerts.firing()).toHaveLength(1);
    await clock.pass(LATE_MS);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({ alert, state: 'resolved', episode: 'episode-1', id: 'episode-1-resolved', returns: 0 });
    expect(alerts.firing()).toEqual([]);
    expect(lines.map(({ level, fields }) => [level, fields['alert'], fields['state']])).toEqual([
      [severity === 'critical' ? 'error' : 'warn', alert, 'firing'],
      ['info', alert, 'resolved'],
    ]);
  });

  test('is told to nobody when it is only near the limit, or goes before its time', async () => {
    const { clock, said, told } = open();
    Object.assign(said, almost);
    await clock.pass(100_000);
    if (holdMs > 0) {
      for (let blips = 0; blips < 20; blips += 1) {
        Object.assign(said, bad);
        // At the longest, the outbox is seen bad at 0 and good again 5 s after the end.
        await clock.pass(holdMs - LATE_MS > 0 ? holdMs - LATE_MS : holdMs - 1000);
        Object.assign(said, good);
        await clock.pass(LATE_MS);
      }
    }
    expect(told).toEqual([]);
  });

  test('that comes back while it clears is told as one, with the number of its returns', async () => {
    const { clock, said, told } = open();
    for (let returns = 0; returns < 3; returns += 1) {
      Object.assign(said, bad);
      await clock.pass(holdMs + LATE_MS);
      Object.assign(said, good);
      await clock.pass(clearMs - LATE_MS);
    }
    await clock.pass(clearMs);
    expect(told).toMatchObject([
      { state: 'firing', returns: 0 },
      { state: 'resolved', returns: 2, summary: expect.stringContaining('It came back 2 times meanwhile.') },
    ]);
  });

  test('is neither told nor over while it is not known', async () => {
    const { clock, said, told } = open();
    const unknown = Object.fromEntries(
      Object.keys(bad).map((name) => [
        name,
        () => {
          throw new Error('not known');
        },
      ]),
    );
    Object.assign(said, unknown);
    await clock.pass(200_000);
    expect(told).toEqual([]);
    Object.assign(said, bad);
    await clock.pass(holdMs + LATE_MS);
    Object.assign(said, unknown);
    await clock.pass(1_000_000);
    expect(told).toHaveLength(1);
  });
});

test('1,000 looks at a failure give one log line and one message', async () => {
  const { clock, said, told, lines, alerts } = watch();
  said.redis = 'down';
  await clock.pass(1_000_000);
  expect(lines).toHaveLength(1);
  expect(told).toHaveLength(1);
  expect(alerts.stats().filter(({ isFiring, firing }) => isFiring || firing > 0)).toEqual([
    { name: 'redis_down', isFiring: true, firing: 1, resolved: 0 },
  ]);
});

test('1,000 refused loads a second for a quarter of an hour give one log line', async () => {
  const { clock, said, lines } = watch();
  let refused = 0;
  said.refused = () => (refused += 1000);
  await clock.pass(900_000);
  expect(lines.map(({ fields }) => [fields['alert'], fields['value']])).toEqual([['database_overload', 1000]]);
});

test('what fires shows what was measured last, and when it began', async () => {
  const { clock, said, alerts, told } = watch();
  const begins = clock.wallNow();
  said.stalenessMs = Number.POSITIVE_INFINITY;
  await clock.pass(6000);
  expect(told[0]).toMatchObject({ value: null, startedAt: new Date(begins + 1000).toISOString() });
  expect(told[0]?.summary).toContain('nothing is proven yet, and the bound is 1s');
  said.stalenessMs = 12_000;
  await clock.pass(1000);
  expect(alerts.firing()).toMatchObject([{ value: 12_000, summary: expect.stringContaining('in the last 12s') }]);
  said.stalenessMs = 0;
  await clock.pass(60_000);
  expect(told[1]).toMatchObject({
    value: 12_000,
    startedAt: new Date(begins + 1000).toISOString(),
    resolvedAt: new Date(begins + 8000).toISOString(),
    summary: 'The caches are used again: the staleness is within the bound, after 7s.',
  });
});

test('a count that hovers at its limit fires once, and is over at half of the limit', async () => {
  const { clock, said, states } = watch();
  said.waiting = 101;
  await clock.pass(10_000);
  said.waiting = 51;
  await clock.pass(1_000_000);
  expect(states()).toEqual(['database_overload firing']);
  said.waiting = 50;
  await clock.pass(40_000);
  expect(states()).toEqual(['database_overload firing', 'database_overload resolved']);
});

test('the auditor finding more adds up, and what was found while it could not be asked is not lost', async () => {
  const { clock, said, told, alerts } = watch();
  said.staleFound = 2;
  await clock.pass(1000);
  said.staleFound = () => {
    throw new Error('away');
  };
  await clock.pass(1000);
  said.staleFound = 5;
  await clock.pass(5000);
  expect(told).toMatchObject([{ alert: 'stale_found', value: 2 }]);
  expect(alerts.firing()).toMatchObject([{ value: 5 }]);
});

test('a Redis that is down since its breaker is open is one alert, and one that is isolated by hand is none', async () => {
  const { clock, said, states } = watch();
  Object.assign(said, { redis: 'down', breaker: 'isolated' });
  await clock.pass(100_000);
  expect(states()).toEqual([]);
  said.breaker = 'open';
  await clock.pass(100_000);
  expect(states()).toEqual(['breaker_open firing']);
  said.breaker = 'closed';
  await clock.pass(20_000);
  expect(states()).toEqual(['breaker_open firing', 'redis_down firing']);
});

test('a process that stood still sees nothing in that time: what was old at its first look is in order at the next', async () => {
  const { clock, said, told } = watch();
  said.stalenessMs = 100_000;
  await clock.pass(1000);
  // SIGSTOP: the timer is late by a minute. FakeClock runs what falls due at its own time, so the standstill is made by moving on within a look.
  said.refused = () => {
    clock.advance(60_000);
    said.refused = 0;
    return 0;
  };
  await clock.pass(1000);
  await clock.pass(1000);
  expect(told).toEqual([]);
  said.stalenessMs = 0;
  await clock.pass(100_000);
  expect(told).toEqual([]);
});

test('an outbox that is slow to count is asked once at a time, and an old count says nothing', async () => {
  const { clock, said, told } = watch();
  let asked = 0;
  const answers: ((depth: number) => void)[] = [];
  said.outboxDepth = () => {
    asked += 1;
    return new Promise<number>((resolve) => answers.push(resolve));
  };
  await clock.pass(120_000);
  expect(asked).toBe(1);
  answers[0]?.(5000);
  await clock.pass(120_000);
  expect(asked).toBe(2);
  expect(told).toEqual([]);
});

test('what onAlert throws is logged and stops nothing', async () => {
  const { clock, said, lines, alerts } = watch({}, () => {
    throw new Error('boom');
  });
  said.redis = 'down';
  await clock.pass(20_000);
  said.redis = 'up';
  await clock.pass(60_000);
  expect(lines.map(({ level, message }) => [level, message.slice(0, 16)])).toEqual([
    ['warn', 'Redis could not '],
    ['error', 'what was to be d'],
    ['info', 'Redis can be rea'],
    ['error', 'what was to be d'],
  ]);
  expect(alerts.firing()).toEqual([]);
});

test('a closed one looks no more', async () => {
  const { clock, said, told, alerts } = watch();
  said.redis = 'down';
  alerts.close();
  expect(clock.timers).toBe(0);
  await clock.pass(100_000);
  expect(told).toEqual([]);
});

test('however it flaps, an alert is told to fire at most seven times in any hour, and every message has its counterpart', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 50, maxLength: 200 }), async (spansS) => {
      const { clock, said, told } = watch({ redisDownMs: 0 });
      const firedAt: number[] = [];
      for (const [index, spanS] of spansS.entries()) {
        said.redis = index % 2 === 0 ? 'down' : 'up';
        for (let second = 0; second < spanS; second += 1) {
          const before = told.length;
          clock.advance(1000);
          if (told.length > before && told.at(-1)?.state === 'firing') firedAt.push(clock.now());
        }
      }
      for (const at of firedAt) expect(firedAt.filter((other) => other >= at && other < at + 3_600_000).length).toBeLessThanOrEqual(7);
      for (const [index, { state, episode }] of told.entries()) {
        expect(state).toBe(index % 2 === 0 ? 'firing' : 'resolved');
        if (state === 'resolved') expect(told[index - 1]?.episode).toBe(episode);
      }
    }),
    { numRuns: 30 },
  );
});

test('one that comes back as soon as it is told to be over is told seven times in the first hour, and no more often later', async () => {
  const { clock, said, told } = watch({ redisDownMs: 0 });
  const perHour: number[] = [];
  for (let hour = 0; hour < 3; hour += 1) {
    const before = told.length;
    for (let second = 0; second < 3600; second += 1) {
      said.redis = (told.at(-1)?.state ?? 'resolved') === 'resolved' ? 'down' : 'up';
      clock.advance(1000);
    }
    perHour.push(told.slice(before).filter(({ state }) => state === 'firing').length);
  }
  expect(perHour[0]).toBe(7);
  expect(Math.max(...perHour)).toBe(7);
});
