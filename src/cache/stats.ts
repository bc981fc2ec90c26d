import type { RecorderSnapshot } from './recorder.ts';

/**
 * What one cache counted since its start, in plain integers: the hot paths add, a scrape reads.
 * Every look-up ends in exactly one of the `lookups`.
 */
export interface CacheCounts {
  readonly lookups: {
    localHit: number;
    remoteHit: number;
    localStale: number;
    remoteStale: number;
    localAbsent: number;
    remoteAbsent: number;
    loaded: number;
    sourceAbsent: number;
    unavailable: number;
    aborted: number;
  };
  /** Local entries that were there and not served, by reason. */
  readonly refusals: { expired: number; unproven: number; tag: number; limits: number };
  /** Remote entries that were there and not served, by reason. */
  readonly remoteRefusals: { expired: number; unproven: number; tag: number; damaged: number; older: number; limits: number };
  /** Requests by what came of them, and `held`: the looks that found another's. `notWaited`: another had it, and this flight does not wait for others. */
  readonly leases: { granted: number; held: number; filledMeanwhile: number; waitedOut: number; notWaited: number; unavailable: number };
  /** Values on their way into the remote tier. */
  readonly fills: { stored: number; refused: number; unavailable: number; tainted: number; tooLarge: number };
  /**
   * What the remote tier had for the loads that callers began, each asked for once: an entry that was served, one that could not be (by reason in `remoteRefusals`), none, or no answer. `bytes`: of the entries that were there, together.
   */
  readonly remoteReads: { served: number; refused: number; missed: number; unavailable: number; bytes: number };
  /**
   * How values left process memory other than by invalidation: expired, or pushed out before that, each having answered a read since it came or not; or replaced in time by a load ahead of expiry. An expired entry
   * is counted when it is found, by the next load of its key or when it makes room.
   */
  readonly lifetimes: { expiredUsed: number; expiredUnused: number; evictedUsed: number; evictedUnused: number; refreshedInTime: number };
  /** Times that this process forgot something, and how many keys were named: by calls here, and by the log of changes, in which this process's own writes come round too. */
  readonly invalidations: { self: number; log: number; selfKeys: number; logKeys: number };
  joined: number;
  /** Stale answers that only `staleIfErrorMs` allowed. */
  staleIfError: number;
  /** Loads done again, since another load of the key gave out a newer value meanwhile. */
  reloads: number;
  tainted: number;
  refreshes: number;
  gaps: number;
}

export function newCounts(): CacheCounts {
  return {
    lookups: {
      localHit: 0,
      remoteHit: 0,
      localStale: 0,
      remoteStale: 0,
      localAbsent: 0,
      remoteAbsent: 0,
      loaded: 0,
      sourceAbsent: 0,
      unavailable: 0,
      aborted: 0,
    },
    refusals: { expired: 0, unproven: 0, tag: 0, limits: 0 },
    remoteRefusals: { expired: 0, unproven: 0, tag: 0, damaged: 0, older: 0, limits: 0 },
    leases: { granted: 0, held: 0, filledMeanwhile: 0, waitedOut: 0, notWaited: 0, unavailable: 0 },
    fills: { stored: 0, refused: 0, unavailable: 0, tainted: 0, tooLarge: 0 },
    remoteReads: { served: 0, refused: 0, missed: 0, unavailable: 0, bytes: 0 },
    lifetimes: { expiredUsed: 0, expiredUnused: 0, evictedUsed: 0, evictedUnused: 0, refreshedInTime: 0 },
    invalidations: { self: 0, log: 0, selfKeys: 0, logKeys: 0 },
    joined: 0,
    staleIfError: 0,
    reloads: 0,
    tainted: 0,
    refreshes: 0,
    gaps: 0,
  };
}

/** A cache's counts with the state of its parts at this moment. */
export interface CacheStats {
  readonly counts: CacheCounts;
  readonly loads: {
    readonly calls: number;
    readonly keys: number;
    readonly refused: number;
    readonly timedOut: number;
    readonly failed: number;
  };
  readonly loading: { readonly running: number; readonly queued: number; readonly abandoned: number; readonly flights: number };
  /** Keys whose newest version is remembered so that no tier gives an older one, and how many were forgotten too early for want of room. */
  readonly floors: { readonly kept: number; readonly dropped: number };
  readonly local: {
    readonly entries: number;
    readonly bytes: number;
    readonly maxEntries: number;
    readonly maxBytes: number;
    readonly evictions: number;
    readonly absentEntries: number;
  };
  /** How long things took, and the TTLs that were chosen; `quantile` reads it. */
  readonly latency: RecorderSnapshot;
}
