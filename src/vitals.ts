import type { Alert } from './alerts/alert.ts';
import type { Auditor } from './cache/auditor.ts';
import type { BreakerState } from './cache/breaker-types.ts';
import type { FollowerStats } from './cache/follower-types.ts';
import type { HealthFinding, NodeHealth } from './cache/health-types.ts';
import type { CacheStats } from './cache/stats.ts';
import type { Clock, Timer } from './core/clock.ts';
import type { Alerting } from './alerting.ts';
import type { EventLog } from './event-log.ts';
import type { FileCaches } from './files/file-caches.ts';
import type { FollowingTier } from './following-tier.ts';
import type { WarmthSources } from './metrics/warm-metrics.ts';
import type { Database, PoolStats } from './postgres/database.ts';

/** All that a Forebay knows of itself at one moment, from memory: to ask for it takes microseconds, and works whatever is down. */
export interface Vitals {
  /** Names this process, as in alerts. */
  readonly instance: string;
  readonly caches: readonly { readonly name: string; readonly stats: CacheStats }[];
  /** How the log of changes is followed. */
  readonly follower: FollowerStats;
  /** Everything that was committed longer ago than this is known here, in ms; `null` while nothing is proven. */
  readonly stalenessMs: number | null;
  readonly maxStalenessMs: number;
  readonly redis: {
    readonly state: 'off' | 'up' | 'down';
    /** `null` without Redis. */
    readonly breaker: { readonly state: BreakerState; readonly reason: string } | null;
    readonly nodes: readonly NodeHealth[];
    readonly findings: readonly HealthFinding[];
  };
  readonly database: { readonly kind: Database['kind']; readonly pool: PoolStats };
  /** Changes that wait to be told to the caches, counted every five seconds; `null` while the database does not say. */
  readonly outbox: { readonly depth: number | null; readonly alertAbove: number };
  /** Load is the time that calls of the database take, in ms per second; `calmLoad` is `null` for the first minute. */
  readonly pacer: { readonly recovering: boolean; readonly load: number; readonly calmLoad: number | null };
  readonly warming: { readonly running: boolean; readonly loaded: number; readonly found: number };
  /** `null` when none was asked for. */
  readonly audit: Auditor['counts'] | null;
  readonly alerts: readonly Alert[];
}

export interface VitalsParts {
  readonly caches: FileCaches;
  readonly follower: FollowingTier;
  readonly database: Database;
  readonly warmth: WarmthSources & { readonly isWarming: () => boolean };
  readonly auditor: Auditor | null;
  readonly alerting: Alerting;
  readonly maxStalenessMs: number;
  readonly clock: Clock;
}

export function readVitals(parts: VitalsParts): Vitals {
  const { caches, follower, database, warmth, auditor, alerting, maxStalenessMs, clock } = parts;
  const now = clock.now();
  const age = now - follower.asOf(now);
  const { breaker, health } = follower;
  const { pacer } = warmth;
  const warmed = warmth.warmer();
  return {
    instance: alerting.alerts.instance,
    caches: [caches.info, caches.meta].map((cache) => ({ name: cache.name, stats: cache.stats() })),
    follower: follower.stats(),
    stalenessMs: Number.isFinite(age) ? Math.max(0, age) : null,
    maxStalenessMs,
    redis: {
      state: follower.state(),
      breaker: breaker === null ? null : { state: breaker.state, reason: breaker.reason },
      nodes: health?.nodes() ?? [],
      findings: health?.findings() ?? [],
    },
    database: { kind: database.kind, pool: database.stats() },
    outbox: { depth: alerting.alerts.facts?.outboxDepth ?? null, alertAbove: alerting.alerts.thresholds.outboxDepth },
    pacer: { recovering: pacer.recovering, load: pacer.load, calmLoad: pacer.calmMean },
    warming: { running: warmth.isWarming(), loaded: warmed?.loaded ?? 0, found: warmed?.found ?? 0 },
    audit: auditor === null ? null : { ...auditor.counts },
    alerts: alerting.alerts.firing(),
  };
}

/** How often states are looked at that tell of no change by themselves, in ms. */
const LOOK_MS = 500;
/** A look at the log that failed once is a blip. */
const DOWN_AFTER_MS = 400;

interface States {
  readonly database: 'up' | 'down';
  readonly fresh: boolean;
  readonly recovering: boolean;
  readonly warming: boolean;
  readonly hears: boolean | null;
  readonly restarts: number;
}

/** Writes down the changes that nobody tells of: the database's, the bus's, the recovery's. */
export class VitalsWatch {
  readonly #parts: VitalsParts;
  readonly #log: EventLog;
  #before: States | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(parts: VitalsParts, log: EventLog) {
    this.#parts = parts;
    this.#log = log;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#parts.clock.schedule(LOOK_MS, () => {
      const now = this.#look();
      if (this.#before !== null) tellChanges(this.#log, this.#before, now);
      this.#before = now;
      if (!this.#closed) this.#schedule();
    });
  }

  #look(): States {
    const { follower, warmth, clock, maxStalenessMs } = this.#parts;
    const { source, hears, counts } = follower.stats();
    const now = clock.now();
    return {
      database: (source.failingMs ?? 0) > DOWN_AFTER_MS ? 'down' : 'up',
      fresh: now - follower.asOf(now) <= maxStalenessMs,
      recovering: warmth.pacer.recovering,
      warming: warmth.isWarming(),
      // While Redis itself is away, its bus is no news.
      hears: follower.state() === 'up' ? hears : (this.#before?.hears ?? hears),
      restarts: counts.restarts,
    };
  }
}

function tellChanges(log: EventLog, before: States, now: States): void {
  if (before.database !== now.database)
    if (now.database === 'up') log.add('database', 'good', 'The database answers again.');
    else log.add('database', 'critical', 'The database does not answer.');
  if (before.fresh !== now.fresh)
    if (now.fresh) log.add('freshness', 'good', 'The staleness is within its bound: the caches are used.');
    else log.add('freshness', 'critical', 'The staleness is beyond its bound: the caches are not used.');
  if (before.recovering !== now.recovering)
    if (now.recovering) log.add('recovery', 'info', 'Calls of the database are paced.');
    else log.add('recovery', 'good', 'Calls of the database are not paced any more.');
  if (before.warming !== now.warming)
    log.add('recovery', now.warming ? 'info' : 'good', now.warming ? 'Warming begins.' : 'Warming has ended.');
  if (before.hears !== now.hears && now.hears !== null)
    if (now.hears) log.add('log', 'good', 'The bus is heard again.');
    else log.add('log', 'warning', 'The bus is lost: changes are read from the log of the database instead.');
  if (now.restarts > before.restarts) log.add('log', 'warning', 'Process memory was emptied: the log did not reach back far enough.');
}
