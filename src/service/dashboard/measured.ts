import type { CacheStats } from '../../cache/stats.ts';
import type { Distribution, Percentiles } from './snapshot.ts';

/** Percentiles of what was answered between two looks at the caches. */
export function latencyBetween(_before: readonly CacheStats[], _now: readonly CacheStats[]): Percentiles | null {
  return null;
}

/** TTLs that were given since the start. */
export function ttlsOf(_stats: readonly CacheStats[]): Distribution | null {
  return null;
}
