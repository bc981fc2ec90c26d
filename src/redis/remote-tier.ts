import type { BreakerControl } from '../cache/breaker-types.ts';
import type {
  FillReply,
  LeaseHolder,
  LeaseReply,
  RemoteInvalidation,
  RemoteListener,
  RemoteRead,
  RemoteTier,
} from '../cache/remote-tier.ts';
import { TagTable } from '../cache/tags.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import { systemChance } from '../core/random.ts';
import { ClusterServers } from './cluster/tier-servers.ts';
import type { RedisOptions } from './link.ts';
import { addressOf } from './link.ts';
import type { BusMessage } from './message.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import type { Reply } from './script-calls.ts';
import type { TierEars, TierServers } from './tier-servers.ts';
import { OneServer } from './tier-servers.ts';
import { Unconfirmed } from './unconfirmed.ts';

export interface RedisTierOptions extends RedisOptions {
  /** Longest wait for an invalidation to be confirmed before it is called queued, in ms. @defaultValue 1,000 */
  readonly confirmMs?: number;
  /** Told of the first message that this version cannot read, by which, as by each one after it, process memory is dropped: most likely of an instance of another version (docs/upgrades.md). @defaultValue does nothing */
  readonly onUnreadable?: () => void;
}

const KEYS_PER_INVALIDATION = 500;
const RETRY_MS = 100;
const UNVERIFIED = { outcome: 'unavailable', reason: 'unverified' } as const;

/**
 * A remote tier and bus on one Redis server, on whichever the Sentinels say is the primary, or on all nodes of a Cluster. Opens in the background; close it with `close`.
 * @throws {ForebayError} `CONFIG_INVALID` for an address that is none.
 */
export function createRedisTier(options: RedisTierOptions): RemoteTier & { readonly breaker: BreakerControl } {
  return new RedisTier(options);
}

class RedisTier implements RemoteTier {
  readonly tags = new TagTable();
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #confirmMs: number;
  /** Tells our own messages from others'. */
  readonly #origin: string;
  readonly #servers: TierServers;
  readonly #listeners: RemoteListener[] = [];
  #unconfirmed = new Unconfirmed();
  /** What is being sent once more. */
  #confirming: Unconfirmed | null = null;
  #retry: Timer | null = null;
  #closed = false;
  /** Until it was told. */
  #onUnreadable: (() => void) | null;

  constructor(options: RedisTierOptions) {
    const { clock = systemClock, chance = systemChance, confirmMs = 1000 } = options;
    const address = addressOf(options);
    this.#clock = clock;
    this.#chance = chance;
    this.#confirmMs = confirmMs;
    this.#onUnreadable = options.onUnreadable ?? null;
    this.#origin = chance.uniqueId();
    const ears: TierEars = {
      tags: this.tags,
      onMessage: (text) => this.#onMessage(decodeMessage(text)),
      onGap: () => this.#onGap(),
      onUp: () => void this.#confirm(),
    };
    this.#servers = address.kind === 'cluster' ? new ClusterServers(options, address, ears) : new OneServer(options, address, ears);
  }

  get opened(): Promise<void> {
    return this.#servers.opened;
  }

  get breaker(): BreakerControl {
    return this.#servers.breaker;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    if (this.#isUnverified(key)) return Promise.resolve(UNVERIFIED);
    // An invalidation that was not confirmed while the read was under way may be of this very key.
    return this.#servers.read(key, deadline).then((read) => (this.#isUnverified(key) ? UNVERIFIED : read));
  }

  async acquire(key: string, token: string, options: { leaseMs: number; replace: boolean; deadline: number }): Promise<LeaseReply> {
    const reply = await this.#servers.acquire(key, token, options);
    return reply.outcome !== 'unavailable' && this.#isUnverified(key) ? UNVERIFIED : reply;
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#servers.fill(key, token, payload);
  }

