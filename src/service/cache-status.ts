import type { Lookup } from '../cache/lookup.ts';

type Read = Lookup<unknown>;

const CACHE_NAMES = Object.freeze({ local: 'forebay-local', remote: 'forebay-redis' });

/** Whole seconds as an Integer of RFC 8941 (at most 15 digits). */
function seconds(ms: number, min: number, max: number): number {
  const rounded = Math.floor(ms / 1000);
  // `+ 0` turns -0 into 0.
  return (Number.isNaN(rounded) ? min : Math.min(Math.max(rounded, min), max)) + 0;
}

const LARGEST = 999_999_999_999_999;

/** The `Cache-Status` (RFC 9211) of one look-up: which tier answered, and for how long the answer holds. */
export function cacheStatusOf(lookup: Read): string {
  switch (lookup.outcome) {
    case 'hit':
      return `${CACHE_NAMES[lookup.tier]}; hit; ttl=${seconds(lookup.ttlLeftMs, 0, LARGEST)}`;
    case 'stale':
      // Past its proof though not past its TTL is stale as well: RFC 9211 tells it by a negative ttl.
      return `${CACHE_NAMES[lookup.tier]}; hit; ttl=${seconds(lookup.ttlLeftMs, -LARGEST, -1)}${lookup.ifError ? '; detail=stale-if-error' : ''}`;
    case 'loaded':
      return `forebay; fwd=miss${lookup.stored ? '; stored' : ''}${lookup.joined ? '; collapsed' : ''}`;
    case 'absent':
      if (lookup.tier === 'source') return 'forebay; fwd=miss; detail=absent';
      return `${CACHE_NAMES[lookup.tier]}; hit; ttl=${seconds(lookup.ttlLeftMs, 0, LARGEST)}; detail=absent`;
    case 'unavailable':
      return `forebay; fwd=miss; detail=${lookup.error.code}`;
    default:
      return lookup satisfies never;
  }
}

/** The `Cache-Status` of many look-ups in one answer: a hit only if all were. */
export function cacheStatusOfMany(lookups: readonly Read[]): string {
  const counts = new Map<string, number>();
  for (const lookup of lookups) {
    const by = lookup.outcome === 'unavailable' ? 'unavailable' : lookup.outcome === 'stale' ? 'stale' : lookup.tier;
    counts.set(by, (counts.get(by) ?? 0) + 1);
  }
  const missed = counts.has('source') || counts.has('unavailable');
  const detail = ['local', 'remote', 'source', 'stale', 'unavailable'].flatMap((by) =>
    counts.has(by) ? [`${by}=${counts.get(by) ?? 0}`] : [],
  );
  return `forebay; ${missed ? 'fwd=miss' : 'hit'}; detail="${detail.join(' ')}"`;
}
