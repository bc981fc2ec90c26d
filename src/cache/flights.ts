import type { ForebayError } from '../core/errors.ts';
import type { Kept } from './kept.ts';
import type { Limits } from './limits.ts';
import type { LocalEntry } from './local-entry.ts';
import type { Lookup } from './lookup.ts';
import type { FillReply } from './remote-tier.ts';
import type { Span } from './tracer.ts';

/** Why a flight took off: a caller missed, an entry nears its end, or the key is being warmed. */
export type FlightKind = 'miss' | 'refresh' | 'warm';

/** The one load of a key in this process, shared by all its callers. */
export interface Flight<K, V> {
  readonly key: K;
  readonly text: string;
  readonly kind: FlightKind;
  /** Goes straight to the source, since a caller wants what is there from now on. */
  readonly direct: boolean;
  /** What the caller that began it asks of an answer; those who join look for themselves. */
  readonly limits: Limits | null;
  /** What was kept of the record elsewhere: the source is asked first whether it is still so. */
  readonly kept: Kept | null;
  /** Monotonic ms. */
  readonly startedAt: number;
  /** Of the read that began it, if that is traced. */
  readonly span: Span | null;
  /** What was proven then. Of an entry that an invalidation has met since, no later proof says anything. */
  readonly asOf: number;
  /** `TagTable.changes` when what the flight brings had not been read yet: a tag that was invalidated since may be one of the record's. */
  tagChanges: number;
  /** Aborts when all callers have left. */
  readonly controller: AbortController;
  /** An invalidation arrived while the flight was up: its value goes to those who asked before, and is stored nowhere. */
  tainted: boolean;
  /** Callers that wait. A caller without a signal cannot leave, and a refresh waits for itself. */
  waiters: number;
  /** Whether the source was asked: what it says may be older than what a caller wants that comes only now. */
  asked: boolean;
  /** The least version that it may bring, since another flight of the key has given that one out meanwhile; see `Floors`. */
  floor: number;
  /** What it brought, for callers that look for themselves whether it is good enough. */
  brought: { readonly entry: LocalEntry<V>; readonly from: 'remote' | 'source' } | null;
  /** Why the source could not say, though a fallback may have been given out. */
  failure: ForebayError | null;
  /** An entry to serve if the source is slow or fails; whether it may be is looked at then. */
  fallback: { readonly entry: LocalEntry<V>; readonly tier: 'local' | 'remote' } | null;
  /** What becomes of storing it in the remote tier; `null` while it is not sent there. */
  filled: Promise<FillReply> | null;
  /** Whether the soft timeout has passed: who asks now need not wait before taking the fallback. */
  softened: boolean;
  /** The first answer: the final one, or a stale one at the soft timeout. Never rejects. */
  readonly answer: Promise<Lookup<V>>;
  /** The final answer. Never rejects. */
  readonly landed: Promise<Lookup<V>>;
  readonly resolveAnswer: (lookup: Lookup<V>) => void;
  readonly resolveLanded: (lookup: Lookup<V>) => void;
}

/** The flights that callers may join, by key. Knows nothing of tiers and sources. */
export class Flights<K, V> {
  readonly #joinable = new Map<string, Flight<K, V>>();
  /** All that are up, those included that nobody may join any more. */
  readonly #up = new Set<Flight<K, V>>();

  get size(): number {
    return this.#up.size;
  }

  /** The flight of this key that a new caller may join, if any. */
  find(text: string): Flight<K, V> | undefined {
    return this.#joinable.get(text);
  }

  /** Registers a new flight. One that was up for the key and may not be joined any more is barred, so that an invalidation has to taint only the newest. */
  depart(
    init: Pick<Flight<K, V>, 'key' | 'text' | 'kind' | 'direct' | 'limits' | 'startedAt' | 'span' | 'asOf' | 'tagChanges' | 'fallback'> & {
      readonly kept?: Kept;
    },
  ): Flight<K, V> {
    const answer = Promise.withResolvers<Lookup<V>>();
    const landed = Promise.withResolvers<Lookup<V>>();
    const flight: Flight<K, V> = {
      kept: null,
      ...init,
      controller: new AbortController(),
      tainted: false,
      waiters: 0,
      softened: false,
      asked: false,
      floor: 0,
      brought: null,
      failure: null,
      filled: null,
      answer: answer.promise,
      landed: landed.promise,
      resolveAnswer: answer.resolve,
      resolveLanded: landed.resolve,
    };
    const older = this.#joinable.get(init.text);
    if (older !== undefined) this.bar(older);
    this.#joinable.set(init.text, flight);
    this.#up.add(flight);
    return flight;
  }

  /** Ends a flight with its final answer. */
  land(flight: Flight<K, V>, lookup: Lookup<V>): void {
    this.#close(flight);
    this.#up.delete(flight);
    flight.resolveAnswer(lookup);
    flight.resolveLanded(lookup);
  }

  /** Taints the flight of a key. Returns whether there was one. */
  taint(text: string, purge: boolean): boolean {
    const flight = this.#joinable.get(text);
    if (flight === undefined) return false;
    this.bar(flight, purge);
    return true;
  }

  taintAll(purge: boolean): void {
    for (const flight of this.#up) this.bar(flight, purge);
  }

  /** Tells the loads of all flights that nobody waits for them any more. */
  callOff(reason: Error): void {
    for (const flight of this.#up) flight.controller.abort(reason);
  }

  /** Nobody joins this flight any more, and nothing of it is stored. With `purge` it may not fall back on an old entry either. */
  bar(flight: Flight<K, V>, purge = false): void {
    flight.tainted = true;
    if (purge) flight.fallback = null;
    this.#close(flight);
  }

  /**
   * Waits for a flight. `signal` ends this caller's wait only; when the last caller has left, the load is told and nobody joins any more.
   * Rejects with the signal's reason, and in no other way.
   */
  wait<A>(flight: Flight<K, V>, answer: Promise<A>, signal: AbortSignal | undefined): Promise<A> {
    flight.waiters += 1;
    if (signal === undefined) return answer;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        flight.waiters -= 1;
        if (flight.waiters === 0) {
          this.bar(flight);
          flight.controller.abort(signal.reason);
        }
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      void answer.then((lookup) => {
        signal.removeEventListener('abort', leave);
        resolve(lookup);
      });
    });
  }

  #close(flight: Flight<K, V>): void {
    if (this.#joinable.get(flight.text) === flight) this.#joinable.delete(flight.text);
  }
}
