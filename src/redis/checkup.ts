import type { Redis } from 'ioredis';
import type { Clock } from '../core/clock.ts';
import { systemChance } from '../core/random.ts';
import { NodeCheckup } from './checkup-node.ts';
import { nameOfSlot, slotOf, SLOTS } from './cluster/slots.ts';
import type { ClusterNode } from './cluster/topology.ts';
import { ClusterTopology } from './cluster/topology.ts';
import type { Endpoint } from './connection.ts';
import { closeConnection, openConnection } from './connection.ts';
import { WAKE_MESSAGE } from './log-message.ts';
import type { HostPort, RedisAddress, RedisServer } from './server-address.ts';
import { describeAddress, parseRedisServer } from './server-address.ts';

export interface CheckupOptions {
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A server that cannot be used, and why. */
export interface Unreachable {
  readonly node: string;
  readonly reason: string;
  /** Whether it serves keys; else the URL alone names it. */
  readonly serves: boolean;
}

export interface SentinelCheckup {
  readonly node: string;
  /** Why it cannot be asked; `null`: it answers. */
  readonly reason: string | null;
  /** What it says of its quorum. */
  readonly quorum: string | null;
}

type ClusterAddress = Extract<RedisAddress, { kind: 'cluster' }>;

/** Connections of their own to each server, by which a doctor looks at them: plain questions, one after the other, past breakers and pools. Close it when done. */
export class RedisCheckup {
  readonly kind: RedisAddress['kind'];
  readonly description: string;
  /** Who the user logs in as. */
  readonly user: string;
  readonly nodes: readonly NodeCheckup[];
  /** Primaries of a Cluster, or some of its seeds, that did not answer. */
  readonly unreachable: readonly Unreachable[];
  /** Slots that some primary serves; `null` outside of a Cluster. */
  readonly servedSlots: number | null;
  readonly #o: CheckupOptions;

  private constructor(address: RedisAddress, options: CheckupOptions, found: Found) {
    this.#o = options;
    this.kind = address.kind;
    this.description = describeAddress(address);
    this.user = address.login.username ?? 'default';
    this.nodes = found.nodes;
    this.unreachable = found.unreachable;
    this.servedSlots = found.servedSlots;
  }

  /**
   * Connects to the server, or to all primaries.
   * @throws {ForebayError} `CONFIG_INVALID` for an address that is none; an `Error` with the reasons when none can be used.
   */
  static async open(server: string | RedisServer, options: CheckupOptions): Promise<RedisCheckup> {
    const address = parseRedisServer(server);
    const found = address.kind === 'cluster' ? await findCluster(address, options) : await findOne(address, options);
    if (found.nodes.length === 0) {
      const reasons = found.unreachable.map(({ node, reason }) => `${node}: ${reason}`);
      throw new Error(reasons.length === 0 ? `${describeAddress(address)} names no primary` : reasons.join('; '));
    }
    return new RedisCheckup(address, options, found);
  }

