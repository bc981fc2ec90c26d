import { ForebayError } from '../core/errors.ts';
import { answerFrom, answerFromSource, countLookup, unavailable } from './answers.ts';
import type { LookupOptions } from './cache-types.ts';
import type { Flight, FlightKind } from './flights.ts';
import { Flights } from './flights.ts';
import { hashKey } from './hash.ts';
import type { LocalEntry } from './local-entry.ts';
import { LocalTier } from './local-tier.ts';
import { Loads } from './loads.ts';
import type { Lookup } from './lookup.ts';
import { EntryMaker } from './make-entry.ts';
import type { ResolvedOptions } from './options.ts';
import { prepareSource } from './source.ts';
import { newCounts } from './stats.ts';

/** A refresh that failed or was somebody else's to do is tried again after so long. */
const REFRESH_RETRY_MS = 1000;
/** The pause between looks for another instance's fill grows to so many times the first. */
const MAX_POLL_GROWTH = 8;
/** Share of `maxBytes` that absent entries have to themselves, so that a run of bad ids pushes out no value: 10,000 of about 600 bytes at the defaults. */
const ABSENT_SHARE = 0.05;

/** Whether and how an entry may be served at this moment. */
export type Verdict = 'fresh' | 'stale' | 'expired' | 'unproven' | 'tag';

/** What asking for the lease came to. */
type Permission<V> =
  | { readonly kind: 'granted'; readonly token: string }
  | { readonly kind: 'found'; readonly entry: LocalEntry<V> }
  | { readonly kind: 'none' };

/** What the read path tells of its own accord. */
export interface ReadPathEvents {
  evicted(key: string): void;
  loadFailed(key: string, error: Error): void;
}

/**
 * The read path, in call order: `lookup` (local tier, flight) -> `#fly` (remote tier, lease, source, fill).
 *
 * Two rules keep old values out, whatever the order in which replies, messages and loads arrive:
 * - between the `await` that brought a value and the moment it is put into the local tier nothing is awaited, and a flight that an invalidation met is tainted and puts nothing;
 * - the remote tier stores a loaded value only while the lease that preceded the load is still there, and an invalidation deletes the lease with the value.
 */
