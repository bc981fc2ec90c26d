import type { BreakerControl } from '../cache/breaker-types.ts';
import type { RemoteTier } from '../cache/remote-tier.ts';
import type { TagTable } from '../cache/tags.ts';
import { Bus } from './bus.ts';
import type { Endpoint } from './connection.ts';
import type { RedisOptions } from './link.ts';
import { RedisLink } from './link.ts';
import type { Reply } from './script-calls.ts';
import { ScriptCalls } from './script-calls.ts';
import type { InvalidateTagsArgs } from './scripts.ts';
import { invalidateKeys, invalidateTags, put } from './scripts.ts';
import { TagSync } from './tag-sync.ts';
import { RedisValues } from './values.ts';

/** Where a tier without a log keeps what it has: one server, or the nodes of a Cluster. What could not be confirmed, and what is heard, is the tier's to deal with. */
export interface TierServers extends Pick<RemoteTier, 'read' | 'acquire' | 'fill' | 'holder'> {
  readonly breaker: BreakerControl;
  readonly opened: Promise<void>;
  /** Whether one key may be out of reach while others are not: then one that is unconfirmed says nothing of others. */
  readonly apart: boolean;
  /** Local monotonic time before which nothing published was missed. */
  readonly asOf: number;
  /** Deletes values and leases of all keys, then tells; whether all of it was confirmed. */
  forget(keys: readonly string[], message: string, deadline: number): Promise<boolean>;
  /** Stores a value whoever holds the lease, then tells; whether both was confirmed. */
  put(key: string, payload: Parameters<RemoteTier['put']>[1], message: string, deadline: number): Promise<boolean>;
  /** Gives tags a new stamp, and tells. */
  stampTags(stamping: Omit<InvalidateTagsArgs, 'channel'>, deadline: number): Promise<Reply<unknown>>;
  state(): 'up' | 'down';
  close(): void;
}

/** Whom they tell. */
export interface TierEars {
  /** This process's copy of the tag stamps, which they keep level. */
  readonly tags: TagTable;
  onMessage(text: string): void;
  /** Messages may have been missed. */
  onGap(): void;
  /** What could not be sent can be tried again. */
  onUp(): void;
}

/** On one server: connections for commands, and one for the bus. */
export class OneServer implements TierServers {
  readonly apart = false;
  readonly opened: Promise<void>;
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #table: string;
  readonly #bus: Bus;
  readonly #calls: ScriptCalls;
  readonly #values: RedisValues;

  constructor(options: RedisOptions, endpoint: Endpoint, ears: TierEars) {
    this.#link = new RedisLink(options, endpoint);
    const { clock, chance, prefix, boundMs } = this.#link;
    this.#prefix = prefix;
    this.#channel = `${prefix}forebay:bus`;
    this.#table = `${prefix}forebay:tags`;
    this.#calls = new ScriptCalls(this.#link);
    const sync = new TagSync({ calls: this.#calls, table: this.#table, tags: ears.tags, clock, chance });
    this.#values = new RedisValues(this.#link, this.#calls, {
      key: null,
      begin: (client) => {
        const isLevel = sync.readHead(() => client.hmgetBuffer(this.#table, 'g', 'n'));
        return async () => ((await isLevel) ? () => true : null);
      },
    });
    this.#bus = new Bus({
      client: this.#link.openSubscriber(),
      channel: this.#channel,
      clock,
      echoMs: boundMs / 4,
      deadAfterMs: boundMs * 2,
      onMessage: (text) => ears.onMessage(text),
      onGap: () => ears.onGap(),
    });
    this.#link.onUp(() => ears.onUp());
    this.opened = Promise.all([this.#link.connected, this.#bus.opened]).then(() => {});
  }

  get breaker(): BreakerControl {
    return this.#link.breaker;
  }

  get asOf(): number {
    return this.#bus.asOf;
  }

  read(...args: Parameters<RemoteTier['read']>): ReturnType<RemoteTier['read']> {
    return this.#values.read(...args);
  }

  acquire(...args: Parameters<RemoteTier['acquire']>): ReturnType<RemoteTier['acquire']> {
    return this.#values.acquire(...args);
  }

  fill(...args: Parameters<RemoteTier['fill']>): ReturnType<RemoteTier['fill']> {
    return this.#values.fill(...args);
  }

  holder(key: string): ReturnType<RemoteTier['holder']> {
    return this.#values.holder(key);
  }

  async forget(keys: readonly string[], message: string, deadline: number): Promise<boolean> {
    const names = keys.map((key) => this.#prefix + key);
    return (await this.#calls.run(invalidateKeys(names, this.#channel, message), deadline)).ok;
  }

  async put(key: string, { entry, expireMs }: Parameters<RemoteTier['put']>[1], message: string, deadline: number): Promise<boolean> {
    const call = put(this.#prefix + key, { ...entry, expireMs }, { channel: this.#channel, message });
    return (await this.#calls.run(call, deadline)).ok;
  }

  stampTags(stamping: Omit<InvalidateTagsArgs, 'channel'>, deadline: number): Promise<Reply<unknown>> {
    return this.#calls.run(invalidateTags(this.#table, { ...stamping, channel: this.#channel }, false), deadline);
  }

  state(): 'up' | 'down' {
    return this.#link.state;
  }

  close(): void {
    this.#bus.close();
    this.#link.close();
  }
}
