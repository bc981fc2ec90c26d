import type { HistogramSnapshot } from '../../cache/latency.ts';
import { quantile, sumOf } from '../../cache/latency.ts';
import type { CacheStats } from '../../cache/stats.ts';
import type { Distribution, Percentiles } from './snapshot.ts';

/** Percentiles of what was answered between two looks at the caches, by whomever; `null` when nothing was. */
export function latencyBetween(before: readonly CacheStats[], now: readonly CacheStats[]): Percentiles | null {
  const histogram = sumOf(now.flatMap((stats, i) => readsBetween(before[i], stats)));
  const [p50Ms, p99Ms, p999Ms] = [0.5, 0.99, 0.999].map((q) => quantile(histogram, q));
  return p50Ms == null || p99Ms == null || p999Ms == null ? null : { p50Ms, p99Ms, p999Ms };
}

/** Reads of process memory are timed once in hundreds, so that in some seconds none is: how many there were is known exactly, and only how long they took is drawn from the sample, an older one if need be. */
function readsBetween(before: CacheStats | undefined, now: CacheStats): HistogramSnapshot[] {
  const { local, ...others } = now.latency.read;
  const earlier = before?.latency.read;
  const sampled = difference(local, earlier?.local);
  const shape = sampled.count > 0 ? sampled : local;
  const reads = localReads(now) - (before === undefined ? 0 : localReads(before));
  const names = Object.keys(others) as (keyof typeof others)[];
  return [scaled(shape, Math.max(0, reads)), ...names.map((name) => difference(others[name], earlier?.[name]))];
}

const localReads = ({ counts: { lookups } }: CacheStats): number => lookups.localHit + lookups.localAbsent;

function difference(now: HistogramSnapshot, before: HistogramSnapshot | undefined): HistogramSnapshot {
  const counts = now.counts.map((count, i) => Math.max(0, count - (before?.counts[i] ?? 0)));
  return { bounds: now.bounds, counts, count: counts.reduce((sum, n) => sum + n, 0), sum: 0 };
}

/** The same shape, standing for so many. */
function scaled(histogram: HistogramSnapshot, count: number): HistogramSnapshot {
  const factor = histogram.count === 0 ? 0 : count / histogram.count;
  return { ...histogram, counts: histogram.counts.map((n) => n * factor), count };
}

/** TTLs that were given since the start; `null` when none was. */
export function ttlsOf(stats: readonly CacheStats[]): Distribution | null {
  const { bounds, counts, count } = sumOf(stats.map(({ latency }) => latency.ttl));
  return count === 0 ? null : { bounds: bounds.map((ms) => ms / 1000), counts: [...counts] };
}
