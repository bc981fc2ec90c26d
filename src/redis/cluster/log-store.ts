import type { Redis } from 'ioredis';
import type { BreakerControl } from '../../cache/breaker-types.ts';
import type { HealthReport } from '../../cache/health-types.ts';
import type { LogTags } from '../../cache/log-tags.ts';
import type { LogPart, LogPosition, LogStore, LogStoreListener } from '../../cache/log-store.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../../cache/remote-tier.ts';
import { systemClock } from '../../core/clock.ts';
import { systemChance } from '../../core/random.ts';
import { Bus } from '../bus.ts';
import { openConnection } from '../connection.ts';
import { RedisHealth } from '../health.ts';
import type { RedisOptions } from '../link.ts';
import { RedisLink } from '../link.ts';
import { encodeAnewMessage, hearLogMessage, WAKE_MESSAGE } from '../log-message.ts';
import { LogShard } from '../log-shard.ts';
import type { RedisAddress } from '../server-address.ts';
import { NodeBreakers } from './breakers.ts';
import type { NodeSlots } from './layout.ts';
import { layoutOfNode } from './layout.ts';
import { nameOfSlot, slotOf, SLOTS } from './slots.ts';
import type { ClusterNode } from './topology.ts';
import { ClusterTopology } from './topology.ts';

interface Member {
  /** `HOST:PORT` */
  readonly name: string;
  readonly shard: LogShard;
  readonly slots: NodeSlots;
}

/** A store on all primaries of a Cluster. Opens in the background; close it with `close`. */
export function openClusterLogStore(
  options: RedisOptions,
  address: Extract<RedisAddress, { kind: 'cluster' }>,
  tags: LogTags,
): LogStore & { readonly breaker: BreakerControl; readonly health: HealthReport } {
  return new ClusterLogStore(options, address, tags);
}

/**
 * Each primary is a part of its own, which follows the log with a table of its own, so that one which is away, or has lost writes, is not believed and holds up no other. The bus is a sharded channel: it lives on one
 * node, and while that one is away everybody reads the log itself.
 */
class ClusterLogStore implements LogStore {
  readonly #options: RedisOptions;
  readonly #prefix: string;
  readonly #tags: LogTags;
  readonly #channel: string;
  /** Tells our own messages from others'. */
  readonly #origin: string;
  readonly #topology: ClusterTopology;
  readonly breaker = new NodeBreakers(() => [...this.#members.values()].map(({ shard }) => shard.link.breaker));
  /** By address and table: a node that took over is another part than the one before it. */
  #members = new Map<string, Member>();
  /** The member that serves each slot. */
  #bySlot: (Member | undefined)[] = [];
  #bus: { readonly member: Member; readonly bus: Bus; readonly client: Redis } | null = null;
  #listener: LogStoreListener | null = null;
  #position: () => LogPosition = () => ({ epoch: '', number: 0 });
  #told: 'up' | 'down' | null = null;
  #closed = false;
  readonly health: RedisHealth;
  readonly opened: Promise<void>;

  constructor(options: RedisOptions, address: Extract<RedisAddress, { kind: 'cluster' }>, tags: LogTags) {
    this.#options = options;
    this.#prefix = options.keyPrefix ?? '';
    this.#tags = tags;
    this.#channel = `${this.#prefix}forebay:log`;
    this.#origin = (options.chance ?? systemChance).uniqueId();
    this.#topology = new ClusterTopology({
      address,
      clock: options.clock ?? systemClock,
      chance: options.chance ?? systemChance,
      connect: options.connect ?? openConnection,
      onChange: (nodes) => this.#arrange(nodes),
    });
    this.health = new RedisHealth({
      nodes: () => [...this.#members.values()].map(({ name, shard }) => ({ name, link: shard.link, inCluster: true })),
      clock: options.clock ?? systemClock,
      onFinding: options.onFinding ?? (() => {}),
    });
    this.opened = this.#open();
  }

  get hears(): boolean {
    return this.#bus?.bus.hears ?? false;
  }

  listen(listener: LogStoreListener, position: () => LogPosition): void {
    this.#listener = listener;
    this.#position = position;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#of(key)?.shard.read(key, deadline) ?? Promise.resolve({ outcome: 'unavailable', reason: 'disconnected' });
  }

  acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    return this.#of(key)?.shard.acquire(key, token, options) ?? Promise.resolve({ outcome: 'unavailable', reason: 'disconnected' });
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#of(key)?.shard.fill(key, token, payload) ?? Promise.resolve('unavailable');
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#of(key)?.shard.holder(key) ?? Promise.resolve(null);
  }

