import type { LocalEntry } from './local-entry.ts';
import type { CacheCounts } from './stats.ts';

/** What an entry of a value made room for, or gave its place to: another key's, or what was loaded for its own. */
export type Successor = 'other' | 'refresh' | 'load';

/** Counts how the stay of an entry in process memory ended, other than by invalidation: what shows whether TTLs and the room are well chosen. Absences are not counted. */
export function countLifetime<V>(counts: CacheCounts['lifetimes'], entry: LocalEntry<V>, now: number, successor: Successor): void {
  if (entry.absent) return;
  if (now >= entry.expiresAt) counts[entry.used ? 'expiredUsed' : 'expiredUnused'] += 1;
  else if (successor === 'other') counts[entry.used ? 'evictedUsed' : 'evictedUnused'] += 1;
  else if (successor === 'refresh') counts.refreshedInTime += 1;
}
