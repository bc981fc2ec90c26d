import { ForebayError } from '../core/errors.ts';
import { answerFrom, countLookup, unavailable } from './answers.ts';
import type { LookupOptions, WarmOptions } from './cache-types.ts';
import { Fallbacks } from './fallback.ts';
import { FlightPath } from './flight-path.ts';
import type { Flight } from './flights.ts';
import { Flights } from './flights.ts';
import { Floors } from './floors.ts';
import { hashKey, mix } from './hash.ts';
import { HotCounts } from './hot.ts';
import type { Kept, KeptLoad } from './kept.ts';
import { keptSource } from './kept.ts';
import type { Limits } from './limits.ts';
import { countLifetime } from './lifetimes.ts';
import { hasLimits, isWithin, limitsOf } from './limits.ts';
import type { LocalEntry, Verdict } from './local-entry.ts';
import { LocalTier } from './local-tier.ts';
import { Loads } from './loads.ts';
import type { Lookup } from './lookup.ts';
import { EntryMaker } from './make-entry.ts';
import type { ResolvedOptions } from './options.ts';
import type { PopularKey } from './popular.ts';
import { ReuseSampler } from './reuse-sampler.ts';
import { answeredBy } from './recorder.ts';
import { prepareSource } from './source.ts';
import { newCounts } from './stats.ts';
import type { Span } from './tracer.ts';
import { endRead } from './tracing.ts';

/** A refresh that failed or was somebody else's to do is tried again after so long. */
const REFRESH_RETRY_MS = 1000;
/** Share of `maxBytes` that absent entries have to themselves, so that a run of bad ids pushes out no value: 10,000 of about 600 bytes at the defaults. */
const ABSENT_SHARE = 0.05;
/** The miss-ratio curve of process memory goes up to so many times its room. */
const CURVE_DEPTH = 16;

/** Instead of the number of a read, when none is to be timed. */
const NEVER = -1;

/** How one caller waits for one flight. */
interface Ride {
  readonly signal: AbortSignal | undefined;
  readonly limits: Limits | null;
  readonly span: Span | null;
  readonly direct: boolean;
}

/** What the read path tells of its own accord. */
export interface ReadPathEvents {
  evicted(key: string): void;
  loadFailed(key: string, error: Error): void;
  popular(keys: readonly PopularKey[]): void;
}

/**
 * The read path as its callers go it: `lookup` (local tier, flight). From there on the flight goes on by itself: `FlightPath` (remote tier, lease, source, fill).
 */
export class ReadPath<K, V> {
  readonly values: LocalTier<LocalEntry<V>>;
  readonly absents: LocalTier<LocalEntry<V>>;
  readonly flights = new Flights<K, V>();
  readonly loads: Loads<K>;
  readonly keptLoads: Loads<KeptLoad<K>>;
  readonly make: EntryMaker<K, V>;
  readonly hot: HotCounts;
  readonly counts = newCounts();
  readonly floors = new Floors();
  /** How far apart reads of the same entry lie. */
  readonly reuse: ReuseSampler;
  readonly fallbacks: Fallbacks<K, V>;
  readonly #path: FlightPath<K, V>;
  readonly #o: ResolvedOptions<K, V>;
  readonly #background = new Set<Promise<unknown>>();
  readonly #salt: number;
  #closed = false;
  /** The local read to be timed next, counted from 0, and how many there were when one was timed last. */
  #timesAt = 0;
  #timedReads = 0;