  /**
   * Listens to the bus on a connection of its own and says something there that all instances understand: that a relay may look at the log. Resolves to the time until it was heard, in ms.
   * @throws what the server says against it, or that nothing was heard
   */
  async sayOnBus(signal: AbortSignal): Promise<number> {
    const channel = `${this.#o.keyPrefix}forebay:log`;
    const sharded = this.kind === 'cluster';
    const node = sharded ? this.nodes.find(({ serves }) => serves(slotOf(channel))) : this.nodes[0];
    if (node === undefined) throw new Error(`no node that answers serves the slot of the channel ${channel}`);
    const { client, reason } = await connectTo(node.endpoint, this.#o);
    try {
      if (reason !== null) throw new Error(reason);
      const heard = Promise.withResolvers<void>();
      client.on(sharded ? 'smessage' : 'message', (_channel: string, text: string) => text === WAKE_MESSAGE && heard.resolve());
      await (sharded ? client.ssubscribe(channel) : client.subscribe(channel));
      const from = this.#o.clock.now();
      await node.call(sharded ? 'SPUBLISH' : 'PUBLISH', channel, WAKE_MESSAGE);
      await Promise.race([heard.promise, rejectsWhen(signal, 'what was said on the bus was not heard')]);
      return this.#o.clock.now() - from;
    } finally {
      closeConnection(client);
    }
  }

  close(): void {
    for (const node of this.nodes) node.close();
  }
}

/** The Sentinels of an address, one by one; `null` for another kind of address. */
export async function askSentinels(server: string | RedisServer, options: CheckupOptions): Promise<readonly SentinelCheckup[] | null> {
  const address = parseRedisServer(server);
  if (address.kind !== 'sentinel') return null;
  const { sentinelLogin: login, tls, tuning, master } = address;
  return Promise.all(
    address.sentinels.map(async ({ host, port }): Promise<SentinelCheckup> => {
      const node = `${host}:${port}`;
      const { client, reason } = await connectTo({ kind: 'standalone', host, port, db: 0, login, tls, tuning }, options);
      try {
        if (reason !== null) return { node, reason, quorum: null };
        return { node, reason: null, quorum: await client.call('SENTINEL', 'CKQUORUM', master).then(String, messageOf) };
      } finally {
        closeConnection(client);
      }
    }),
  );
}

const messageOf = (error: Error): string => error.message;

interface Found {
  readonly nodes: readonly NodeCheckup[];
  readonly unreachable: readonly Unreachable[];
  readonly servedSlots: number | null;
}

async function findOne(endpoint: Endpoint, options: CheckupOptions): Promise<Found> {
  const name = describeAddress(endpoint);
  const { client, reason } = await connectTo(endpoint, options);
  if (reason !== null) {
    closeConnection(client);
    return { nodes: [], unreachable: [{ node: name, reason, serves: true }], servedSlots: null };
  }
  const table = `${options.keyPrefix}forebay:log`;
  return {
    nodes: [new NodeCheckup({ name, client, endpoint, table, tag: 'forebay-doctor', serves: () => true, clock: options.clock })],
    unreachable: [],
    servedSlots: null,
  };
}

async function findCluster(address: ClusterAddress, options: CheckupOptions): Promise<Found> {
  const seeds = await Promise.all(address.nodes.map((seed) => trySeed(address, seed, options)));
  const refused = seeds.filter((seed) => seed !== null);
  if (refused.length === seeds.length) return { nodes: [], unreachable: refused, servedSlots: 0 };
  const primaries = await readPrimaries(address, options);
  const connected = await Promise.all(
    primaries.map(async (primary) => {
      const endpoint = endpointOf(address, primary);
      const { client, reason } = await connectTo(endpoint, options);
      return { primary, endpoint, client, reason };
    }),
  );
  const nodes: NodeCheckup[] = [];
  const silent: Unreachable[] = [];
  let servedSlots = 0;
  for (const { primary, endpoint, client, reason } of connected) {
    const name = `${primary.host}:${primary.port}`;
    for (const { first, last } of primary.ranges) servedSlots += last - first + 1;
    if (reason !== null) {
      closeConnection(client);
      silent.push({ node: name, reason, serves: true });
      continue;
    }
    // As the log's own table of a node is named: after its highest slot.
    const tag = nameOfSlot(primary.ranges.at(-1)?.last ?? 0);
    const table = `${options.keyPrefix}forebay:log:{${tag}}`;
    const serves = (slot: number): boolean => primary.ranges.some(({ first, last }) => first <= slot && slot <= last);
    nodes.push(new NodeCheckup({ name, client, endpoint, table, tag, serves, clock: options.clock }));
  }
  const others = refused.filter(({ node }) => !silent.some((one) => one.node === node));
  return { nodes, unreachable: [...silent, ...others], servedSlots: Math.min(servedSlots, SLOTS) };
}

/** The map of slots by whichever seed answers first. */
async function readPrimaries(address: ClusterAddress, { clock, signal }: CheckupOptions): Promise<readonly ClusterNode[]> {
  let found: readonly ClusterNode[] = [];
  const topology = new ClusterTopology({
    address,
    clock,
    chance: systemChance,
    connect: openConnection,
    onChange: (nodes) => {
      found = nodes;
    },
  });
  try {
    await Promise.race([topology.opened, rejectsWhen(signal, 'no node gave a map of the slots')]);
  } finally {
    topology.close();
  }
  return found.filter(({ ranges }) => ranges.length > 0);
}

async function trySeed(address: ClusterAddress, seed: HostPort, options: CheckupOptions): Promise<Unreachable | null> {
  const { client, reason } = await connectTo(endpointOf(address, seed), options);
  closeConnection(client);
  return reason === null ? null : { node: `${seed.host}:${seed.port}`, reason, serves: false };
}

const endpointOf = ({ login, tls, tuning }: ClusterAddress, { host, port }: HostPort): Endpoint => ({
  kind: 'standalone',
  host,
  port,
  db: 0,
  login,
  tls,
  tuning,
});

/** One try to connect: the first thing that goes wrong is the reason. The connection is the caller's to close, either way. */
async function connectTo(endpoint: Endpoint, { signal }: CheckupOptions): Promise<{ client: Redis; reason: string | null }> {
  const client = openConnection({ endpoint, name: 'forebay-doctor', chance: systemChance, stays: true });
  const first = Promise.withResolvers<string | null>();
  client.once('ready', () => first.resolve(null));
  client.on('error', (error: Error) => first.resolve(error.message));
  client.once('close', () => first.resolve('it closed the connection'));
  const reason = await Promise.race([first.promise, rejectsWhen(signal, '')]).catch(() => 'it accepted the connection and did not answer');
  return { client, reason };
}

function rejectsWhen(signal: AbortSignal, why: string): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new Error(why));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
