import { beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../src/core/logger.ts';
import type { Recovery, RecoveryCause } from '../../../src/recovery/recovery.ts';
import { stepsInWords } from '../../../src/recovery/recovery.ts';
import type { RecoveryFacts } from '../../../src/recovery/tracker.ts';
import { RECOVERY, RecoveryTracker } from '../../../src/recovery/tracker.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let facts: {
  probing: boolean;
  amiss: RecoveryCause[];
  levelAt: number;
  applied: number;
  restarts: number;
  paced: boolean;
  warming: { -readonly [N in keyof RecoveryFacts['warming']]: RecoveryFacts['warming'][N] };
};
let events: string[];
let tracker: RecoveryTracker;

beforeEach(() => {
  clock = new FakeClock();
  facts = {
    amiss: [],
    probing: false,
    levelAt: clock.now(),
    applied: 7,
    restarts: 0,
    paced: false,
    warming: { running: false, isOff: false, loaded: 0, found: 0, runs: { done: 0, elsewhere: 0, no_remote: 0, failed: 0, stopped: 0 } },
  };
  events = [];
  tracker = new RecoveryTracker({
    facts: () => ({ ...facts, warming: { ...facts.warming } }),
    clock,
    logger: silentLogger,
    onEvent: (_, text) => void events.push(text),
  });
});

const pass = (ms: number): void => clock.advance(ms);
const isLevel = (): void => {
  facts.levelAt = clock.now() + 1;
};
const phase = (): string => tracker.current?.phase ?? 'over';
const over = (): Recovery => {
  const [last] = tracker.past.slice(-1);
  if (last === undefined) throw new Error('none is over');
  return last;
};

test('an outage goes through its steps, each once it is true, and leaves one account', () => {
  facts.amiss = ['redis_away'];
  pass(500);
  facts.paced = true;
  expect(phase()).toBe('outage');
  facts.amiss = [];
  pass(250);
  expect(phase()).toBe('verifying');
  pass(1000);
  expect(phase()).toBe('verifying');
  facts.applied = 9;
  isLevel();
  pass(250);
  expect(tracker.current).toMatchObject({ phase: 'paced', verified: 'replayed', replayed: 2, warmed: 'not_needed' });
  // What is applied later is no part of it.
  facts.applied = 50;
  pass(5000);
  facts.paced = false;
  pass(250);
  expect(phase()).toBe('paced');
  pass(RECOVERY.settledMs);
  expect(phase()).toBe('over');
  expect(over()).toMatchObject({ number: 1, causes: ['redis_away'], outages: 1, replayed: 2, tookMs: expect.any(Number) });
  expect(stepsInWords(over())).toEqual([
    'outage: Redis does not answer',
    'reached after 0.5 s',
    'verified after 1.8 s: 2 entries of the log replayed into Redis',
    'warm after 1.8 s: nothing was lost, nothing to warm',
    'all traffic back after 8.0 s',
  ]);
  expect(events).toHaveLength(5);
  expect(tracker.counts).toMatchObject({ causes: { redis_away: 1, database_away: 0 }, completed: 1, replayed: 2 });
});

test('a proof of before it was reached does not verify it', () => {
  facts.amiss = ['redis_away'];
  pass(500);
  isLevel();
  facts.amiss = [];
  pass(1000);
  expect(phase()).toBe('verifying');
});

test('Redis that is found empty is warmed before traffic is back, and whoever does it is told', () => {
  tracker.onAnew();
  facts.warming.running = true;
  pass(250);
  isLevel();
  pass(250);
  expect(tracker.current).toMatchObject({ phase: 'warming', verified: 'anew', causes: ['redis_empty'] });
  pass(3000);
  facts.warming = { ...facts.warming, running: false, loaded: 40, found: 2, runs: { ...facts.warming.runs, done: 1 } };
  pass(250);
  expect(tracker.current).toMatchObject({ phase: 'paced', warmed: 'here', loaded: 40, found: 2 });
});

test.each([
  ['another one finds it empty', { isOff: false }, 'elsewhere'],
  ['warming is switched off', { isOff: true }, 'off'],
])('when %s, that is what it says', (_, { isOff }, warmed) => {
  facts.warming.isOff = isOff;
  tracker.onAnew();
  isLevel();
  pass(250);
  expect(tracker.current).toMatchObject({ warmed });
});

test('Redis found empty before it was ever level is a start', () => {
  facts.levelAt = Number.NEGATIVE_INFINITY;
  pass(250);
  tracker.onAnew();
  expect(tracker.current).toBeNull();
  isLevel();
  pass(250);
  tracker.onAnew();
  expect(tracker.current).not.toBeNull();
});

test('what is away again before all is over belongs to the same recovery, and its steps begin again', () => {
  facts.amiss = ['redis_away'];
  pass(250);
  facts.amiss = [];
  pass(250);
  isLevel();
  pass(250);
  expect(phase()).toBe('paced');
  facts.amiss = ['database_away'];
  pass(250);
  expect(tracker.current).toMatchObject({
    number: 1,
    phase: 'outage',
    causes: ['redis_away', 'database_away'],
    outages: 2,
    verified: null,
    warmed: null,
  });
});

test('a probe whether it answers adds no cause to an outage', () => {
  facts.amiss = ['redis_isolated'];
  pass(250);
  facts.amiss = ['redis_away'];
  facts.probing = true;
  pass(250);
  expect(tracker.current?.causes).toEqual(['redis_isolated']);
  facts.probing = false;
  pass(250);
  expect(tracker.current?.causes).toEqual(['redis_isolated', 'redis_away']);
});

test('Redis found empty after it was reached is the same outage', () => {
  facts.amiss = ['redis_away'];
  pass(250);
  facts.amiss = [];
  pass(250);
  tracker.onAnew();
  expect(tracker.current).toMatchObject({ phase: 'verifying', causes: ['redis_away', 'redis_empty'], outages: 1 });
});

test('ten recoveries are kept, and none while all is well', () => {
  pass(60_000);
  expect([tracker.current, tracker.past]).toEqual([null, []]);
  for (let n = 0; n < 12; n += 1) {
    facts.amiss = ['database_away'];
    pass(250);
    facts.amiss = [];
    pass(250);
    isLevel();
    pass(250 + RECOVERY.settledMs);
  }
  expect(tracker.past.map(({ number }) => number)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});
