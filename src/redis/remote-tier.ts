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
import { Bus } from './bus.ts';
import type { RedisOptions } from './link.ts';
import { RedisLink, singleEndpoint } from './link.ts';
import type { BusMessage } from './message.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import type { Reply } from './script-calls.ts';
import { ScriptCalls } from './script-calls.ts';
import { invalidateKeys, invalidateTags, put } from './scripts.ts';
import { TagSync } from './tag-sync.ts';
import { Unconfirmed } from './unconfirmed.ts';
import { RedisValues } from './values.ts';

export interface RedisTierOptions extends RedisOptions {
  /** Longest wait for an invalidation to be confirmed before it is called queued, in ms. @defaultValue 1,000 */
  readonly confirmMs?: number;
}

const KEYS_PER_INVALIDATION = 500;
const RETRY_MS = 100;
const UNVERIFIED = { outcome: 'unavailable', reason: 'unverified' } as const;

/** A remote tier and bus on one Redis server: one connection for commands, one for the bus. Opens in the background; close it with `close`. */
export function createRedisTier(options: RedisTierOptions): RemoteTier & { readonly breaker: BreakerControl } {
  return new RedisTier(options);
}

class RedisTier implements RemoteTier {
  readonly tags = new TagTable();
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #table: string;
  readonly #confirmMs: number;
  /** Tells our own messages from others'. */
  readonly #origin: string;
  readonly #bus: Bus;
  readonly #calls: ScriptCalls;
  readonly #values: RedisValues;
  readonly #listeners: RemoteListener[] = [];
  readonly #unconfirmed = new Unconfirmed();
  #confirming = false;
  #retry: Timer | null = null;
  #closed = false;
  readonly opened: Promise<void>;

  constructor(options: RedisTierOptions) {
    this.#link = new RedisLink(options, singleEndpoint(options.url));
    const { clock, chance, prefix, boundMs } = this.#link;
    this.#clock = clock;
    this.#prefix = prefix;
    this.#channel = `${prefix}forebay:bus`;
    this.#table = `${prefix}forebay:tags`;
    this.#confirmMs = options.confirmMs ?? 1000;
    this.#origin = chance.uniqueId();
    this.#calls = new ScriptCalls(this.#link);
    const sync = new TagSync({ calls: this.#calls, table: this.#table, tags: this.tags, clock, chance });
    this.#values = new RedisValues(this.#link, this.#calls, {
      key: null,
      begin: (client) => {
        const isLevel = sync.readHead(client);
        return async () => ((await isLevel) ? () => true : null);
      },
    });
    const onGap = (): void => {
      for (const listener of this.#listeners) listener.onGap('missed');
    };
    this.#bus = new Bus({
      client: this.#link.openSubscriber(),
      channel: this.#channel,
      clock,
      echoMs: boundMs / 4,
      deadAfterMs: boundMs * 2,
      onMessage: (text) => {
        const message = decodeMessage(text);
        if (message === null) onGap();
        else this.#onMessage(message);
      },
      onGap,
    });
    this.#link.onUp(() => void this.#confirm());
    this.opened = Promise.all([this.#link.connected, this.#bus.opened]).then(() => {});
  }

  get breaker(): BreakerControl {
    return this.#link.breaker;
  }

  get #isUnverified(): boolean {
    return !this.#unconfirmed.isEmpty || this.#confirming;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    if (this.#isUnverified) return Promise.resolve(UNVERIFIED);
    // An invalidation that was not confirmed while the read was under way may be of this very key.
    return this.#values.read(key, deadline).then((read) => (this.#isUnverified ? UNVERIFIED : read));
  }

  async acquire(key: string, token: string, options: { leaseMs: number; replace: boolean; deadline: number }): Promise<LeaseReply> {
    const reply = await this.#values.acquire(key, token, options);
    return reply.outcome !== 'unavailable' && this.#isUnverified ? UNVERIFIED : reply;
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#values.fill(key, token, payload);
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

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#values.holder(key);
  }

  asOf(_now: number): number {
    return this.#bus.asOf;
  }

  listen(listener: RemoteListener): void {
    this.#listeners.push(listener);
  }

  state(): 'up' | 'down' {
    return this.#link.state;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#bus.close();
    this.#link.close();
    return Promise.resolve();
  }

  #onMessage({ origin, keys, tags, purge }: BusMessage): void {
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
      const args = { channel: this.#channel, origin: this.#origin, newGeneration: this.#link.chance.uniqueId(), all, purge, buckets };
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
    const done = this.#link.state === 'up' && (await this.#apply(change));
    if (!done) this.#queue(change);
    this.#confirming = false;
    if (done) void this.#confirm();
  }
}