  constructor(options: ResolvedOptions<K, V>, events: ReadPathEvents) {
    this.#o = options;
    this.#salt = hashKey(options.name);
    const { maxEntries, maxAbsentEntries, maxBytes, policy } = options;
    const onEvict = (key: string, entry: LocalEntry<V>): void => {
      countLifetime(this.counts.lifetimes, entry, options.clock.now(), 'other');
      events.evicted(key);
    };
    const absentBytes = maxAbsentEntries > 0 ? Math.floor(maxBytes * ABSENT_SHARE) : 0;
    this.values = new LocalTier({ maxEntries, maxBytes: maxBytes - absentBytes, policy, onEvict });
    this.absents = new LocalTier({ maxEntries: maxAbsentEntries, maxBytes: absentBytes, policy, onEvict });
    const source = prepareSource(options.source, options.maxBatch);
    this.loads = new Loads(source, options, options.clock, options.pacer, options.recorder);
    this.keptLoads = new Loads(keptSource(source, options.versions), options, options.clock, options.pacer, options.recorder);
    this.reuse = new ReuseSampler({ maxDepth: CURVE_DEPTH * maxEntries });
    this.hot = new HotCounts({ tagsOf: (text) => this.#tagsOf(text), random: options.random });
    this.make = new EntryMaker(options, this.reuse, (keys) => {
      this.hot.note(this.make.popular(), keys, options.clock.now());
      events.popular(keys);
    });
    this.fallbacks = new Fallbacks(options, (entry, now, proven) => this.judge(entry, now, proven));
    if (options.recorder.localEvery === 0) this.#timesAt = NEVER;
    this.#path = new FlightPath(options, this, (key, error) => events.loadFailed(key, error));
  }

  /** The whole story of one key. @throws {ForebayError} `INPUT_INVALID` */
  lookup(key: K, text: string, options: LookupOptions | undefined): Promise<Lookup<V>> {
    if (hasLimits(options)) return this.#lookupWithin(key, text, options);
    const entry = this.serveLocal(key, text);
    if (entry === undefined) return this.answer(key, text, options);
    return Promise.resolve(answerFrom(entry, 'local', this.#o.clock.now()));
  }

  async #lookupWithin(key: K, text: string, options: LookupOptions): Promise<Lookup<V>> {
    const limits = limitsOf(options, this.#o.maxStalenessMs);
    const entry = this.serveLocal(key, text, limits);
    return entry === undefined ? this.answer(key, text, options, limits) : answerFrom(entry, 'local', this.#o.clock.now());
  }

  /** Step 1, the local tier: an entry that may be served as fresh; begins a refresh when the entry nears its end. */
  serveLocal(key: K, text: string, limits: Limits | null = null): LocalEntry<V> | undefined {
    if (this.#closed) return undefined;
    const { clock } = this.#o;
    const timedFrom = this.#localReads === this.#timesAt ? clock.now() : null;
    const entry = this.values.get(text) ?? this.absents.get(text);
    if (entry === undefined) return undefined;
    const now = clock.now();
    const verdict = this.judge(entry, now);
    if (verdict !== 'fresh') {
      if (verdict !== 'stale') this.counts.refusals[verdict] += 1;
      this.#refuse(entry);
      return undefined;
    }
    if (limits !== null && !isWithin(entry, now - Math.max(entry.asOf, this.#o.remote.asOf(now)), limits)) {
      this.counts.refusals.limits += 1;
      this.#refuse(entry);
      return undefined;
    }
    entry.used = true;
    this.make.noteRead(text, entry.hash, now, true);
    if (entry.absent) this.counts.lookups.localAbsent += 1;
    else this.counts.lookups.localHit += 1;
    if (now >= entry.refreshAt && this.flights.find(text) === undefined) {
      entry.refreshAt = now + REFRESH_RETRY_MS;
      this.#refresh(key, text, now);
    }
    if (timedFrom !== null) this.#timed(clock.now() - timedFrom);
    return entry;
  }

  /** The read that this entry does not answer would be answered by no larger tier either. */
  #refuse({ hash }: LocalEntry<V>): void {
    if (hash < this.reuse.threshold) this.reuse.forget(hash);
  }

  get #localReads(): number {
    return this.counts.lookups.localHit + this.counts.lookups.localAbsent;
  }

  /** Tells the recorder how long a local read took that stands for all since the one that was timed before. */
  #timed(ms: number): void {
    const { recorder } = this.#o;
    const reads = this.#localReads;
    recorder.localReads(ms, reads - this.#timedReads);
    this.#timedReads = reads;
    this.#timesAt = reads + recorder.localEvery - 1;
  }

  /**
   * The serving rule. The clock is read at the moment of serving, so that a process that was frozen does not serve on an expired proof: all that was committed up to
   * `asOf` has been heard of, by the load itself or by the remote tier since, and that must not be longer ago than the bound.
   */
  judge(entry: LocalEntry<V>, now: number, proven: number = this.#o.remote.asOf(now)): Verdict {
    const { remote, maxStalenessMs, graceMs } = this.#o;
    if (now - Math.max(entry.asOf, proven) > maxStalenessMs) return 'unproven';
    if (!remote.tags.isGood(entry.point, entry.buckets)) return 'tag';
    if (now < entry.expiresAt) return 'fresh';
    return now < entry.expiresAt + graceMs && !entry.absent ? 'stale' : 'expired';
  }

  /** Step 2, the flight: joins the one of this key or begins it, and waits. */
  async answer(key: K, text: string, options: LookupOptions | undefined, limits: Limits | null = null): Promise<Lookup<V>> {
    const signal = options?.signal;
    const { lookups } = this.counts;
    if (signal?.aborted === true) {
      lookups.aborted += 1;
      throw signal.reason;
    }
    const startedAt = this.#o.clock.now();
    this.make.noteRead(text, hashKey(text), startedAt, false);
    const span = this.#o.tracer?.begin('read', null) ?? null;
    try {
      const ride = { signal, limits, span };
      const first = await this.#ride(key, text, { ...ride, direct: limits?.maxStalenessMs === 0 });
      // Whom the flight did not bring enough has the source asked anew: what that says is final.
      const lookup: Lookup<V> = first ?? ((await this.#ride(key, text, { ...ride, direct: true })) as Lookup<V>);
      if (span !== null) endRead(span, this.#o.name, lookup);
      return this.#count(lookup, startedAt);
    } catch (reason) {
      span?.end({ cache: this.#o.name, outcome: 'aborted' });
      lookups.aborted += 1;
      throw reason;
    }
  }

  /** Waits for one flight. `direct`: for one that asks the source after this moment. `null`: it brought less than was asked. Rejects only with the signal's reason. */
  async #ride(key: K, text: string, { signal, limits, span, direct }: Ride): Promise<Lookup<V> | null> {
    if (this.#closed) return unavailable('CLOSED', `the cache "${this.#o.name}" is closed`);
    const now = this.#o.clock.now();
    const joinable = direct ? this.#joinableDirect(text) : this.#joinable(text, now, limits?.maxStalenessMs);
    if (joinable !== undefined && joinable.waiters >= this.#o.maxWaiters)
      return unavailable('OVERLOADED', `${joinable.waiters} callers wait for "${text}" already; try again later, or raise maxWaiters`);
    const flight = joinable ?? this.#depart({ key, text, kind: 'miss', direct, limits, span, startedAt: now });
    const early = flight.softened ? this.fallbacks.of(flight, null, limits) : null;
    if (early !== null) return early;
    const arrival = limits === null ? (flight.softened ? flight.landed : flight.answer) : this.#arrival(flight, limits, now);
    const lookup = await this.flights.wait(flight, arrival, signal);
    if (joinable === undefined) return lookup;
    this.counts.joined += 1;
    return lookup?.outcome === 'loaded' ? { ...lookup, joined: true } : lookup;
  }

  /**
   * What a flight brings a caller that has limits of its own: a stale answer at the soft timeout only within them, else what it lands with. The source's word is final if it was asked for after the call
   * began; what others had asked for before has to be new enough.
   */
  #arrival(flight: Flight<K, V>, limits: Limits, begunAt: number): Promise<Lookup<V> | null> {
    const { asked } = flight;
    return flight.answer.then(async (first) => {
      const early = first.outcome === 'stale' ? this.fallbacks.of(flight, null, limits) : null;
      if (early !== null) return early;
      const last = await flight.landed;
      const { brought, failure } = flight;
      if (failure !== null) return this.fallbacks.of(flight, failure, limits) ?? { outcome: 'unavailable', error: failure };
      if (brought === null || (brought.from === 'source' && !asked)) return last;
      const now = this.#o.clock.now();
      const { entry } = brought;
      const at = brought.from === 'source' ? begunAt : now;
      // What an invalidation met on its way is not vouched for by a proof that came later.
      const proven = flight.tainted ? flight.asOf : this.#o.remote.asOf(now);
      return isWithin(entry, at - Math.max(entry.asOf, proven), limits) ? last : null;
    });
  }

  /**
   * A caller may join a flight by the rule by which it may be served an entry: the value will be of the flight's start or later, and an invalidation heard of since would have barred it; half the
   * bound, so that no caller waits for a value that is then refused. A tag that was invalidated since may turn out to be one of the record's, so no flight is joined across one.
   */
  #joinable(text: string, now: number, withinMs = this.#o.maxStalenessMs): Flight<K, V> | undefined {
    const flight = this.flights.find(text);
    if (flight === undefined || flight.tagChanges !== this.#o.remote.tags.changes) return undefined;
    // One that restores waits for the remote tier for longer than a caller may.
    if (flight.kept !== null && !flight.asked) return undefined;
    return now - Math.max(flight.startedAt, this.#o.remote.asOf(now)) <= withinMs / 2 ? flight : undefined;
  }

  /** A flight that goes straight to the source and has not asked it yet: what it brings is of this moment or later. */
  #joinableDirect(text: string): Flight<K, V> | undefined {
    const flight = this.flights.find(text);
    return flight?.direct === true && !flight.asked ? flight : undefined;
  }

  #depart(
    init: Pick<Flight<K, V>, 'key' | 'text' | 'kind' | 'direct' | 'limits' | 'span' | 'startedAt'> & { readonly kept?: Kept },
  ): Flight<K, V> {
    const { text, startedAt } = init;
    const entry = this.values.peek(text);
    const isWorth = entry !== undefined && this.fallbacks.isWorthKeeping(entry, this.judge(entry, startedAt));
    const fallback = isWorth ? ({ entry, tier: 'local' } as const) : null;
    const { remote } = this.#o;
    const flight = this.flights.depart({ ...init, asOf: remote.asOf(startedAt), tagChanges: remote.tags.changes, fallback });
    const soft = this.#o.clock.schedule(this.#o.softTimeoutMs, () => {
      flight.softened = true;
      const answer = this.fallbacks.of(flight, null);
      if (answer !== null) flight.resolveAnswer(answer);
    });
    const landing = this.#path
      .fly(flight)
      .catch((thrown: unknown) =>
        this.#path.failed(flight, new ForebayError('LOAD_FAILED', `reading "${text}" failed: ${String(thrown)}`, { cause: thrown })),
      )
      .then((lookup) => {
        soft.cancel();
        this.flights.land(flight, lookup);
      });
    this.track(landing);
    return flight;
  }

  /** Loads a key again while its entry is still served; waits for itself, so that no caller's leaving calls it off. */
  #refresh(key: K, text: string, now: number): void {
    this.counts.refreshes += 1;
    this.#depart({ key, text, kind: 'refresh', direct: false, limits: null, span: null, startedAt: now }).waiters += 1;
  }

  /**
   * Brings a key into the tiers ahead of demand, unless it is there or on its way; no read of anybody's, and not counted as one. Rejects with the signal's reason only. With `storedOnly` a key that is in process memory
   * alone is brought into the remote tier too, and one that could not be stored there is not loaded.
   */
  warm(key: K, text: string, { signal, storedOnly = false }: WarmOptions): Promise<Lookup<V>> {
    if (this.#closed) return Promise.resolve(unavailable('CLOSED', `the cache "${this.#o.name}" is closed`));
    const now = this.#o.clock.now();
    const entry = this.values.peek(text) ?? this.absents.peek(text);
    const isEnough = entry !== undefined && this.judge(entry, now) === 'fresh' && !(storedOnly && this.#o.remote.state() === 'up');
    if (isEnough) return Promise.resolve(answerFrom(entry, 'local', now));
    const flight =
      this.#joinable(text, now) ?? this.#depart({ key, text, kind: 'warm', direct: false, limits: null, span: null, startedAt: now });
    return storedOnly ? flight.landed : this.flights.wait(flight, flight.landed, signal);
  }

  /** A flight that brings a key into the remote tier from what was kept of it elsewhere, if that still holds; the one that is up for the key, if it may be joined. `null` when closed. */
  bring(key: K, text: string, kept: Kept): Flight<K, V> | null {
    if (this.#closed) return null;
    const startedAt = this.#o.clock.now();
    const flight = this.#joinable(text, startedAt);
    return flight ?? this.#depart({ key, text, kind: 'warm', direct: false, limits: null, span: null, startedAt, kept });
  }

  /** Taints the flights of these keys and drops their local entries. */
  forget(texts: readonly string[], purge: boolean): void {
    for (const text of texts) {
      if (this.flights.taint(text, purge)) this.counts.tainted += 1;
      this.values.delete(text);
      this.absents.delete(text);
      const hash = hashKey(text);
      this.reuse.forget(hash);
      this.#o.remoteReuse.forget(this.remoteHash(hash));
    }
  }

  forgetEverything(purge: boolean): void {
    this.counts.tainted += this.flights.size;
    this.flights.taintAll(purge);
    this.values.clear();
    this.absents.clear();
    this.reuse.clear();
  }

  get closed(): boolean {
    return this.#closed;
  }

  async idle(): Promise<void> {
    while (this.#background.size > 0) await Promise.allSettled(this.#background);
  }

  /** Refuses new look-ups, calls off the loads under way and drops every entry. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.flights.callOff(new ForebayError('CLOSED', `the cache "${this.#o.name}" was closed`));
      this.forgetEverything(true);
      this.floors.clear();
    }
    await this.idle();
  }

  #count(lookup: Lookup<V>, startedAt: number): Lookup<V> {
    this.#o.recorder.read(answeredBy(lookup), this.#o.clock.now() - startedAt);
    return countLookup(this.counts, lookup);
  }

  /** Work that nobody waits for but who closes. */
  track(work: Promise<unknown>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  #tagsOf(text: string): readonly string[] {
    const entry = this.values.peek(text);
    return entry === undefined ? [] : this.make.tagsOf(entry);
  }

  /** A key's hash among those of all caches on the remote tier. */
  remoteHash(hash: number): number {
    return mix(hash ^ this.#salt);
  }

  remoteKey(text: string): string {
    return `${this.#o.name}:{${text}}`;
  }
}
