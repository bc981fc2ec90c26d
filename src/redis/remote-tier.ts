import type { Redis } from 'ioredis';
import type { LeaseReply, RemoteInvalidation, RemoteListener, RemoteRead, RemoteTier } from '../cache/remote-tier.ts';
import { TagTable } from '../cache/tags.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import { systemChance } from '../core/random.ts';
import { Bus } from './bus.ts';
import type { ConnectionOptions } from './connection.ts';
import { closeConnection, openConnection } from './connection.ts';
import { KeyReads } from './key-reads.ts';
import { encodeMessage } from './message.ts';
import type { Reply } from './script-calls.ts';
import { ScriptCalls } from './script-calls.ts';
import { acquire, fill, invalidateKeys, invalidateTags, pair, put } from './scripts.ts';
import { TagSync } from './tag-sync.ts';
import { Unconfirmed } from './unconfirmed.ts';

export interface RedisTierOptions {
  /** `redis://…`, `rediss://…` or `unix:/PATH`. */
  readonly url: string;
  /** Put before every key and the channel, so that several deployments can share a Redis. @defaultValue '' */
  readonly keyPrefix?: string;
  /** Longest wait for an invalidation to be confirmed before it is called queued, in ms. @defaultValue 1,000 */
  readonly confirmMs?: number;
  /** The staleness bound that the bus has to keep, in ms: it is asked for an echo four times as often. @defaultValue 1,000 */
  readonly maxStalenessMs?: number;
  /** Told of each change between up and down, with the reason. */
  readonly onStateChange?: (state: 'up' | 'down', reason: string) => void;
  readonly clock?: Clock;
  readonly chance?: Chance;
  /** Opens each of the two connections. @defaultValue `openConnection` */
  readonly connect?: (options: ConnectionOptions) => Redis;
}

const KEYS_PER_INVALIDATION = 500;
const RETRY_MS = 100;
const FILL_WAIT_MS = 1000;

/** A remote tier and bus on one Redis server: one connection for commands, one for the bus. Opens in the background; close it with `close`. */
export function createRedisTier(options: RedisTierOptions): RemoteTier {
  return new RedisTier(options);
}

class RedisTier implements RemoteTier {
  readonly tags = new TagTable();
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #table: string;
  readonly #confirmMs: number;
  /** Tells our own messages from others'. */
  readonly #origin: string;
  readonly #client;
  readonly #subscriber;
  readonly #bus: Bus;
  readonly #calls: ScriptCalls;
  readonly #reads: KeyReads;
  readonly #listeners: RemoteListener[] = [];
  readonly #unconfirmed = new Unconfirmed();
  readonly #onStateChange: (state: 'up' | 'down', reason: string) => void;
  #confirming = false;
  #retry: Timer | null = null;
  #told: 'up' | 'down' | null = null;
  #closed = false;
  readonly opened: Promise<void>;

  constructor(options: RedisTierOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#chance = options.chance ?? systemChance;
    this.#prefix = options.keyPrefix ?? '';
    this.#channel = `${this.#prefix}forebay:bus`;
    this.#table = `${this.#prefix}forebay:tags`;
    this.#confirmMs = options.confirmMs ?? 1000;
    this.#origin = this.#chance.uniqueId();
    this.#onStateChange = options.onStateChange ?? (() => {});
    const connection = { url: options.url, chance: this.#chance };
    const { connect = openConnection } = options;
    this.#client = connect({ ...connection, name: 'forebay' });
    this.#subscriber = connect({ ...connection, name: 'forebay-bus' });
    this.#calls = new ScriptCalls(this.#client, this.#clock);
    const { tags } = this;
    const sync = new TagSync({
      client: this.#client,
      calls: this.#calls,
      table: this.#table,
      tags,
      clock: this.#clock,
      chance: this.#chance,
    });
    this.#reads = new KeyReads(this.#client, this.#clock, sync);
    const boundMs = options.maxStalenessMs ?? 1000;
    this.#bus = new Bus({
      client: this.#subscriber,
      channel: this.#channel,
      clock: this.#clock,
      echoMs: boundMs / 4,
      deadAfterMs: boundMs * 2,
      onMessage: (message) => {
        if (message.origin === this.#origin) return;
        if (message.tags !== null) {
          this.tags.apply(message.tags);
          for (const listener of this.#listeners) listener.onTagsChanged(message.purge);
        }
        if (message.keys.length > 0) for (const listener of this.#listeners) listener.onInvalidated(message.keys, message.purge);
      },
      onGap: () => {
        for (const listener of this.#listeners) listener.onGap();
      },
    });
    this.#client.on('ready', () => {
      this.#tell('up', 'connected');
      void this.#confirm();
    });
    const connected = new Promise<void>((resolve) => {
      this.#client.once('ready', resolve);
      this.#client.once('close', resolve);
    });
    this.opened = Promise.all([connected, this.#bus.opened]).then(() => {});
    let lastError = 'the connection was closed';
    this.#client.on('error', (error: Error) => {
      lastError = error.message;
    });
    this.#client.on('close', () => {
      if (!this.#closed) this.#tell('down', lastError);
    });
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    if (!this.#unconfirmed.isEmpty || this.#confirming) return Promise.resolve({ outcome: 'unavailable', reason: 'unverified' });
    return this.#reads.read(this.#prefix + key, deadline).then((read) =>
      // An invalidation that was not confirmed while the read was under way may be of this very key.
      this.#unconfirmed.isEmpty && !this.#confirming ? read : ({ outcome: 'unavailable', reason: 'unverified' } as const),
    );
  }

