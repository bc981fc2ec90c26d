import type { BreakerControl } from '../cache/breaker-types.ts';
import type { HealthReport } from '../cache/health-types.ts';
import type { LogTags } from '../cache/log-tags.ts';
import type { StoredKeys } from '../cache/stored-keys.ts';
import type { LogPart, LogPosition, LogStore, LogStoreListener } from '../cache/log-store.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../cache/remote-tier.ts';
import { Bus } from './bus.ts';
import { openClusterLogStore } from './cluster/log-store.ts';
import type { Endpoint } from './connection.ts';
import { RedisHealth } from './health.ts';
import { KeyScan } from './key-scan.ts';
import type { RedisOptions } from './link.ts';
import { addressOf, RedisLink } from './link.ts';
import { encodeAnewMessage, hearLogMessage, WAKE_MESSAGE } from './log-message.ts';
import type { LogLayout } from './log-shard.ts';
import { LogShard } from './log-shard.ts';
import { applyEntry, openLog } from './scripts.ts';
import { describeAddress } from './server-address.ts';

/**
 * A store on Redis that follows a log of changes: on one server, on whichever the Sentinels say is the primary, or on all nodes of a Cluster. Opens in the background; close it with `close`.
 * `tags`: those of whoever follows the log here; stamps of before it followed come from the tables.
 * @throws {ForebayError} `CONFIG_INVALID` for an address that is none.
 */
export function createRedisLogStore(
  options: RedisOptions,
  tags: LogTags,
): LogStore & { readonly breaker: BreakerControl; readonly health: HealthReport; readonly keys: StoredKeys } {
  const address = addressOf(options);
  return address.kind === 'cluster' ? openClusterLogStore(options, address, tags) : new RedisLogStore(options, address, tags);
}

/** On one server: connections for commands, and one for the bus. */
class RedisLogStore implements LogStore {
  readonly #link: RedisLink;
  readonly #channel: string;
  readonly #shard: LogShard;
  readonly #bus: Bus;
  #listener: LogStoreListener | null = null;
  #position: () => LogPosition = () => ({ epoch: '', number: 0 });
  readonly health: RedisHealth;
  readonly keys: KeyScan;
  readonly opened: Promise<void>;

  constructor(options: RedisOptions, endpoint: Endpoint, tags: LogTags) {
    const name = describeAddress(endpoint);
    this.#link = new RedisLink({ ...options, onReplyError: (error) => this.health.heard(name, error) }, endpoint);
    this.health = new RedisHealth({
      nodes: () => [{ name, link: this.#link, inCluster: false }],
      clock: this.#link.clock,
      onFinding: options.onFinding ?? (() => {}),
    });
    const { clock, prefix, boundMs } = this.#link;
    this.keys = new KeyScan({
      topology: endpoint.kind === 'sentinel' ? 'sentinel' : 'standalone',
      keyPrefix: prefix,
      nodes: () => [{ name, link: this.#link, slots: () => Promise.resolve('') }],
      clock,
    });
    this.#channel = `${prefix}forebay:log`;
    const listener = (): LogStoreListener | null => this.#listener;
    const origin = this.#link.chance.uniqueId();
    const tellAnew = (): void => {
      this.#publish(encodeAnewMessage(origin));
      this.#listener?.onAnew(true);
    };
    this.#shard = new LogShard(this.#link, layoutAlone(prefix, this.#channel), {
      tags,
      position: () => this.#position(),
      listener,
      tellAnew,
    });
    this.#bus = new Bus({
      client: this.#link.openSubscriber(),
      channel: this.#channel,
      clock,
      echoMs: boundMs / 4,
      deadAfterMs: boundMs * 2,
      onMessage: (text) => hearLogMessage(text, this.#listener, origin),
      onGap: () => this.#listener?.onGap(),
    });
    this.opened = Promise.all([this.#link.connected, this.#bus.opened]).then(() => {});
  }

  get breaker(): BreakerControl {
    return this.#link.breaker;
  }

  get hears(): boolean {
    return this.#bus.hears;
  }

  listen(listener: LogStoreListener, position: () => LogPosition): void {
    this.#listener = listener;
    this.#position = position;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#shard.read(key, deadline);
  }

  acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    return this.#shard.acquire(key, token, options);
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#shard.fill(key, token, payload);
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#shard.holder(key);
  }

  parts(): readonly LogPart[] {
    return [this.#shard];
  }

  wake(): void {
    this.#publish(WAKE_MESSAGE);
  }

  #publish(message: string): void {
    if (this.#link.state === 'up') void this.#link.client.publish(this.#channel, message).catch(() => {});
  }

  probe(): void {
    this.#link.probe();
  }

  state(): 'up' | 'down' {
    return this.#link.state;
  }

  close(): Promise<void> {
    this.health.close();
    this.#bus.close();
    this.#link.close();
    return Promise.resolve();
  }
}

function layoutAlone(prefix: string, channel: string): LogLayout {
  const table = `${prefix}forebay:log`;
  const head = `${prefix}forebay:log:at`;
  return {
    table,
    head,
    channel: () => channel,
    apply: (keys, args) => applyEntry([table, head], keys, args),
    open: (epoch, number, seen) => openLog([table, head], epoch, number, seen),
    opened: ([made, base, fence, ...fields]) => ({ isAnew: made === '1', base: Number(base), fence: Number(fence), fields }),
    since: () => 0,
  };
}
