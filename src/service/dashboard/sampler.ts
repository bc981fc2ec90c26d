import type { CacheStats } from '../../cache/stats.ts';
import type { Vitals } from '../../vitals.ts';
import { explain } from './explain.ts';
import { latencyBetween, ttlsOf } from './measured.ts';
import type { DatabaseView, Facts, HitRatio, LocalView, ReadRates, RedisView, Snapshot } from './snapshot.ts';

/** What is known of the HTTP side, since its start. */
export interface HttpCounts {
  readonly requests: number;
  /** Those answered with a status of 500 and above. */
  readonly failed: number;
}

/** One look, with the times at which it was taken. */
export interface Look {
  /** Monotonic ms. */
  readonly now: number;
  /** Milliseconds since the Unix epoch. */
  readonly wallNow: number;
  readonly vitals: Vitals;
  readonly http: HttpCounts;
}

/** Seconds over which the hit ratio is taken: of a single second with few reads it would jump about. */
const RATIO_LOOKS = 10;
/** Seconds over which percentiles are taken, and the highest staleness. */
const LATENCY_LOOKS = 5;
/** The database counts as slow when its answers took longer at two looks of three, in ms. A small question takes one. */
const SLOW_MS = 250;
const SLOW_LOOKS = 3;
/** A look at the log that failed once is a blip. */
const DOWN_AFTER_MS = 400;

/** Turns looks at counters into what a person sees: rates, shares, states. Keeps a few looks, and needs two for a rate. */
export class Sampler {
  #looks: Look[] = [];
  #isSilent = false;
  /** Numbers that Redis lacked at the look before; `null` when it lacked none. */
  #lackedAt: number | null = null;
  #answersMs: number[] = [];

  see(look: Look): Snapshot {
    this.#looks = [...this.#looks.slice(-RATIO_LOOKS), look];
    const before = this.#looks.at(-2) ?? look;
    const { vitals } = look;
    const seconds = Math.max(0.001, (look.now - before.now) / 1000);
    const stats = vitals.caches.map((cache) => cache.stats);
    const earlier = before.vitals.caches.map((cache) => cache.stats);
    const facts: Facts = {
      at: look.wallNow,
      instance: vitals.instance,
      reads: readRates(earlier, stats, seconds),
      hitRatio: hitRatio(
        (this.#looks[0] ?? look).vitals.caches.map((cache) => cache.stats),
        stats,
      ),
      latency: latencyBetween(
        (this.#looks.at(-1 - LATENCY_LOOKS) ?? this.#looks[0] ?? look).vitals.caches.map((cache) => cache.stats),
        stats,
      ),
      staleness: { ms: vitals.stalenessMs, highestMs: this.#highestStaleness(), maxMs: vitals.maxStalenessMs },
      redis: this.#redis(vitals),
      database: this.#database(vitals, stats),
      outbox: { ...vitals.outbox, changesPerSecond: Math.max(0, vitals.follower.number - before.vitals.follower.number) / seconds },
      local: localView(earlier, stats, seconds),
      recovery: { recovering: vitals.pacer.recovering, warming: vitals.warming.running, loaded: vitals.warming.loaded },
      ttl: ttlsOf(stats),
      audit: vitals.audit === null ? null : { checked: vitals.audit.checked, stale: vitals.audit.stale },
      alerts: vitals.alerts,
      http: { perSecond: (look.http.requests - before.http.requests) / seconds, failed: (look.http.failed - before.http.failed) / seconds },
    };
    return { ...facts, status: explain(facts) };
  }

  /** It goes up and down with each proof, several times a second. */
  #highestStaleness(): number | null {
    const recent = this.#looks.slice(-LATENCY_LOOKS).map(({ vitals }) => vitals.stalenessMs);
    return recent.includes(null) ? null : Math.max(...recent.filter((ms) => ms !== null));
  }

  #redis({ redis: { state, breaker, nodes, findings }, follower }: Vitals): RedisView {
    const isAsked = breaker?.state === 'open' || breaker?.state === 'half-open';
    // A frozen server is seen so for three seconds; then its connection is given up, and it looks like one that is gone.
    if (state !== 'down') this.#isSilent = false;
    else if (isAsked && nodes.some(({ connected }) => connected)) this.#isSilent = true;
    return {
      state,
      breaker,
      silent: this.#isSilent,
      verifying: this.#isVerifying(state, follower),
      hears: follower.hears,
      nodes,
      findings,
    };
  }

  /** Whether it still lacks what it lacked a second ago: a relay that is at work on what came just now is no news. */
  #isVerifying(state: RedisView['state'], { relay, fence, last }: Vitals['follower']): boolean {
    const lacked = this.#lackedAt;
    this.#lackedAt = state === 'up' && relay !== null && (fence === null || fence < last) ? last : null;
    return this.#lackedAt !== null && lacked !== null && (fence === null || fence < lacked);
  }