export class ReadPath<K, V> {
  readonly values: LocalTier<LocalEntry<V>>;
  readonly absents: LocalTier<LocalEntry<V>>;
  readonly flights = new Flights<K, V>();
  readonly loads: Loads<K>;
  readonly make: EntryMaker<K, V>;
  readonly counts = newCounts();
  readonly #o: ResolvedOptions<K, V>;
  readonly #events: ReadPathEvents;
  readonly #background = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: ResolvedOptions<K, V>, events: ReadPathEvents) {
    this.#o = options;
    this.#events = events;
    const { maxEntries, maxAbsentEntries, maxBytes, policy } = options;
    const onEvict = (key: string): void => events.evicted(key);
    const absentBytes = maxAbsentEntries > 0 ? Math.floor(maxBytes * ABSENT_SHARE) : 0;
    this.values = new LocalTier({ maxEntries, maxBytes: maxBytes - absentBytes, policy, onEvict });
    this.absents = new LocalTier({ maxEntries: maxAbsentEntries, maxBytes: absentBytes, policy, onEvict });
    this.loads = new Loads(prepareSource(options.source, options.maxBatch), options, options.clock);
    this.make = new EntryMaker(options);
  }

  /** The whole story of one key. */
  lookup(key: K, text: string, options: LookupOptions | undefined): Promise<Lookup<V>> {
    const entry = this.serveLocal(key, text);
    if (entry === undefined) return this.answer(key, text, options);
    return Promise.resolve(answerFrom(entry, 'local', 'hit', this.#o.clock.now()));
  }

  /** Step 1, the local tier: an entry that may be served as fresh; begins a refresh when the entry nears its end. */
  serveLocal(key: K, text: string): LocalEntry<V> | undefined {
    if (this.#closed) return undefined;
    const entry = this.values.get(text) ?? this.absents.get(text);
    if (entry === undefined) return undefined;
    const now = this.#o.clock.now();
    const verdict = this.judge(entry, now);
    if (verdict !== 'fresh') {
      if (verdict !== 'stale') this.counts.refusals[verdict] += 1;
      return undefined;
    }
    this.make.noteRead(text, entry.hash, now);
    if (entry.absent) this.counts.lookups.localAbsent += 1;
    else this.counts.lookups.localHit += 1;
    if (now >= entry.refreshAt && this.flights.find(text) === undefined) {
      entry.refreshAt = now + REFRESH_RETRY_MS;
      this.#refresh(key, text, now);
    }
    return entry;
  }

  /**
   * The serving rule. The clock is read at the moment of serving, so that a process that was frozen does not serve on an expired proof: all that was committed up to
   * `asOf` has been heard of, by the load itself or by the bus since, and that must not be longer ago than the bound.
   */
  judge(entry: LocalEntry<V>, now: number): Verdict {
    const { remote, maxStalenessMs, graceMs } = this.#o;
    if (now - Math.max(entry.asOf, remote.asOf(now)) > maxStalenessMs) return 'unproven';
    if (!remote.tags.isGood(entry.point, entry.buckets)) return 'tag';
    if (now < entry.expiresAt) return 'fresh';
    return now < entry.expiresAt + graceMs && !entry.absent ? 'stale' : 'expired';
  }

  /** Step 2, the flight: joins the one of this key or begins it, and waits. */
  async answer(key: K, text: string, options: LookupOptions | undefined): Promise<Lookup<V>> {
    const signal = options?.signal;
    const { lookups } = this.counts;
    if (signal?.aborted === true) {
      lookups.aborted += 1;
      throw signal.reason;
    }
    if (this.#closed) return this.#count(unavailable('CLOSED', `the cache "${this.#o.name}" is closed`));
    const now = this.#o.clock.now();
    this.make.noteRead(text, hashKey(text), now);
    const joinable = this.#joinable(text, now);
    if (joinable !== undefined && joinable.waiters >= this.#o.maxWaiters) {
      return this.#count(
        unavailable('OVERLOADED', `${joinable.waiters} callers wait for "${text}" already; try again later, or raise maxWaiters`),
      );
    }
    const flight = joinable ?? this.#depart(key, text, 'miss', now);
    const fallback = this.#fallback(flight);
    if (flight.softened && fallback !== null) return this.#count(fallback);
    try {
      const lookup = await this.flights.wait(flight, flight.softened ? flight.landed : flight.answer, signal);
      if (joinable === undefined) return this.#count(lookup);
      this.counts.joined += 1;
      return this.#count(lookup.outcome === 'loaded' ? { ...lookup, joined: true } : lookup);
    } catch (reason) {
      lookups.aborted += 1;
      throw reason;
    }
  }

  /**
   * A caller may join a flight by the rule by which it may be served an entry: the value will be of the flight's start or later, and an invalidation heard of since would have barred it; half the
   * bound, so that no caller waits for a value that is then refused. A tag that was invalidated since may turn out to be one of the record's, so no flight is joined across one.
   */
  #joinable(text: string, now: number): Flight<K, V> | undefined {
    const flight = this.flights.find(text);
    if (flight === undefined || flight.tagChanges !== this.#o.remote.tags.changes) return undefined;
    return now - Math.max(flight.startedAt, this.#o.remote.asOf(now)) <= this.#o.maxStalenessMs / 2 ? flight : undefined;
  }

  #depart(key: K, text: string, kind: FlightKind, now: number): Flight<K, V> {
    const stale = this.values.peek(text);
    const fallback = stale !== undefined && this.judge(stale, now) === 'stale' ? ({ entry: stale, tier: 'local' } as const) : null;
    const flight = this.flights.depart({ key, text, kind, startedAt: now, tagChanges: this.#o.remote.tags.changes, fallback });
    const soft = this.#o.clock.schedule(this.#o.softTimeoutMs, () => {
      flight.softened = true;
      const answer = this.#fallback(flight);
      if (answer !== null) flight.resolveAnswer(answer);
    });
    const landing = this.#fly(flight)
      .catch((thrown: unknown) => unavailable('LOAD_FAILED', `reading "${text}" failed: ${String(thrown)}`, thrown))
      .then((lookup) => {
        soft.cancel();
        this.flights.land(flight, lookup);
      });
    this.#track(landing);
    return flight;
  }

  /** The stale answer that a flight may fall back on at this moment, if it has one. */
  #fallback(flight: Flight<K, V>): Lookup<V> | null {
    if (flight.fallback === null) return null;
    const now = this.#o.clock.now();
    const { entry, tier } = flight.fallback;
    const verdict = this.judge(entry, now);
    return verdict === 'fresh' || verdict === 'stale' ? answerFrom(entry, tier, 'stale', now) : null;
  }

  /** Steps 3 to 6: remote tier, lease, source, fill. */
  async #fly(flight: Flight<K, V>): Promise<Lookup<V>> {
    const { remote, budgetMs, clock } = this.#o;
    const hash = hashKey(flight.text);

    // 3. Remote tier. What an invalidation deletes between the reply and here comes with a message that taints the flight, or that removes the entry after it was put.
    const read = await remote.read(this.remoteKey(flight.text), flight.startedAt + budgetMs);
    const found = read.outcome === 'found' ? this.#accept(flight, hash, read) : null;
    if (found !== null && !(flight.kind === 'refresh' && clock.now() >= found.refreshAt)) return this.#land(flight, found);

    // From here on the flight brings what is loaded later than this: whoever asks before the next tag change may join.
    flight.tagChanges = remote.tags.changes;

    // 4. Lease. Without an answer from the remote tier nothing can be stored there, so there is no lease to ask for.
    const permission: Permission<V> =
      read.outcome === 'unavailable' ? { kind: 'none' } : await this.#permission(flight, hash, read.outcome === 'found');
    if (permission.kind === 'found') return this.#land(flight, permission.entry);
    if (permission.kind === 'none' && found !== null) return this.#land(flight, found);

    // 5. Source. The tag point is taken before the load begins: a tag invalidated from here on makes the entry count as invalidated.
    const { point } = remote.tags;
    flight.tagChanges = remote.tags.changes;
    const askedAt = clock.now();
    const loaded = await this.loads.load(flight.key, flight.controller.signal);
    const made = loaded.ok
      ? this.make.fromSource({ key: flight.text, hash, json: loaded.json, askedAt, asOf: askedAt, point, spread: flight.kind })
      : loaded;

    // 6. Fill.
    const token = permission.kind === 'granted' ? permission.token : null;
    if (!made.ok) {
      if (token !== null) this.#fill(flight, token, null);
      if (!flight.controller.signal.aborted) this.#events.loadFailed(flight.text, made.error);
      return this.#fallback(flight) ?? { outcome: 'unavailable', error: made.error };
    }
    if (token !== null) this.#fill(flight, token, made.entry);
    this.#put(flight, made.entry);
    const stored = token !== null && !flight.tainted && made.entry.json.length <= this.#o.maxEntryBytes;
    return answerFromSource(made.entry, stored, clock.now());
  }

  /** The entry in a remote reply if it may be served; an expired one becomes the flight's fallback. */
  #accept(flight: Flight<K, V>, hash: number, read: { readonly bytes: Buffer; readonly serverNow: number }): LocalEntry<V> | null {
    const refusals = this.counts.remoteRefusals;
    const entry = this.make.fromRemote(flight.text, hash, read, flight.startedAt);
    if (entry === null) {
      refusals.damaged += 1;
      return null;
    }
    const verdict = this.judge(entry, this.#o.clock.now());
    if (verdict === 'fresh') return entry;
    if (verdict === 'stale' && !flight.tainted) flight.fallback = { entry, tier: 'remote' };
    refusals[verdict === 'tag' ? 'tag' : 'expired'] += 1;
    return null;
  }

  /** Step 4: asks for the lease, and waits a while for the fill of whoever has it. `replace`: what lies in the tier is of no use. */
  async #permission(flight: Flight<K, V>, hash: number, replace: boolean): Promise<Permission<V>> {
    const { remote, clock, leaseMs, leaseWaitMs, leasePollMs, budgetMs } = this.#o;
    const { leases } = this.counts;
    const token = this.#o.uniqueId();
    const waitUntil = clock.now() + leaseWaitMs;
    let pauseMs = leasePollMs;
    let useless = replace;
    for (;;) {
      const reply = await remote.acquire(this.remoteKey(flight.text), token, {
        leaseMs,
        replace: useless,
        deadline: clock.now() + budgetMs,
      });
      switch (reply.outcome) {
        case 'granted':
          leases.granted += 1;
          return { kind: 'granted', token };
        case 'found': {
          const entry = this.#accept(flight, hash, reply);
          if (entry !== null) {
            leases.filledMeanwhile += 1;
            return { kind: 'found', entry };
          }
          useless = true;
          break;
        }
        case 'unavailable':
          leases.unavailable += 1;
          return { kind: 'none' };
        case 'held':
          leases.held += 1;
          if (flight.kind === 'refresh' || flight.controller.signal.aborted) return { kind: 'none' };
          if (clock.now() >= waitUntil) {
            leases.waitedOut += 1;
            return { kind: 'none' };
          }
          await new Promise<void>((resolve) => void clock.schedule(pauseMs, resolve));
          pauseMs = Math.min(pauseMs * 2, leasePollMs * MAX_POLL_GROWTH);
          useless = false;
          break;
        default:
          return reply satisfies never;
      }
    }
  }

  /** Puts an entry that a flight brought into the local tier, unless an invalidation met the flight. */
  #put(flight: Flight<K, V>, entry: LocalEntry<V>): void {
    if (flight.tainted || this.#closed) {
      this.counts.fills.tainted += 1;
      return;
    }
    const [here, there] = entry.absent ? [this.absents, this.values] : [this.values, this.absents];
    there.delete(flight.text);
    // Too large to keep: the older one goes all the same, or it would be served after this one was.
    if (entry.json.length > this.#o.maxEntryBytes) here.delete(flight.text);
    else here.set(flight.text, entry, entry.hash);
  }

  #land(flight: Flight<K, V>, entry: LocalEntry<V>): Lookup<V> {
    this.#put(flight, entry);
    return answerFrom(entry, 'remote', 'hit', this.#o.clock.now());
  }

  /** Sends an entry to the remote tier under the lease, or gives the lease back. Nobody waits for it. */
  #fill(flight: Flight<K, V>, token: string, entry: LocalEntry<V> | null): void {
    const { fills } = this.counts;
    const tooLarge = entry !== null && entry.json.length > this.#o.maxEntryBytes;
    if (tooLarge) fills.tooLarge += 1;
    // The lease of a tainted flight is gone, or is about to be; giving it back costs nothing and frees a key whose invalidation has not arrived there yet.
    const payload = entry === null || tooLarge || flight.tainted ? null : this.make.toRemote(entry);
    this.#track(
      this.#o.remote.fill(this.remoteKey(flight.text), token, payload).then((reply) => {
        if (payload !== null) fills[reply] += 1;
      }),
    );
  }

  /** Loads a key again while its entry is still served; waits for itself, so that no caller's leaving calls it off. */
  #refresh(key: K, text: string, now: number): void {
    this.counts.refreshes += 1;
    this.#depart(key, text, 'refresh', now).waiters += 1;
  }

  /** Loads a key ahead of demand, unless it is there or on its way. */
  warm(key: K, text: string): void {
    const now = this.#o.clock.now();
    if (!this.#closed && this.values.peek(text) === undefined && this.#joinable(text, now) === undefined)
      this.#depart(key, text, 'warm', now);
  }

  /** Taints the flights of these keys and drops their local entries. */
  forget(texts: readonly string[], purge: boolean): void {
    for (const text of texts) {
      if (this.flights.taint(text, purge)) this.counts.tainted += 1;
      this.values.delete(text);
      this.absents.delete(text);
    }
  }

  forgetEverything(purge: boolean): void {
    this.counts.tainted += this.flights.size;
    this.flights.taintAll(purge);
    this.values.clear();
    this.absents.clear();
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
    }
    await this.idle();
  }

  #count(lookup: Lookup<V>): Lookup<V> {
    return countLookup(this.counts.lookups, lookup);
  }

  #track(work: Promise<unknown>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  remoteKey(text: string): string {
    return `${this.#o.name}:{${text}}`;
  }
}