  async put(key: string, payload: Parameters<RemoteTier['put']>[1]): Promise<'applied' | 'queued'> {
    const change: RemoteInvalidation = { keys: [key], buckets: [], all: false, purge: true };
    const message = encodeMessage({ origin: this.#origin, keys: [key], purge: true });
    if (!this.#isUnverified(key) && (await this.#servers.put(key, payload, message, this.#clock.now() + this.#confirmMs))) return 'applied';
    this.#queue(change);
    return 'queued';
  }

  async invalidate(change: RemoteInvalidation): Promise<'applied' | 'queued'> {
    if (await this.#apply(change)) return 'applied';
    this.#queue(change);
    return 'queued';
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#servers.holder(key);
  }

  asOf(_now: number): number {
    return this.#servers.asOf;
  }

  listen(listener: RemoteListener): void {
    this.#listeners.push(listener);
  }

  state(): 'up' | 'down' {
    return this.#servers.state();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#servers.close();
    return Promise.resolve();
  }

  /** Whether Redis may hold of this key what an invalidation that is not confirmed would have deleted. On one server nothing is read then, of whatever key. */
  #isUnverified(key: string): boolean {
    if (this.#unconfirmed.isEmpty && this.#confirming === null) return false;
    return !this.#servers.apart || this.#unconfirmed.concerns(key) || this.#confirming?.concerns(key) === true;
  }

  #onGap(): void {
    for (const listener of this.#listeners) listener.onGap('missed');
  }

  #onMessage(message: BusMessage | null): void {
    if (message === null) {
      this.#onUnreadable?.();
      this.#onUnreadable = null;
      this.#onGap();
      return;
    }
    const { origin, keys, tags, purge } = message;
    if (origin === this.#origin) return;
    if (tags !== null) {
      this.tags.apply(tags);
      for (const listener of this.#listeners) listener.onTagsChanged(purge);
    }
    if (keys.length > 0) for (const listener of this.#listeners) listener.onInvalidated(keys, purge);
  }

  /** Deletes and tells; whether all of it was confirmed. */
  async #apply({ keys, buckets, all, purge }: RemoteInvalidation): Promise<boolean> {
    const deadline = this.#clock.now() + this.#confirmMs;
    const replies: Promise<boolean>[] = [];
    if (all || buckets.length > 0) {
      const args = { origin: this.#origin, newGeneration: this.#chance.uniqueId(), all, purge, buckets };
      replies.push(this.#servers.stampTags(args, deadline).then((reply) => this.#takeTags(reply, buckets)));
    }
    for (let at = 0; at < keys.length; at += KEYS_PER_INVALIDATION) {
      const some = keys.slice(at, at + KEYS_PER_INVALIDATION);
      replies.push(this.#servers.forget(some, encodeMessage({ origin: this.#origin, keys: some, purge }), deadline));
    }
    return (await Promise.all(replies)).every(Boolean);
  }

  #takeTags(reply: Reply<unknown>, buckets: readonly number[]): boolean {
    if (!reply.ok) {
      // It may have been carried out or not: until the table was read again nothing is known.
      this.tags.miss();
      return false;
    }
    const [generation = '', previous, stamp] = (reply.value as Buffer[]).map(String);
    this.tags.apply({ generation, previous: Number(previous), stamp: Number(stamp), buckets });
    return true;
  }

  #queue(change: RemoteInvalidation): void {
    this.#unconfirmed.add(change);
    this.#retry ??= this.#clock.schedule(RETRY_MS, () => {
      this.#retry = null;
      void this.#confirm();
    });
  }

  /** Sends what Redis has not confirmed. */
  async #confirm(): Promise<void> {
    if (this.#confirming !== null || this.#unconfirmed.isEmpty || this.#closed) return;
    this.#confirming = this.#unconfirmed;
    this.#unconfirmed = new Unconfirmed();
    const { change } = this.#confirming;
    const done = this.#servers.state() === 'up' && (await this.#apply(change));
    if (!done) this.#queue(change);
    this.#confirming = null;
    if (done) void this.#confirm();
  }
}
