import type { ForebayError } from '../core/errors.ts';
import { answerFrom, answerFromSource, unavailable } from './answers.ts';
import type { Fallbacks } from './fallback.ts';
import type { Flight, Flights } from './flights.ts';
import type { Floors } from './floors.ts';
import { hashKey } from './hash.ts';
import type { KeptLoad } from './kept.ts';
import type { Permission } from './leases.ts';
import { Leases } from './leases.ts';
import { countLifetime } from './lifetimes.ts';
import { isWithin } from './limits.ts';
import type { Loads } from './loads.ts';
import type { LocalEntry, Verdict } from './local-entry.ts';
import type { LocalTier } from './local-tier.ts';
import type { Lookup } from './lookup.ts';
import type { EntryMaker, Made } from './make-entry.ts';
import type { ResolvedOptions } from './options.ts';
import type { RemoteRead } from './remote-tier.ts';
import type { ReuseSampler } from './reuse-sampler.ts';
import type { CacheCounts } from './stats.ts';
import { endLoad, endRemote } from './tracing.ts';

/** How long a flight that restores an entry waits for the remote tier, in ms: nobody waits for it meanwhile. */
const KEPT_BUDGET_MS = 1000;

/** What flights share with the callers' side of the read path. */
export interface FlightParts<K, V> {
  readonly values: LocalTier<LocalEntry<V>>;
  readonly absents: LocalTier<LocalEntry<V>>;
  readonly flights: Flights<K, V>;
  readonly loads: Loads<K>;
  /** Loads of what was kept elsewhere. */
  readonly keptLoads: Loads<KeptLoad<K>>;
  readonly make: EntryMaker<K, V>;
  readonly counts: CacheCounts;
  readonly floors: Floors;
  readonly fallbacks: Fallbacks<K, V>;
  readonly reuse: ReuseSampler;
  readonly closed: boolean;
  judge(entry: LocalEntry<V>, now: number, proven: number): Verdict;
  remoteKey(text: string): string;
  remoteHash(hash: number): number;
  /** Work that nobody waits for but who closes. */
  track(work: Promise<unknown>): void;
}

/**
 * What a flight does, in order: remote tier, lease, source, fill; steps 3 to 6 of the read path.
 *
 * Two rules keep old values out, whatever the order in which replies, messages and loads arrive:
 * - between the `await` that brought a value and the moment it is put into the local tier nothing is awaited, and a flight that an invalidation met is tainted and puts nothing;
 * - the remote tier stores a loaded value only while the lease that preceded the load is still there, and an invalidation deletes the lease with the value.
 */
export class FlightPath<K, V> {
  readonly #o: ResolvedOptions<K, V>;
  readonly #p: FlightParts<K, V>;
  readonly #leases: Leases<K, V>;
  readonly #onLoadFailed: (key: string, error: Error) => void;

  constructor(options: ResolvedOptions<K, V>, parts: FlightParts<K, V>, onLoadFailed: (key: string, error: Error) => void) {
    this.#o = options;
    this.#p = parts;
    this.#leases = new Leases(options, parts.counts.leases);
    this.#onLoadFailed = onLoadFailed;
  }