  async acquire(key: string, token: string, options: { leaseMs: number; replace: boolean; deadline: number }): Promise<LeaseReply> {
    const reply = await this.#calls.run(acquire(this.#prefix + key, token, options.leaseMs, options.replace), options.deadline);
    if (!reply.ok) return { outcome: 'unavailable', reason: reply.reason };
    if (!this.#unconfirmed.isEmpty || this.#confirming) return { outcome: 'unavailable', reason: 'unverified' };
    const [outcome, bytes, serverNow] = reply.value as [Buffer, Buffer?, Buffer?];
    switch (outcome.toString()) {
      case 'granted':
        return { outcome: 'granted' };
      case 'found':
        return { outcome: 'found', bytes: bytes ?? Buffer.alloc(0), serverNow: Number(serverNow) };
      default:
        return { outcome: 'held' };
    }
  }

  async fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<'stored' | 'refused' | 'unavailable'> {
    const args =
      payload === null
        ? { beforeClock: '', afterClock: '', expireMs: 0, loadedAgoMs: 0 }
        : { ...payload.entry, expireMs: payload.expireMs, loadedAgoMs: payload.loadedAgoMs };
    const reply = await this.#calls.run(fill(this.#prefix + key, token, args), this.#clock.now() + FILL_WAIT_MS);
    if (!reply.ok) return 'unavailable';
    return reply.value === 1 ? 'stored' : 'refused';
  }

  async put(key: string, payload: Parameters<RemoteTier['put']>[1]): Promise<'applied' | 'queued'> {
    const change: RemoteInvalidation = { keys: [key], buckets: [], all: false, purge: true };
    if (!this.#unconfirmed.isEmpty) {
      this.#queue(change);
      return 'queued';
    }
    const message = encodeMessage({ origin: this.#origin, keys: [key], purge: true });
    const args = { ...payload.entry, expireMs: payload.expireMs };
    const reply = await this.#calls.run(put(this.#prefix + key, args, this.#channel, message), this.#clock.now() + this.#confirmMs);
    if (reply.ok) return 'applied';
    this.#queue(change);
    return 'queued';
  }

  async invalidate(change: RemoteInvalidation): Promise<'applied' | 'queued'> {
    if (await this.#apply(change)) return 'applied';
    this.#queue(change);
    return 'queued';
  }

  async holder(key: string): Promise<{ holder: string; leftMs: number } | null> {
    if (this.#client.status !== 'ready') return null;
    const lease = pair(this.#prefix + key)[1];
    try {
      const [holder, leftMs] = await Promise.all([this.#client.get(lease), this.#client.pttl(lease)]);
      return holder === null ? null : { holder, leftMs };
    } catch {
      return null;
    }
  }

  asOf(_now: number): number {
    return this.#bus.asOf;
  }

  listen(listener: RemoteListener): void {
    this.#listeners.push(listener);
  }

  state(): 'up' | 'down' {
    return this.#client.status === 'ready' ? 'up' : 'down';
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#bus.close();
    closeConnection(this.#client);
    closeConnection(this.#subscriber);
    return Promise.resolve();
  }

  /** Deletes and tells; whether all of it was confirmed. */
  async #apply({ keys, buckets, all, purge }: RemoteInvalidation): Promise<boolean> {
    const deadline = this.#clock.now() + this.#confirmMs;
    const replies: Promise<boolean>[] = [];
    if (all || buckets.length > 0) {
      const args = { channel: this.#channel, origin: this.#origin, newGeneration: this.#chance.uniqueId(), all, purge, buckets };
      replies.push(this.#calls.run(invalidateTags(this.#table, args), deadline).then((reply) => this.#takeTags(reply, buckets)));
    }
    for (let at = 0; at < keys.length; at += KEYS_PER_INVALIDATION) {
      const some = keys.slice(at, at + KEYS_PER_INVALIDATION);
      const message = encodeMessage({ origin: this.#origin, keys: some, purge });
      const call = invalidateKeys(
        some.map((key) => this.#prefix + key),
        this.#channel,
        message,
      );
      replies.push(this.#calls.run(call, deadline).then((reply) => reply.ok));
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

  /** Sends what Redis has not confirmed; until that is through, nothing is read there. */
  async #confirm(): Promise<void> {
    if (this.#confirming || this.#unconfirmed.isEmpty || this.#closed) return;
    this.#confirming = true;
    const change = this.#unconfirmed.take();
    const done = this.#client.status === 'ready' && (await this.#apply(change));
    if (!done) this.#queue(change);
    this.#confirming = false;
    if (done) void this.#confirm();
  }

  #tell(state: 'up' | 'down', reason: string): void {
    if (this.#told === state) return;
    this.#told = state;
    this.#onStateChange(state, reason);
  }
}
