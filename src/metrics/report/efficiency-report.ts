import type { CacheCounts } from '../../cache/stats.ts';

/**
 * What the caches of one process did in a period, as plain JSON. Shares are from 0 to 1, times in ms, sizes in bytes; `null` is what is not known. Pages and texts are made from this alone.
 */
export interface EfficiencyReport {
  readonly version: 1;
  readonly period: {
    /** What was asked for; `null`: all since the start. */
    readonly askedMs: number | null;
    /** ISO 8601. Periods begin at a snapshot, of which there is one a minute: it may be longer than asked. */
    readonly from: string;
    readonly to: string;
    readonly ms: number;
    /** Whether it begins with the process: so if it was asked for, and if there is no more. */
    readonly sinceStart: boolean;
  };
  readonly reads: {
    readonly total: number;
    readonly perSecond: number;
    /** By who answered; `unavailable`: nobody could say. Absences count for who knew of them. */
    readonly answered: { readonly local: number; readonly remote: number; readonly source: number; readonly unavailable: number };
    /** Of all reads: answered by either tier. */
    readonly hitRatio: number | null;
    /** Shared a load that another had begun. */
    readonly joined: number;
  };
  readonly local: TierReport & { readonly entries: number; readonly caches: readonly LocalCacheReport[] };
  /** `null` without Redis. */
  readonly remote: (TierReport & RemoteReport) | null;
  readonly database: DatabaseReport;
  readonly lifetimes: LifetimeReport;
  /** Entries that were there and were not served, by reason. */
  readonly refusals: { readonly local: CacheCounts['refusals']; readonly remote: CacheCounts['remoteRefusals'] };
  /** Stale answers; `ifError`: those that only `staleIfErrorMs` allowed. */
  readonly stale: { readonly served: number; readonly ifError: number };
  /** Look-ups of what does not exist, by who knew. */
  readonly absent: {
    readonly total: number;
    readonly share: number | null;
    readonly local: number;
    readonly remote: number;
    readonly source: number;
  };
  readonly hot: { readonly keys: readonly HotReport[]; readonly tags: readonly HotReport[] };
  readonly curves: { readonly local: CurveReport; readonly remote: CurveReport | null };
  /** What stands out, for people. */
  readonly sentences: readonly string[];
}

export interface TierReport {
  /** Of the reads that came to this tier and that it could answer or not; not those for which it was away. */
  readonly hitRatio: number | null;
  readonly hits: number;
  readonly saved: {
    /** Keys that the database was not asked for. */
    readonly keys: number;
    /** Queries that it was not asked, at as many keys in each as there were in those that it was. */
    readonly queries: number;
    /** Time that callers did not wait: what a read from the database took them, less what these took; `null` without any from the database. */
    readonly waitMs: number | null;
  };
  /** Mean time of a read that it answered. */
  readonly meanMs: number | null;
  readonly bytes: number | null;
  /** `null`: no limit. */
  readonly maxBytes: number | null;
  /** Everything told. */
  readonly bytesPerEntry: number | null;
  readonly evictions: number | null;
}

export interface LocalCacheReport {
  readonly cache: string;
  readonly reads: number;
  readonly hitRatio: number | null;
  readonly entries: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

export interface RemoteReport {
  /** Of the whole server, others' included. */
  readonly keys: number | null;
  /** Entry as it is sent, without the key and what the server adds. */
  readonly payloadBytes: number | null;
  /** Whether `bytesPerEntry` is the server's memory by its keys, or reckoned from the payload since it holds too few. */
  readonly bytesPerEntryFrom: 'server' | 'payload' | null;
  readonly refused: number;
  readonly missed: number;
  readonly unavailable: number;
}

export interface DatabaseReport {
  readonly queries: number;
  readonly keys: number;
  readonly failedKeys: number;
  readonly keysPerQuery: number | null;
  readonly meanMs: number | null;
  readonly queriesPerSecond: number;
  /** Queries under way, on average. */
  readonly load: number;
  /** What it would have been if each read had been a load, at the same keys and time for a query. */
  readonly withoutCache: { readonly queriesPerSecond: number | null; readonly load: number | null };
}

export interface LifetimeReport {
  /** Loads ahead of expiry that were begun, and those that replaced an entry before it expired. */
  readonly refreshes: number;
  readonly refreshedInTime: number;
  /** Expired in process memory, having answered a read since they came, or none. */
  readonly expiredUsed: number;
  readonly expiredUnused: number;
  /** Pushed out before they expired. */
  readonly evictedUsed: number;
  readonly evictedUnused: number;
}

export interface HotReport {
  readonly cache: string;
  readonly name: string;
  /** An estimate; at most `error` too high. */
  readonly reads: number;
  readonly error: number;
  /** Of all reads of its cache. */
  readonly share: number | null;
}

export interface CurvePoint {
  /** Times the size that it has. */
  readonly factor: number;
  readonly entries: number;
  readonly bytes: number | null;
  readonly hitRatio: number;
}

export interface CurveReport {
  readonly reads: number;
  /** Room at factor 1. */
  readonly entries: number | null;
  readonly bytes: number | null;
  /** Of the tier as it is, beside the model's at factor 1. */
  readonly measuredHitRatio: number | null;
  /** By rising size; none without reads. */
  readonly points: readonly CurvePoint[];
  /** The least size from which on no doubling gives a point more; `null` when there were too few reads to say. */
  readonly recommended: CurvePoint | null;
  readonly sentence: string;
}