  /** Steps 3 to 6: remote tier, lease, source, fill. */
  async fly(flight: Flight<K, V>): Promise<Lookup<V>> {
    const { remote, clock } = this.#o;
    const budgetMs = flight.kept === null ? this.#o.budgetMs : KEPT_BUDGET_MS;
    const hash = hashKey(flight.text);
    const key = this.#p.remoteKey(flight.text);

    // 3. Remote tier. What an invalidation deletes between the reply and here comes with a message that taints the flight, or that removes the entry after it was put.
    const read: RemoteRead = flight.direct ? { outcome: 'miss' } : await this.#readRemote(flight, key, flight.startedAt + budgetMs);
    const found = read.outcome === 'found' ? this.#accept(flight, hash, read) : null;
    if (flight.kind === 'miss' && !flight.direct) this.#noteRemoteRead(hash, read, found);
    if (found !== null && !(flight.kind === 'refresh' && clock.now() >= found.refreshAt)) return this.#land(flight, found);

    // From here on the flight brings what is loaded later than this: whoever asks before the next tag change may join.
    flight.tagChanges = remote.tags.changes;

    // 4. Lease. Without an answer from the remote tier nothing can be stored there, so there is no lease to ask for.
    const permission: Permission<V> =
      read.outcome === 'unavailable'
        ? { kind: 'none' }
        : await this.#leases.ask({
            key,
            budgetMs,
            replace: flight.direct || read.outcome === 'found',
            waits: () => flight.kind !== 'refresh' && flight.kept === null && !flight.direct && !flight.controller.signal.aborted,
            accept: (reply) => this.#accept(flight, hash, reply),
          });
    if (permission.kind === 'found') return this.#land(flight, permission.entry);
    if (permission.kind === 'none' && found !== null && !this.#p.floors.isBelow(found, flight.floor)) return this.#land(flight, found);

    // What nobody waits for is loaded only to be stored.
    if (flight.kind === 'warm' && flight.waiters === 0 && permission.kind === 'none' && remote.state() !== 'off')
      return unavailable('OVERLOADED', `"${flight.text}" could not be stored now, so it was not loaded`);

    // 5. Source; and once more, if another flight gave out something newer while it was asked.
    let made = await this.#load(flight, hash);
    if (made.ok && this.#p.floors.isBelow(made.entry, flight.floor)) {
      // For those who joined after that. Whoever comes from here on begins a flight of its own, so that what is given out during this load binds nobody who waits for it.
      this.#p.counts.reloads += 1;
      this.#p.flights.bar(flight);
      made = await this.#load(flight, hash);
    }

    // 6. Fill.
    const token = permission.kind === 'granted' ? permission.token : null;
    if (!made.ok) {
      if (token !== null) this.#fill(flight, token, null);
      if (!flight.controller.signal.aborted) this.#onLoadFailed(flight.text, made.error);
      return this.failed(flight, made.error);
    }
    if (token !== null) this.#fill(flight, token, made.entry);
    this.#put(flight, made.entry, 'source');
    const stored = token !== null && !flight.tainted && made.entry.json.length <= this.#o.maxEntryBytes;
    return answerFromSource(made.entry, stored, clock.now());
  }

  /** Counts what the remote tier had for a caller's load. */
  #noteRemoteRead(hash: number, read: RemoteRead, found: LocalEntry<V> | null): void {
    const { remoteReads } = this.#p.counts;
    const { outcome } = read;
    const now = this.#o.clock.now();
    remoteReads[found !== null ? 'served' : outcome === 'found' ? 'refused' : outcome === 'miss' ? 'missed' : 'unavailable'] += 1;
    if (outcome === 'unavailable') return;
    if (read.outcome === 'found') remoteReads.bytes += read.bytes.length;
    const { remoteReuse } = this.#o;
    const remoteHash = this.#p.remoteHash(hash);
    if (remoteHash >= remoteReuse.threshold) return;
    // One that was there and could not be served would not have been in a larger tier.
    if (found === null && outcome === 'found') remoteReuse.forget(remoteHash);
    remoteReuse.read(remoteHash, now, found !== null);
    if (found !== null) remoteReuse.put(remoteHash, found.expiresAt);
  }

  async #readRemote(flight: Flight<K, V>, key: string, deadline: number): Promise<RemoteRead> {
    const { remote, clock, recorder, tracer, name } = this.#o;
    const span = tracer?.begin('remote', flight.span);
    const startedAt = clock.now();
    const read = await remote.read(key, deadline);
    if (span !== undefined) endRemote(span, name, read);
    // What was not sent took no time, and would make a tier that is away look quick.
    if (read.outcome !== 'unavailable' || read.reason === 'budget') recorder.remote(clock.now() - startedAt);
    return read;
  }

  /** The entry in a remote reply if it may be served; one that may not be becomes the flight's fallback, perhaps. */
  #accept(flight: Flight<K, V>, hash: number, read: Parameters<EntryMaker<K, V>['fromRemote']>[2]): LocalEntry<V> | null {
    const { clock, remote } = this.#o;
    const refusals = this.#p.counts.remoteRefusals;
    const entry = this.#p.make.fromRemote(flight.text, hash, read, flight.startedAt);
    const now = clock.now();
    // Of a value that an invalidation met on its way here, a proof that came later than the read says nothing.
    const asOf = flight.tainted ? flight.asOf : remote.asOf(now);
    if (entry === null || this.#isBelowFloor(flight, entry, asOf)) {
      refusals[entry === null ? 'damaged' : 'older'] += 1;
      return null;
    }
    const verdict = this.#p.judge(entry, now, asOf);
    if (verdict !== 'fresh') {
      this.#p.fallbacks.offer(flight, entry, verdict);
      refusals[verdict === 'stale' ? 'expired' : verdict] += 1;
      return null;
    }
    if (flight.limits === null || isWithin(entry, now - Math.max(entry.asOf, asOf), flight.limits)) return entry;
    refusals.limits += 1;
    return null;
  }

  /** Whether something newer was given out already. */
  #isBelowFloor({ text, floor }: Flight<K, V>, entry: LocalEntry<V>, asOf: number): boolean {
    return this.#p.floors.isBelow(entry, Math.max(floor, this.#p.floors.of(text, asOf)));
  }

  /** Step 5. The tag point is taken before the load begins: a tag invalidated from here on makes the entry count as invalidated. */
  async #load(flight: Flight<K, V>, hash: number): Promise<Made<V>> {
    const { remote, clock } = this.#o;
    const { point } = remote.tags;
    flight.tagChanges = remote.tags.changes;
    flight.asked = true;
    // What others have given out before this moment was committed before it, and the source will not say less.
    flight.floor = 0;
    const askedAt = clock.now();
    const span = this.#o.tracer?.begin('load', flight.span);
    const { key, kept, controller } = flight;
    const isWarm = flight.kind === 'warm' && flight.waiters === 0;
    const loaded = await (kept === null
      ? this.#p.loads.load(key, controller.signal, isWarm)
      : this.#p.keptLoads.load({ key, kept }, controller.signal, isWarm));
    if (span !== undefined) endLoad(span, this.#o.name, loaded);
    if (!loaded.ok) return loaded;
    const from = { key: flight.text, hash, json: loaded.json, askedAt, asOf: askedAt, point, spread: flight.kind };
    return this.#p.make.fromSource(kept?.isCurrent === true && kept.ttlMs !== null ? { ...from, ttlMs: kept.ttlMs } : from);
  }

  /** How a flight ends for which the source could not say. */
  failed(flight: Flight<K, V>, error: ForebayError): Lookup<V> {
    flight.failure = error;
    return this.#p.fallbacks.of(flight, error) ?? { outcome: 'unavailable', error };
  }

  /** Puts an entry that a flight brought into the local tier, unless an invalidation met the flight. */
  #put(flight: Flight<K, V>, entry: LocalEntry<V>, from: 'remote' | 'source'): void {
    flight.brought = { entry, from };
    this.#raiseFloor(flight, entry, from);
    if (flight.tainted || this.#p.closed) {
      this.#p.counts.fills.tainted += 1;
      return;
    }
    // What is restored comes in no order, and lies in a chunk of a backup that it would keep in memory whole.
    if (flight.kept !== null) return;
    const [here, there] = entry.absent ? [this.#p.absents, this.#p.values] : [this.#p.values, this.#p.absents];
    there.delete(flight.text);
    const kept = here.peek(flight.text);
    if (kept !== undefined)
      countLifetime(this.#p.counts.lifetimes, kept, this.#o.clock.now(), flight.kind === 'refresh' ? 'refresh' : 'load');
    this.#p.reuse.put(entry.hash, entry.expiresAt);
    // The best keys are warmed first: the lesser ones that come after them push none of them out.
    if (flight.kind === 'warm' && flight.waiters === 0 && kept === undefined && !here.hasRoom(entry.bytes)) return;
    // Too large to keep: the older one goes all the same, or it would be served after this one was.
    if (entry.json.length > this.#o.maxEntryBytes) here.delete(flight.text);
    else here.set(flight.text, entry, entry.hash);
  }

  /**
   * Sees to it that nothing older is given out after this entry: not by the tiers, and not by a flight that began before and that callers may still join:
   *
   * 1. a flight asks the source, is tainted, and is answered late: version 2;
   * 2. another began after the taint, and its question came to the source before the first one's: version 1;
   * 3. version 1 lands before the first flight's callers have version 2, or after; in neither case may a read that begins then have it.
   */
  #raiseFloor(flight: Flight<K, V>, entry: LocalEntry<V>, from: 'remote' | 'source'): void {
    const { text } = flight;
    const { clock, remote } = this.#o;
    const floor = this.#p.floors.after(entry);
    const kept = this.#p.values.peek(text) ?? this.#p.absents.peek(text);
    if (kept !== undefined && this.#p.floors.isBelow(kept, floor)) {
      this.#p.values.delete(text);
      this.#p.absents.delete(text);
    }
    const newer = this.#p.flights.find(text);
    if (newer !== undefined && newer !== flight) {
      newer.floor = Math.max(newer.floor, floor);
      if (newer.fallback !== null && this.#p.floors.isBelow(newer.fallback.entry, floor)) newer.fallback = null;
    }
    if (from === 'remote' || remote.state() === 'off') return;
    const now = clock.now();
    this.#p.floors.note(text, entry, { askedAt: entry.asOf, answeredAt: now, asOf: remote.asOf(now) });
  }

  #land(flight: Flight<K, V>, entry: LocalEntry<V>): Lookup<V> {
    this.#put(flight, entry, 'remote');
    return answerFrom(entry, 'remote', this.#o.clock.now());
  }

  /** Sends an entry to the remote tier under the lease, or gives the lease back. Nobody waits for it. */
  #fill(flight: Flight<K, V>, token: string, entry: LocalEntry<V> | null): void {
    const { fills } = this.#p.counts;
    const tooLarge = entry !== null && entry.json.length > this.#o.maxEntryBytes;
    if (tooLarge) fills.tooLarge += 1;
    // The lease of a tainted flight is gone, or is about to be; giving it back costs nothing and frees a key whose invalidation has not arrived there yet.
    const payload = entry === null || tooLarge || flight.tainted ? null : this.#p.make.toRemote(entry);
    const sent = this.#o.remote.fill(this.#p.remoteKey(flight.text), token, payload);
    if (payload !== null) flight.filled = sent;
    this.#p.track(
      sent.then((reply) => {
        if (payload !== null) fills[reply] += 1;
        if (entry !== null && reply === 'stored') this.#o.remoteReuse.put(this.#p.remoteHash(entry.hash), entry.expiresAt);
      }),
    );
  }
}
