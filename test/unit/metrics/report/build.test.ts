import { describe, expect, test } from 'vitest';
import { bucketOf } from '../../../../src/cache/reuse-histogram.ts';
import { newCounts } from '../../../../src/cache/stats.ts';
import { buildReport } from '../../../../src/metrics/report/build.ts';
import { curveOf } from '../../../../src/metrics/report/curves.ts';
import type { EfficiencyReport } from '../../../../src/metrics/report/efficiency-report.ts';
import type { ReportSnapshot } from '../../../../src/metrics/report/snapshot.ts';
import { reportSchema } from '../../../../src/service/routes/report-schema.ts';
import { cacheOf, reuseOf, snapshotOf, START } from './world.ts';

const asked = { periodMs: null, startedAt: { now: 5000, at: START } };
/** A report as it is after its journey as JSON, held to the schema. */
const reportOf = (before: ReportSnapshot | null, after: ReportSnapshot): EfficiencyReport =>
  reportSchema.parse(JSON.parse(JSON.stringify(buildReport(before, after, asked))));

describe('a report', () => {
  test('of nothing is whole, and says so', () => {
    const report = reportOf(null, snapshotOf(60_000, []));
    expect(report.reads).toMatchObject({ total: 0, perSecond: 0, hitRatio: null });
    expect(report.sentences).toEqual(['Nothing was read.']);
    expect(report.period).toEqual({
      askedMs: null,
      from: '2026-01-02T03:00:00.000Z',
      to: '2026-01-02T03:01:00.000Z',
      ms: 60_000,
      sinceStart: true,
    });
  });

  test('of a period has what was counted in it alone, and sizes as they are at its end', () => {
    const before = snapshotOf(0, [
      cacheOf({
        lookups: { localHit: 1000, loaded: 50 },
        loads: { calls: 10, keys: 50, refused: 0, timedOut: 0, failed: 1 },
        hot: { keys: [{ key: 'a', reads: 500, error: 0 }], tags: [] },
        local: { entries: 1, bytes: 1, maxEntries: 1000, maxBytes: 500_000, evictions: 7, absentEntries: 0 },
      }),
    ]);
    const after = snapshotOf(10_000, [
      cacheOf({
        lookups: { localHit: 1090, loaded: 60 },
        loads: { calls: 15, keys: 60, refused: 0, timedOut: 0, failed: 1 },
        taken: { local: { count: 90, ms: 0.09 }, remote: { count: 0, ms: 0 }, source: { count: 10, ms: 50 }, load: { count: 5, ms: 20 } },
        hot: {
          keys: [
            { key: 'a', reads: 540, error: 0 },
            { key: 'b', reads: 530, error: 0 },
          ],
          tags: [],
        },
        local: { entries: 100, bytes: 100_000, maxEntries: 1000, maxBytes: 500_000, evictions: 9, absentEntries: 0 },
      }),
    ]);
    const report = reportOf(before, after);
    expect(report.reads).toMatchObject({ total: 100, perSecond: 10, answered: { local: 90, source: 10 }, hitRatio: 0.9 });
    expect(report.database).toMatchObject({
      queries: 5,
      keys: 10,
      keysPerQuery: 2,
      meanMs: 4,
      queriesPerSecond: 0.5,
      load: 0.002,
      failedKeys: 0,
    });
    expect(report.database.withoutCache).toEqual({ queriesPerSecond: 5, load: 0.02 });
    expect(report.local).toMatchObject({ hits: 90, evictions: 2, entries: 100, bytesPerEntry: 1000, saved: { keys: 90, queries: 45 } });
    expect(report.local.saved.waitMs).toBeCloseTo(90 * (5 - 0.001), 9);
    expect(report.hot.keys.map(({ name, reads, share }) => [name, reads, share])).toEqual([
      ['b', 530, 5.3],
      ['a', 40, 0.4],
    ]);
  });

  test('counts of a key that came onto a full list only what it cannot have had before', () => {
    const list = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, reads: 1000 - i, error: 0 }));
    const [before, after] = [list, [{ key: 'new', reads: 1200, error: 0 }, ...list]].map((keys, i) =>
      snapshotOf(i * 1000, [cacheOf({ lookups: { localHit: i * 2000 }, hot: { keys, tags: [] } })]),
    );
    if (before === undefined || after === undefined) throw new Error('no snapshots');
    expect(reportOf(before, after).hot.keys.map(({ name, reads }) => [name, reads])).toEqual([['new', 1200 - 901]]);
  });

  test('adds up what entries became, why they were refused, and who knew of what does not exist', () => {
    const counts = newCounts();
    Object.assign(counts.lookups, { localHit: 5, localAbsent: 2, remoteAbsent: 1, sourceAbsent: 4, localStale: 3, unavailable: 6 });
    Object.assign(counts.refusals, { expired: 1, unproven: 2 });
    Object.assign(counts.remoteRefusals, { tag: 3 });
    Object.assign(counts.lifetimes, { expiredUnused: 4, refreshedInTime: 5 });
    counts.staleIfError = 2;
    counts.refreshes = 6;
    const report = reportOf(null, snapshotOf(1000, [cacheOf({ counts }), cacheOf({ name: 'file:meta', counts })]));
    expect(report.absent).toEqual({ total: 14, share: 14 / 42, local: 4, remote: 2, source: 8 });
    expect(report.reads.answered).toEqual({ local: 20, remote: 2, source: 8, unavailable: 12 });
    expect(report.refusals).toMatchObject({ local: { expired: 2, unproven: 4, tag: 0 }, remote: { tag: 6 } });
    expect(report.lifetimes).toMatchObject({ expiredUnused: 8, refreshedInTime: 10, refreshes: 12 });
    expect(report.stale).toEqual({ served: 6, ifError: 4 });
  });

  test('takes the memory of Redis by its keys only where it holds many, and a restarted server to count from 0', () => {
    const counts = newCounts();
    Object.assign(counts.remoteReads, { served: 10, bytes: 3000 });
    const remote = (keys: number, evicted: number) => ({
      reuse: reuseOf(0),
      servers: { keys, usedBytes: 20_000_000, maxBytes: null, evicted },
    });
    const few = reportOf(null, snapshotOf(1000, [cacheOf({ counts })], remote(100, 5)));
    expect(few.remote).toMatchObject({ payloadBytes: 300, bytesPerEntry: 500, bytesPerEntryFrom: 'payload', evictions: 5 });
    const many = reportOf(snapshotOf(0, [cacheOf()], remote(20_000, 900)), snapshotOf(1000, [cacheOf({ counts })], remote(20_000, 5)));
    expect(many.remote).toMatchObject({ bytesPerEntry: 1000, bytesPerEntryFrom: 'server', evictions: 5, maxBytes: null });
    expect(many.curves.remote?.bytes).toBe(20_000_000);
  });
});

