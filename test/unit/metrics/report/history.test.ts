import { describe, expect, test } from 'vitest';
import { HISTORY, thinned } from '../../../../src/metrics/report/history.ts';
import { Reporter } from '../../../../src/metrics/report/reporter.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import type { ReportSnapshot } from '../../../../src/metrics/report/snapshot.ts';
import { snapshotOf } from './world.ts';

const MINUTE = 60_000;

describe('the snapshots that are kept', () => {
  test('are all of two hours and four an hour of a day, however long the process lives', () => {
    let kept: readonly ReportSnapshot[] = [snapshotOf(0, [])];
    for (let minute = 1; minute <= 4000; minute += 1) {
      const one = snapshotOf(minute * MINUTE, []);
      kept = thinned(kept.concat(one), one.now);
      expect(kept.length).toBeLessThanOrEqual(215);
    }
    const ages = kept.map((one) => 4000 - (one.now - 5000) / MINUTE);
    expect(ages.slice(-121)).toEqual(Array.from({ length: 121 }, (_, i) => 120 - i));
    for (const [i, age] of ages.slice(0, -121).entries()) expect(age - (ages[i + 1] ?? 0)).toBeLessThanOrEqual(HISTORY.coarseMs / MINUTE);
    // A period of a day has one to begin at.
    expect(ages[0]).toBeGreaterThanOrEqual(24 * 60);
    expect(ages[0]).toBeLessThan(24 * 60 + 16);
  });
});

describe('a period', () => {
  test('begins at the newest snapshot that is at least so old, and at the start while there is none', () => {
    const clock = new FakeClock();
    const reporter = new Reporter({ caches: [], hasRemote: false, health: null }, clock);
    clock.advance(20 * MINUTE + 30_000);
    expect(reporter.report().period).toMatchObject({ ms: 20.5 * MINUTE, sinceStart: true, askedMs: null });
    expect(reporter.report({ periodMs: 5 * MINUTE }).period).toMatchObject({ ms: 5.5 * MINUTE, sinceStart: false, askedMs: 5 * MINUTE });
    expect(reporter.report({ periodMs: 60 * MINUTE }).period).toMatchObject({ ms: 20.5 * MINUTE, sinceStart: true });
    reporter.close();
    clock.advance(10 * MINUTE);
    expect(reporter.report({ periodMs: MINUTE }).period.ms).toBe(10.5 * MINUTE);
  });
});
