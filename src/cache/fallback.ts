import type { ErrorCode, ForebayError } from '../core/errors.ts';
import { staleFrom } from './answers.ts';
import type { Flight } from './flights.ts';
import type { Limits } from './limits.ts';
import { isWithin } from './limits.ts';
import type { LocalEntry, Verdict } from './local-entry.ts';
import type { StaleHit } from './lookup.ts';
import type { ResolvedOptions } from './options.ts';

/** Failures of the source that say nothing of the record: it may well be as it was. */
const SOURCE_AWAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['LOAD_FAILED', 'LOAD_TIMEOUT', 'DATABASE_UNAVAILABLE']);

/** What may be served when the source is slow, or has failed: an entry that was at hand when it was asked. */
export class Fallbacks<K, V> {
  readonly #o: ResolvedOptions<K, V>;
  readonly #judge: (entry: LocalEntry<V>, now: number, proven: number) => Verdict;

  constructor(options: ResolvedOptions<K, V>, judge: (entry: LocalEntry<V>, now: number, proven: number) => Verdict) {
    this.#o = options;
    this.#judge = judge;
  }

  /** Whether an entry that is not served as fresh is worth keeping at hand while the source is asked. */
  isWorthKeeping(entry: LocalEntry<V>, verdict: Verdict): boolean {
    return verdict === 'stale' || (this.#o.staleIfErrorMs > 0 && verdict !== 'tag' && !entry.absent);
  }

  /** The entry with the later load; a purge may have taken both away. */
  offer(flight: Flight<K, V>, entry: LocalEntry<V>, verdict: Verdict): void {
    if (flight.tainted || !this.isWorthKeeping(entry, verdict)) return;
    const known = flight.fallback?.entry;
    if (verdict === 'stale' || known === undefined || known.loadedAt < entry.loadedAt) flight.fallback = { entry, tier: 'remote' };
  }

  /** The stale answer that a flight may give at this moment, if any, within what a caller asks. `failure`: why the source could not say; `null` while it may still say. */
  of(flight: Flight<K, V>, failure: ForebayError | null, limits: Limits | null = null): StaleHit<V> | null {
    if (flight.fallback === null) return null;
    const { clock, remote, staleIfErrorMs } = this.#o;
    const { entry, tier } = flight.fallback;
    const now = clock.now();
    // 1. An entry that was not proven is at hand when the flight begins. 2. Its key is invalidated. 3. All that was committed before is proven, which says nothing good of this entry.
    const proven = flight.tainted ? flight.asOf : remote.asOf(now);
    const asOfAgeMs = now - Math.max(entry.asOf, proven);
    if (limits !== null && !isWithin(entry, asOfAgeMs, limits)) return null;
    const verdict = this.#judge(entry, now, proven);
    if (verdict === 'fresh' || verdict === 'stale') return staleFrom(entry, { tier, asOfAgeMs, ifError: false }, now);
    const isAway = staleIfErrorMs > 0 && failure !== null && SOURCE_AWAY.has(failure.code);
    return isAway && this.#isBearable(entry, asOfAgeMs, now) ? staleFrom(entry, { tier, asOfAgeMs, ifError: true }, now) : null;
  }

  /** Past its proof or its TTL by no more than was allowed, and not known to be invalidated. */
  #isBearable(entry: LocalEntry<V>, asOfAgeMs: number, now: number): boolean {
    const { remote, maxStalenessMs, staleIfErrorMs, graceMs } = this.#o;
    if (entry.absent || asOfAgeMs > maxStalenessMs + staleIfErrorMs) return false;
    if (now >= entry.expiresAt + Math.max(graceMs, staleIfErrorMs)) return false;
    return remote.tags.isGood(entry.point, entry.buckets);
  }
}
