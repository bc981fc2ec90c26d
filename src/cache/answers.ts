import type { ErrorCode } from '../core/errors.ts';
import { ForebayError } from '../core/errors.ts';
import type { LocalEntry } from './local-entry.ts';
import type { Absent, Hit, Lookup, StaleHit, Unavailable } from './lookup.ts';
import type { CacheCounts } from './stats.ts';

/** What an entry says to a caller. */
export function answerFrom<V>(entry: LocalEntry<V>, tier: 'local' | 'remote', now: number): Hit<V> | Absent {
  const ageMs = Math.max(0, now - entry.loadedAt);
  const ttlLeftMs = entry.expiresAt - now;
  if (entry.absent) return { outcome: 'absent', tier, ageMs, ttlLeftMs };
  return { outcome: 'hit', tier, value: entry.value as V, json: entry.json, version: entry.version, ageMs, ttlLeftMs };
}

/** What an entry of a value says to a caller when the source is slow or has failed. */
export function staleFrom<V>(
  entry: LocalEntry<V>,
  how: { readonly tier: 'local' | 'remote'; readonly asOfAgeMs: number; readonly ifError: boolean },
  now: number,
): StaleHit<V> {
  const { value, json, version } = entry;
  return {
    outcome: 'stale',
    tier: how.tier,
    value: value as V,
    json,
    version,
    ageMs: Math.max(0, now - entry.loadedAt),
    ttlLeftMs: entry.expiresAt - now,
    asOfAgeMs: Math.max(0, how.asOfAgeMs),
    ifError: how.ifError,
  };
}

/** What a load says to the caller that began it. */
export function answerFromSource<V>(entry: LocalEntry<V>, stored: boolean, now: number): Lookup<V> {
  const ageMs = Math.max(0, now - entry.loadedAt);
  const ttlLeftMs = entry.expiresAt - now;
  if (entry.absent) return { outcome: 'absent', tier: 'source', ageMs, ttlLeftMs };
  const { json, version } = entry;
  return { outcome: 'loaded', tier: 'source', value: entry.value as V, json, version, ageMs, ttlLeftMs, joined: false, stored };
}

export function unavailable(code: ErrorCode, message: string, cause?: unknown): Unavailable {
  return { outcome: 'unavailable', error: new ForebayError(code, message, { cause }) };
}

/** The value for callers who want no more than that. @throws {ForebayError} when nobody could say. */
export function valueOf<V>(lookup: Lookup<V>): V | null {
  switch (lookup.outcome) {
    case 'hit':
    case 'stale':
    case 'loaded':
      return lookup.value;
    case 'absent':
      return null;
    case 'unavailable':
      throw lookup.error;
    default:
      return lookup satisfies never;
  }
}

/** Counts how a look-up ended. */
export function countLookup<V>(counts: CacheCounts, lookup: Lookup<V>): Lookup<V> {
  const { lookups } = counts;
  switch (lookup.outcome) {
    case 'hit':
      lookups[lookup.tier === 'local' ? 'localHit' : 'remoteHit'] += 1;
      break;
    case 'stale':
      lookups[lookup.tier === 'local' ? 'localStale' : 'remoteStale'] += 1;
      if (lookup.ifError) counts.staleIfError += 1;
      break;
    case 'loaded':
      lookups.loaded += 1;
      break;
    case 'absent':
      lookups[({ local: 'localAbsent', remote: 'remoteAbsent', source: 'sourceAbsent' } as const)[lookup.tier]] += 1;
      break;
    case 'unavailable':
      lookups.unavailable += 1;
      break;
    default:
      return lookup satisfies never;
  }
  return lookup;
}
