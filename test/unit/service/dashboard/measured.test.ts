import { describe, expect, it } from 'vitest';
import { HistogramRecorder } from '../../../../src/cache/recorder.ts';
import type { CacheStats } from '../../../../src/cache/stats.ts';
import { latencyBetween, ttlsOf } from '../../../../src/service/dashboard/measured.ts';
import { calmStats } from '../../../support/vitals.ts';

const MICROSECOND = 0.001;

function world() {
  const recorder = new HistogramRecorder();
  const lookups = { localHit: 0 };
  const stats = (): CacheStats => {
    const { latency: _, ...calm } = calmStats();
    Object.assign(calm.counts.lookups, lookups);
    return { ...calm, latency: recorder.snapshot() };
  };
  return { recorder, lookups, stats };
}

describe('the percentiles of what was read meanwhile', () => {
  it('leave out what was before, and are not known when nothing was read', () => {
    const { recorder, stats } = world();
    for (let n = 0; n < 1000; n += 1) recorder.read('source', 900);
    const before = stats();
    expect(latencyBetween([before], [stats()])).toBeNull();
    for (let n = 0; n < 99; n += 1) recorder.read('remote', 1);
    recorder.read('source', 50);
    const { p50Ms, p99Ms, p999Ms } = latencyBetween([before], [stats()]) ?? { p50Ms: 0, p99Ms: 0, p999Ms: 0 };
    expect(p50Ms).toBeGreaterThan(0.7);
    expect(p50Ms).toBeLessThan(1.1);
    expect(p99Ms).toBeLessThan(2);
    expect(p999Ms).toBeGreaterThan(40);
  });

  it('count reads of process memory as often as they were, though few of them are timed', () => {
    const { recorder, lookups, stats } = world();
    recorder.localReads(MICROSECOND, 256);
    lookups.localHit = 256;
    const before = stats();
    // 200 more of which none was timed, and 100 that Redis answered: two in three took a microsecond.
    lookups.localHit = 456;
    for (let n = 0; n < 100; n += 1) recorder.read('remote', 1);
    expect(latencyBetween([before], [stats()])?.p50Ms).toBeLessThan(2 * MICROSECOND);
    // 50 of which one was timed, which stands for 256 in the recorder: most reads were answered by Redis all the same.
    recorder.localReads(MICROSECOND, 256);
    const middle = { ...before, latency: stats().latency };
    lookups.localHit = 506;
    for (let n = 0; n < 100; n += 1) recorder.read('remote', 1);
    Object.assign(middle.counts.lookups, { localHit: 456 });
    expect(latencyBetween([middle], [stats()])?.p50Ms).toBeGreaterThan(0.5);
  });
});

describe('the TTLs', () => {
  it('are given in seconds, and not at all before the first', () => {
    const { recorder, stats } = world();
    expect(ttlsOf([stats()])).toBeNull();
    recorder.ttl(61_000);
    const { bounds, counts } = ttlsOf([stats(), calmStats()]) ?? { bounds: [], counts: [] };
    expect(bounds[counts.indexOf(1)]).toBe(120);
  });
});
