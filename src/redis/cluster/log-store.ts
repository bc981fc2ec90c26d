import type { Redis } from 'ioredis';
import type { BreakerControl } from '../../cache/breaker-types.ts';
import type { HealthReport } from '../../cache/health-types.ts';
import type { LogTags } from '../../cache/log-tags.ts';
import type { LogPart, LogPosition, LogStore, LogStoreListener } from '../../cache/log-store.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../../cache/remote-tier.ts';
import { systemClock } from '../../core/clock.ts';
import { systemChance } from '../../core/random.ts';
import type { StoredKeys } from '../../cache/stored-keys.ts';
import { RedisHealth } from '../health.ts';
import { KeyScan } from '../key-scan.ts';
import type { RedisLink, RedisOptions } from '../link.ts';
import { encodeAnewMessage, hearLogMessage, WAKE_MESSAGE } from '../log-message.ts';
import { LogShard } from '../log-shard.ts';
import type { RedisAddress } from '../server-address.ts';
import type { NodeSlots } from './layout.ts';
import { layoutOfNode } from './layout.ts';
import { ClusterMembers } from './members.ts';
import { MovingBus } from './moving-bus.ts';
import { nameOfSlot, SLOTS, slotsIn, textOfRanges } from './slots.ts';

/** A store on all primaries of a Cluster. Opens in the background; close it with `close`. */
export function openClusterLogStore(
  options: RedisOptions,
  address: Extract<RedisAddress, { kind: 'cluster' }>,
  tags: LogTags,
): LogStore & { readonly breaker: BreakerControl; readonly health: HealthReport; readonly keys: StoredKeys } {
  return new ClusterLogStore(options, address, tags);
}

/**
 * Each primary is a part of its own, which follows the log with a table of its own, so that one which is away, or has lost writes, is not believed and holds up no other. The bus is a sharded channel: it lives on one
 * node, and while that one is away everybody reads the log itself.
 */
class ClusterLogStore implements LogStore {
  readonly #tags: LogTags;
  readonly #channel: string;
  /** Tells our own messages from others'. */
  readonly #origin: string;
  readonly #members: ClusterMembers<LogShard>;
  readonly #bus: MovingBus<LogShard>;
  #listener: LogStoreListener | null = null;
  #position: () => LogPosition = () => ({ epoch: '', number: 0 });
  readonly health: RedisHealth;
  readonly keys: KeyScan;
  readonly opened: Promise<void>;

  constructor(options: RedisOptions, address: Extract<RedisAddress, { kind: 'cluster' }>, tags: LogTags) {
    this.#tags = tags;
    this.#channel = `${options.keyPrefix ?? ''}forebay:log`;
    this.#origin = (options.chance ?? systemChance).uniqueId();
    this.#members = new ClusterMembers({
      redis: options,
      address,
      // The table of a node is named after its highest slot: a node that took over is another part than the one before it.
      tagOf: ({ ranges }) => nameOfSlot(ranges.at(-1)?.last ?? 0),
      open: (link, slots, tag) => this.#openShard(link, slots, tag),
      onReplyError: (name, error) => this.health.heard(name, error),
      onChange: () => {
        this.#bus.arrange();
        this.#listener?.onUp();
      },
    });
    this.#bus = new MovingBus({
      members: this.#members,
      channel: this.#channel,
      onMessage: (text) => hearLogMessage(text, this.#listener, this.#origin),
      onGap: () => this.#listener?.onGap(),
    });
    this.health = new RedisHealth({
      nodes: () => this.#members.all().map(({ name, link }) => ({ name, link, inCluster: true })),
      clock: options.clock ?? systemClock,
      onFinding: options.onFinding ?? (() => {}),
    });
    this.keys = new KeyScan({
      topology: 'cluster',
      keyPrefix: options.keyPrefix ?? '',
      nodes: () => this.#members.all().map(({ name, link, slots }) => ({ name, link, slots: (client) => slotsMark(client, slots) })),
      isWhole: () => this.#members.all().reduce((sum, { slots }) => sum + slotsIn(slots.ranges), 0) === SLOTS,
      clock: options.clock ?? systemClock,
    });
    this.opened = this.#members.opened().then(() => this.#bus.opened);
  }

  get breaker(): BreakerControl {
    return this.#members.breaker;
  }

  get hears(): boolean {
    return this.#bus.hears;
  }

  listen(listener: LogStoreListener, position: () => LogPosition): void {
    this.#listener = listener;
    this.#position = position;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#of(key)?.read(key, deadline) ?? Promise.resolve({ outcome: 'unavailable', reason: 'disconnected' });
  }

  acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    return this.#of(key)?.acquire(key, token, options) ?? Promise.resolve({ outcome: 'unavailable', reason: 'disconnected' });
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#of(key)?.fill(key, token, payload) ?? Promise.resolve('unavailable');
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#of(key)?.holder(key) ?? Promise.resolve(null);
  }

  parts(): readonly LogPart[] {
    return this.#members.all().map(({ part }) => part);
  }

  wake(): void {
    this.#publish(WAKE_MESSAGE);
  }

  probe(): void {
    this.#members.refresh();
    for (const { link } of this.#members.all()) link.probe();
  }

  state(): 'up' | 'down' {
    return this.#members.state();
  }

  close(): Promise<void> {
    this.health.close();
    this.#bus.close();
    this.#members.close();
    return Promise.resolve();
  }

  #of(key: string): LogShard | undefined {
    return this.#members.of(this.#members.prefix + key)?.part;
  }

  #openShard(link: RedisLink, slots: NodeSlots, tag: string): LogShard {
    const layout = layoutOfNode({
      prefix: this.#members.prefix,
      tag,
      slots,
      channel: () => (this.#bus.member?.slots === slots ? this.#channel : ''),
      onElsewhere: () => this.#members.refresh(),
    });
    const parts = {
      tags: this.#tags,
      position: () => this.#position(),
      listener: () => this.#listener,
      tellAnew: () => {
        this.#publish(encodeAnewMessage(this.#origin));
        this.#listener?.onAnew(true);
      },
    };
    return new LogShard(link, layout, parts);
  }

  #publish(message: string): void {
    const { link } = this.#bus.member ?? {};
    if (link?.state === 'up') void link.client.call('SPUBLISH', this.#channel, message).catch(() => {});
  }
}

/** A node that takes over a slot gets a higher epoch, which is told before our map of slots is. */
async function slotsMark(client: Redis, { ranges }: NodeSlots): Promise<string> {
  const epoch = /cluster_my_epoch:(\d+)/.exec(String(await client.call('CLUSTER', 'INFO')))?.[1] ?? '';
  return `${epoch} ${textOfRanges(ranges)}`;
}
