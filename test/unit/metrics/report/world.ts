import { newCounts } from '../../../../src/cache/stats.ts';
import type { CacheCounts } from '../../../../src/cache/stats.ts';
import { BUCKETS, emptyCounts } from '../../../../src/cache/reuse-histogram.ts';
import type { ReuseCounts } from '../../../../src/cache/reuse-histogram.ts';
import type { CacheSnapshot, ReportSnapshot } from '../../../../src/metrics/report/snapshot.ts';

export const START = Date.parse('2026-01-02T03:00:00Z');

/** A cache that has done nothing, but for what is given. */
export function cacheOf(given: Partial<CacheSnapshot> & { readonly lookups?: Partial<CacheCounts['lookups']> } = {}): CacheSnapshot {
  const { lookups, ...rest } = given;
  const counts = newCounts();
  Object.assign(counts.lookups, lookups);
  const none = { count: 0, ms: 0 };
  return {
    name: 'file:info',
    counts,
    loads: { calls: 0, keys: 0, refused: 0, timedOut: 0, failed: 0 },
    local: { entries: 100, bytes: 100_000, maxEntries: 1000, maxBytes: 500_000, evictions: 0, absentEntries: 0 },
    taken: { local: none, remote: none, source: none, load: none },
    reuse: emptyCounts(),
    hot: { keys: [], tags: [] },
    ...rest,
  };
}

export function snapshotOf(ms: number, caches: readonly CacheSnapshot[], remote: ReportSnapshot['remote'] = null): ReportSnapshot {
  return { at: START + ms, now: 5000 + ms, caches, remote };
}

/** Reads at distances, from [distance's bucket, how many]. */
export function reuseOf(cold: number, ...reads: readonly (readonly [bucket: number, count: number])[]): ReuseCounts {
  const buckets = new Float64Array(BUCKETS);
  for (const [bucket, count] of reads) buckets[bucket] = count;
  return { buckets, cold };
}