describe('the curve of a tier', () => {
  const input = { measuredHitRatio: 0.5, tier: 'process memory', sizeIs: 'limit' } as const;
  /** 10,000 reads, of which so many lie just within so many times a room of 64 entries. */
  const room = (...within: readonly (readonly [factor: number, reads: number])[]) => {
    const again = within.reduce((sum, [, reads]) => sum + reads, 0);
    return {
      reuse: reuseOf(10_000 - again, ...within.map(([factor, reads]) => [bucketOf(64 * factor) - 1, reads] as const)),
      reads: 10_000,
      entries: 64,
      bytes: 1000,
    };
  };

  test('recommends the least size from which on no doubling gives a point', () => {
    const curve = curveOf({ ...input, rooms: [room([0.5, 5000], [2, 2000], [8, 50])] });
    expect(curve.recommended).toMatchObject({ factor: 2, entries: 128, bytes: 2000, hitRatio: 0.7 });
    expect(curve.sentence).toContain('With 2x the memory for process memory the hit ratio would be 70.0 % instead of 50.0 %');
    expect(curve.sentence).toContain('Recommended: 1.95 KiB, 2x the limit, for 70.0 %');
  });

  test('does not take a flat stretch before a rise for the end', () => {
    expect(curveOf({ ...input, rooms: [room([0.25, 3000], [8, 4000])] }).recommended).toMatchObject({ factor: 8, hitRatio: 0.7 });
  });

  test('recommends less where less does as well', () => {
    const curve = curveOf({ ...input, rooms: [room([0.25, 8000])] });
    expect(curve.recommended?.factor).toBe(0.25);
    expect(curve.sentence).toContain('1/4 of the limit, for 80.0 % instead of 80.0 %');
  });

  test('says that more helps as far as it looks, and that the size is right', () => {
    expect(curveOf({ ...input, rooms: [room([1, 1000], [16, 5000])] }).sentence).toContain('give it what you can');
    expect(curveOf({ ...input, rooms: [room([1, 5000])] }).sentence).toContain('The size is right');
  });

  test('of two rooms that grow together is that of their reads together', () => {
    const [one, other] = [room([1, 8000]), { ...room([2, 2000]), reads: 10_000 }];
    const unread = { reuse: reuseOf(0), reads: 0, entries: 5000, bytes: 1e9 };
    const { points, entries, bytes } = curveOf({ ...input, rooms: [one, other, unread] });
    expect([entries, bytes]).toEqual([128, 2000]);
    expect(points.find(({ factor }) => factor === 1)?.hitRatio).toBeCloseTo(0.4, 9);
    expect(points.find(({ factor }) => factor === 2)?.hitRatio).toBeCloseTo(0.5, 9);
  });

  test('never falls with the size, and recommends nothing from a few reads or of an unknown room', () => {
    const { points } = curveOf({ ...input, rooms: [room([0.1, 300], [0.7, 900], [3, 200])] });
    expect(points).toEqual(points.toSorted((a, b) => a.hitRatio - b.hitRatio));
    expect(curveOf({ ...input, rooms: [{ reuse: reuseOf(10), reads: 999, entries: 64, bytes: null }] })).toMatchObject({
      recommended: null,
    });
    expect(curveOf({ ...input, rooms: [{ ...room([1, 5000]), entries: 0 }] })).toMatchObject({ points: [], reads: 10_000, entries: null });
    expect(curveOf({ ...input, rooms: [] })).toMatchObject({
      points: [],
      reads: 0,
      sentence: expect.stringContaining('Too few reads') as string,
    });
  });
});
