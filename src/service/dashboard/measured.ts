import type { HistogramSnapshot } from '../../cache/latency.ts';
import { quantile, sumOf } from '../../cache/latency.ts';
import type { CacheStats } from '../../cache/stats.ts';
import type { Distribution, Percentiles } from './snapshot.ts';

/** Whole reads of all caches, whoever answered them. */
const reads = (stats: readonly CacheStats[]): HistogramSnapshot => sumOf(stats.flatMap(({ latency }) => Object.values(latency.read)));

/** Percentiles of what was answered between two looks at the caches; `null` when nothing was. */
export function latencyBetween(before: readonly CacheStats[], now: readonly CacheStats[]): Percentiles | null {
  const [earlier, later] = [reads(before), reads(now)];
  const [p50Ms, p99Ms, p999Ms] = [0.5, 0.99, 0.999].map((q) => quantile(later, q, earlier));
  return p50Ms == null || p99Ms == null || p999Ms == null ? null : { p50Ms, p99Ms, p999Ms };
}

/** TTLs that were given since the start; `null` when none was. */
export function ttlsOf(stats: readonly CacheStats[]): Distribution | null {
  const { bounds, counts, count } = sumOf(stats.map(({ latency }) => latency.ttl));
  return count === 0 ? null : { bounds: bounds.map((ms) => ms / 1000), counts: [...counts] };
}
