import type { Alert } from '../../alerts/alert.ts';
import type { BreakerState } from '../../cache/breaker-types.ts';
import type { HealthFinding, NodeHealth } from '../../cache/health-types.ts';
import type { PoolStats } from '../../postgres/database.ts';

/** Reads a second, of both caches, by who answered. */
export interface ReadRates {
  readonly all: number;
  readonly local: number;
  readonly redis: number;
  readonly database: number;
  /** Of `local` and `redis`: those that may be staler than the bound, since the database failed and `staleIfErrorMs` allows it. */
  readonly stale: number;
  /** Those that nobody could answer. */
  readonly failed: number;
  /** Of `failed`: those refused, since too many waited for the database. */
  readonly refused: number;
}

/** Shares of all reads of the last ten seconds. */
export interface HitRatio {
  readonly local: number;
  readonly redis: number;
}

export interface Percentiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** How many were at most so large; the last count is of those beyond. */
export interface Distribution {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

export interface RedisView {
  readonly state: 'off' | 'up' | 'down';
  readonly breaker: { readonly state: BreakerState; readonly reason: string } | null;
  /** It was seen connected and not answering since it was up last. */
  readonly silent: boolean;
  /** It answers, and is not read, since it lacks changes. */
  readonly verifying: boolean;
  /** Whether the bus is heard; `null` without one. */
  readonly hears: boolean | null;
  readonly nodes: readonly NodeHealth[];
  readonly findings: readonly HealthFinding[];
}

export interface DatabaseView {
  readonly kind: 'postgres' | 'pglite';
  readonly state: 'up' | 'slow' | 'down';
  /** How long its last answer took, or the question under way has waited if that is longer. */
  readonly answerMs: number | null;
  readonly pool: PoolStats;
  readonly running: number;
  readonly queued: number;
  /** The time that its calls take, in ms per second. */
  readonly load: number;
  /** The mean of that while all was well; `null` for the first minute. */
  readonly calmLoad: number | null;
}

export interface LocalView {
  readonly entries: number;
  readonly absentEntries: number;
  readonly maxEntries: number;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly evictionsPerSecond: number;
}

/** What is seen of a Forebay in one second. Holds no key and no name of a file. */
export interface Facts {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly instance: string;
  readonly reads: ReadRates;
  /** `null` while nothing was read. */
  readonly hitRatio: HitRatio | null;
  /** Of the reads of the last five seconds; `null` when there were none. */
  readonly latency: Percentiles | null;
  /** `highestMs`: of the last five seconds. */
  readonly staleness: { readonly ms: number | null; readonly highestMs: number | null; readonly maxMs: number };
  readonly redis: RedisView;
  readonly database: DatabaseView;
  readonly outbox: { readonly depth: number | null; readonly alertAbove: number; readonly changesPerSecond: number };
  readonly local: LocalView;
  readonly recovery: { readonly recovering: boolean; readonly warming: boolean; readonly loaded: number };
  /** TTLs that entries were given, in seconds; `null` when they are not counted. */
  readonly ttl: Distribution | null;
  readonly audit: { readonly checked: number; readonly stale: number } | null;
  readonly alerts: readonly Alert[];
  /** Requests a second, and those answered with a status of 500 and above. */
  readonly http: { readonly perSecond: number; readonly failed: number };
}

export interface Explanation {
  /** `ok`: nothing to do. `warning`: something is broken, and users are served. `critical`: users notice, or a promise is at risk. */
  readonly level: 'ok' | 'warning' | 'critical';
  /** For people: what is broken, what answers instead, and whether users notice. */
  readonly sentence: string;
}

export interface Snapshot extends Facts {
  readonly status: Explanation;
}