  parts(): readonly LogPart[] {
    return [...this.#members.values()].map(({ shard }) => shard);
  }

  wake(): void {
    this.#publish(WAKE_MESSAGE);
  }

  state(): 'up' | 'down' {
    return [...this.#members.values()].some(({ shard }) => shard.state() === 'up') ? 'up' : 'down';
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#topology.close();
    this.health.close();
    this.#bus?.bus.close();
    for (const { shard } of this.#members.values()) shard.link.close();
    return Promise.resolve();
  }

  async #open(): Promise<void> {
    await this.#topology.opened;
    await Promise.all([...[...this.#members.values()].map(({ shard }) => shard.link.connected), this.#bus?.bus.opened]);
  }

  #of(key: string): Member | undefined {
    return this.#bySlot[slotOf(this.#prefix + key)];
  }

  /** Takes over a new map: what stays keeps its connections and what is known of it. */
  #arrange(nodes: readonly ClusterNode[]): void {
    if (this.#closed) return;
    const before = this.#members;
    this.#members = new Map();
    this.#bySlot = Array.from({ length: SLOTS });
    for (const node of nodes) {
      const highest = node.ranges.at(-1)?.last;
      if (highest === undefined) continue;
      const name = `${node.host}:${node.port} ${nameOfSlot(highest)}`;
      const member = before.get(name) ?? this.#openMember(node, nameOfSlot(highest));
      member.slots.ranges = node.ranges;
      this.#members.set(name, member);
      for (const { first, last } of node.ranges) this.#bySlot.fill(member, first, last + 1);
    }
    for (const [name, { shard }] of before) {
      if (this.#members.has(name)) continue;
      this.breaker.leave(shard.link.breaker);
      shard.link.close();
    }
    this.#arrangeBus();
    this.#tell();
    this.#listener?.onUp();
  }

  #openMember(node: ClusterNode, tag: string): Member {
    const name = `${node.host}:${node.port}`;
    const refresh = (): void => this.#topology.refresh();
    const link = new RedisLink(
      {
        ...this.#options,
        // A slot that is elsewhere by now, or a node that knows of no others.
        onReplyError: (error) => {
          const { message } = error;
          this.health.heard(name, error);
          if (/^(MOVED|ASK|CLUSTERDOWN|TRYAGAIN|READONLY)\b/.test(message)) refresh();
        },
        onStateChange: (state, reason) => {
          this.#options.onNodeChange?.(name, state, reason);
          if (state === 'down') refresh();
          this.#tell();
        },
      },
      this.#topology.endpoint(node),
    );
    this.breaker.join(link.breaker);
    const slots: NodeSlots = { ranges: node.ranges };
    const layout = layoutOfNode({
      prefix: this.#prefix,
      tag,
      slots,
      channel: () => (this.#bus?.member.slots === slots ? this.#channel : ''),
      onElsewhere: refresh,
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
    return { name, shard: new LogShard(link, layout, parts), slots };
  }

  #publish(message: string): void {
    const { link } = this.#bus?.member.shard ?? {};
    if (link?.state === 'up') void link.client.call('SPUBLISH', this.#channel, message).catch(() => {});
  }

  /** The bus follows the slot of its channel from node to node. */
  #arrangeBus(): void {
    const member = this.#bySlot[slotOf(this.#channel)];
    if (this.#bus?.member === member) return;
    if (this.#bus !== null) {
      this.#bus.bus.close();
      // The node may stay, and get the channel back some day.
      this.#bus.member.shard.link.closeSubscriber(this.#bus.client);
    }
    this.#bus = null;
    if (member === undefined) return;
    const { link } = member.shard;
    const client = link.openSubscriber();
    client.on('sunsubscribe', () => {
      // The slot has left this node: another one tells from here on.
      this.#topology.refresh();
      client.disconnect(true);
    });
    const bus = new Bus({
      client,
      channel: this.#channel,
      sharded: true,
      clock: link.clock,
      echoMs: link.boundMs / 4,
      deadAfterMs: link.boundMs * 2,
      onMessage: (text) => hearLogMessage(text, this.#listener, this.#origin),
      onGap: () => this.#listener?.onGap(),
    });
    this.#bus = { member, bus, client };
  }

  #tell(): void {
    const state = this.state();
    if (state === this.#told || this.#closed) return;
    this.#told = state;
    this.#options.onStateChange?.(state, state === 'up' ? 'a node of the Cluster is connected' : 'no node of the Cluster can be reached');
  }
}
