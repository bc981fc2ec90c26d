import type { Redis } from 'ioredis';
import { systemClock } from '../../core/clock.ts';
import { systemChance } from '../../core/random.ts';
import { openConnection } from '../connection.ts';
import type { RedisOptions } from '../link.ts';
import { RedisLink } from '../link.ts';
import type { RedisAddress } from '../server-address.ts';
import { NodeBreakers } from './breakers.ts';
import type { NodeSlots } from './layout.ts';
import { slotOf, SLOTS } from './slots.ts';
import type { ClusterNode } from './topology.ts';
import { ClusterTopology } from './topology.ts';

/** A primary that we are connected to, and what is kept for it. */
export interface Member<P> {
  /** `HOST:PORT` */
  readonly name: string;
  readonly link: RedisLink;
  readonly slots: NodeSlots;
  readonly part: P;
}

export interface MembersOptions<P> {
  readonly redis: RedisOptions;
  readonly address: Extract<RedisAddress, { kind: 'cluster' }>;
  /** What tells one member from another besides its address. @defaultValue nothing */
  readonly tagOf?: (node: ClusterNode) => string;
  /** Makes what is kept for a new member. */
  readonly open: (link: RedisLink, slots: NodeSlots, tag: string) => P;
  /** Told of each error that a node answered with. */
  readonly onReplyError?: (name: string, error: Error) => void;
  /** A map was taken over that differs from the one before. */
  readonly onChange: () => void;
}

/** Errors by which a node says that the map is another one: a slot is elsewhere, or the node knows of no others. */
const MAP_IS_OLD = /^(MOVED|ASK|CLUSTERDOWN|TRYAGAIN|READONLY)\b/;

/** The primaries of a Cluster by the newest map, each with connections of its own. Who stays in the map keeps them. */
export class ClusterMembers<P> {
  readonly prefix: string;
  readonly breaker = new NodeBreakers(() => this.all().map(({ link }) => link.breaker));
  readonly #o: MembersOptions<P>;
  readonly #topology: ClusterTopology;
  #members = new Map<string, Member<P>>();
  /** The member that serves each slot. */
  #bySlot: (Member<P> | undefined)[] = [];
  #told: 'up' | 'down' | null = null;
  /** The members of the first map were tried, or there was no map: only then is 'down' more than not yet connected. */
  #tried = false;
  #closed = false;
  readonly #opened: Promise<void>;

  constructor(options: MembersOptions<P>) {
    const { redis, address } = options;
    this.#o = options;
    this.prefix = redis.keyPrefix ?? '';
    this.#topology = new ClusterTopology({
      address,
      clock: redis.clock ?? systemClock,
      chance: redis.chance ?? systemChance,
      connect: redis.connect ?? openConnection,
      onChange: (nodes) => this.#arrange(nodes),
    });
    this.#opened = this.#tryFirst();
  }

  /** Resolves when the first map is there, or cannot be had, and its members were tried. */
  opened(): Promise<void> {
    return this.#opened;
  }

  async #tryFirst(): Promise<void> {
    await this.#topology.opened;
    await Promise.all(this.all().map(({ link }) => link.connected));
    this.#tried = true;
    this.#tell();
  }

  all(): readonly Member<P>[] {
    return [...this.#members.values()];
  }

  /** Who serves the slot of a key, or of a channel; of its full name. */
  of(name: string): Member<P> | undefined {
    return this.#bySlot[slotOf(name)];
  }

  named(name: string): Member<P> | undefined {
    return this.all().find((member) => member.name === name);
  }

  /** The map seems to be out of date. */
  refresh(): void {
    this.#topology.refresh();
  }

  /** Up while one of them is. */
  state(): 'up' | 'down' {
    return this.all().some(({ link }) => link.state === 'up') ? 'up' : 'down';
  }

  close(): void {
    this.#closed = true;
    this.#topology.close();
    for (const { link } of this.all()) link.close();
  }

  #arrange(nodes: readonly ClusterNode[]): void {
    if (this.#closed) return;
    const before = this.#members;
    this.#members = new Map();
    this.#bySlot = Array.from({ length: SLOTS });
    for (const node of nodes) {
      if (node.ranges.length === 0) continue;
      const tag = this.#o.tagOf?.(node) ?? '';
      const id = `${node.host}:${node.port} ${tag}`;
      const member = before.get(id) ?? this.#open(node, tag);
      member.slots.ranges = node.ranges;
      this.#members.set(id, member);
      for (const { first, last } of node.ranges) this.#bySlot.fill(member, first, last + 1);
    }
    for (const [id, { link }] of before) {
      if (this.#members.has(id)) continue;
      this.breaker.leave(link.breaker);
      link.close();
    }
    this.#o.onChange();
    this.#tell();
  }

  #open(node: ClusterNode, tag: string): Member<P> {
    const name = `${node.host}:${node.port}`;
    const { redis, onReplyError, open } = this.#o;
    const link = new RedisLink(
      {
        ...redis,
        probe: isServing,
        onReplyError: (error) => {
          onReplyError?.(name, error);
          if (MAP_IS_OLD.test(error.message)) this.refresh();
        },
        onStateChange: (state, reason) => {
          redis.onNodeChange?.(name, state, reason);
          if (state === 'down') this.refresh();
          this.#tell();
        },
      },
      this.#topology.endpoint(node),
    );
    this.breaker.join(link.breaker);
    const slots: NodeSlots = { ranges: node.ranges };
    return { name, link, slots, part: open(link, slots, tag) };
  }

  #tell(): void {
    const state = this.state();
    if (state === this.#told || this.#closed || (state === 'down' && !this.#tried)) return;
    this.#told = state;
    this.#o.redis.onStateChange?.(state, state === 'up' ? 'a node of the Cluster is connected' : 'no node of the Cluster can be reached');
  }
}

/** A node of a Cluster that is down, or that finds itself alone, answers PING and refuses everything else (CLUSTERDOWN): a breaker that closed on PING would open again with the next calls, and so on until the Cluster is whole. */
async function isServing(client: Redis): Promise<void> {
  const info = String(await client.call('CLUSTER', 'INFO'));
  if (!info.includes('cluster_state:ok')) throw new Error('CLUSTERDOWN as it says of itself');
}