  #database({ database, follower: { source }, pacer }: Vitals, stats: readonly CacheStats[]): DatabaseView {
    const answerMs = source.tookMs === null && source.waitingMs === 0 ? null : Math.max(source.tookMs ?? 0, source.waitingMs);
    this.#answersMs = [...this.#answersMs.slice(1 - SLOW_LOOKS), answerMs ?? 0];
    const isSlow = this.#answersMs.filter((ms) => ms > SLOW_MS).length * 2 > SLOW_LOOKS;
    return {
      kind: database.kind,
      state: (source.failingMs ?? 0) > DOWN_AFTER_MS ? 'down' : isSlow ? 'slow' : 'up',
      answerMs,
      pool: database.pool,
      running: sum(stats, ({ loading }) => loading.running),
      queued: sum(stats, ({ loading }) => loading.queued) + database.pool.waiting,
      load: pacer.load,
      calmLoad: pacer.calmLoad,
    };
  }
}

function sum(stats: readonly CacheStats[], read: (one: CacheStats) => number): number {
  return stats.reduce((total, one) => total + read(one), 0);
}

const local = ({ counts: { lookups } }: CacheStats): number => lookups.localHit + lookups.localStale + lookups.localAbsent;
const remote = ({ counts: { lookups } }: CacheStats): number => lookups.remoteHit + lookups.remoteStale + lookups.remoteAbsent;
const loaded = ({ counts: { lookups } }: CacheStats): number => lookups.loaded + lookups.sourceAbsent;
const stale = ({ counts }: CacheStats): number => counts.staleIfError;
const failed = ({ counts: { lookups } }: CacheStats): number => lookups.unavailable;
/** Those who left before there was an answer are no reads of anybody. */
const all = (stats: CacheStats): number => local(stats) + remote(stats) + loaded(stats) + failed(stats);

function readRates(before: readonly CacheStats[], now: readonly CacheStats[], seconds: number): ReadRates {
  const rate = (read: (one: CacheStats) => number): number => Math.max(0, sum(now, read) - sum(before, read)) / seconds;
  return {
    all: rate(all),
    local: rate(local),
    redis: rate(remote),
    database: rate(loaded),
    stale: rate(stale),
    failed: rate(failed),
    refused: rate(({ loads }) => loads.refused),
  };
}

function hitRatio(before: readonly CacheStats[], now: readonly CacheStats[]): HitRatio | null {
  const grown = (read: (one: CacheStats) => number): number => sum(now, read) - sum(before, read);
  const reads = grown(all);
  return reads <= 0 ? null : { local: grown(local) / reads, redis: grown(remote) / reads };
}

function localView(before: readonly CacheStats[], now: readonly CacheStats[], seconds: number): LocalView {
  const total = (read: (one: CacheStats['local']) => number): number => sum(now, (one) => read(one.local));
  return {
    entries: total(({ entries }) => entries),
    absentEntries: total(({ absentEntries }) => absentEntries),
    maxEntries: total(({ maxEntries }) => maxEntries),
    bytes: total(({ bytes }) => bytes),
    maxBytes: total(({ maxBytes }) => maxBytes),
    evictionsPerSecond: Math.max(0, total(({ evictions }) => evictions) - sum(before, (one) => one.local.evictions)) / seconds,
  };
}
