import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../core/clock.ts';
import type { Chance } from '../../core/random.ts';
import type { ConnectionOptions, Endpoint } from '../connection.ts';
import { closeConnection } from '../connection.ts';
import type { HostPort, NatMap, RedisAddress } from '../server-address.ts';
import type { SlotRange } from './slots.ts';
import { mergeRanges } from './slots.ts';

/** One primary and the slots it serves. */
export interface ClusterNode extends HostPort {
  readonly ranges: readonly SlotRange[];
}

export interface TopologyOptions {
  readonly address: Extract<RedisAddress, { kind: 'cluster' }>;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly connect: (options: ConnectionOptions) => Redis;
  /** Told of each answer that differs from the one before. */
  onChange(nodes: readonly ClusterNode[]): void;
}

/** The map is asked for so often even if nothing seems amiss: one small question. */
const EVERY_MS = 1000;
/** While something is amiss (a key was elsewhere, a node is away), and not more often whatever is amiss. */
const SOON_MS = 100;
/** A node that does not answer for so long is passed over for the next. */
const ANSWER_MS = 1000;
/** After so long without a map of the highest epoch a lower one counts: the Cluster was made anew. */
const TRUST_EPOCH_MS = 10_000;

/**
 * The map of slots to primaries, kept as fresh as may be: asked of one node after the other until one answers. A node that was cut off tells of an older map; its epoch shows it, and the map of the highest epoch that
 * was seen counts. A map that is wrong for a while costs misses: each node says itself which slots it vouches for.
 */
export class ClusterTopology {
  readonly #o: TopologyOptions;
  /** Whoever may be asked, the one that answered last first. */
  #candidates: HostPort[];
  #scout: { readonly at: HostPort; readonly client: Redis } | null = null;
  #epoch = 0;
  /** When a map was last taken over. */
  #takenAt = Number.NEGATIVE_INFINITY;
  #text = '';
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking = false;
  #again = false;
  #timer: Timer | null = null;
  #closed = false;
  readonly #first = Promise.withResolvers<void>();

  constructor(options: TopologyOptions) {
    this.#o = options;
    this.#candidates = [...options.address.nodes];
    void this.#run();
  }

  /** Resolves when the first round of questions has come to an end, good or bad. */
  get opened(): Promise<void> {
    return this.#first.promise;
  }

  endpoint({ host, port }: HostPort): Endpoint {
    const { login, tls, tuning } = this.#o.address;
    return { kind: 'standalone', host, port, db: 0, login, tls, tuning };
  }

  /** The map seems to be out of date: it is asked for again, soon. */
  refresh(): void {
    if (this.#closed) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#schedule(Math.max(0, this.#askedAt + SOON_MS - this.#o.clock.now()));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#drop();
    this.#first.resolve();
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#o.clock.schedule(delayMs, () => void this.#run());
  }

  async #run(): Promise<void> {
    this.#asking = true;
    this.#again = false;
    this.#askedAt = this.#o.clock.now();
    const answered = await this.#askAround();
    this.#asking = false;
    this.#first.resolve();
    if (!this.#closed) this.#schedule(answered && !this.#again ? EVERY_MS * (0.75 + this.#o.chance.random() / 2) : SOON_MS);
  }

  async #askAround(): Promise<boolean> {
    const { length } = this.#candidates;
    for (let tries = 0; tries < length && !this.#closed; tries += 1) {
      const [at, ...others] = this.#candidates;
      if (at === undefined) return false;
      if (await this.#ask(at)) return true;
      this.#drop();
      this.#candidates = [...others, at];
    }
    return false;
  }

  async #ask(at: HostPort): Promise<boolean> {
    this.#scout ??= { at, client: this.#o.connect({ endpoint: this.endpoint(at), name: 'forebay-map', chance: this.#o.chance }) };
    const { client } = this.#scout;
    const late = Promise.withResolvers<null>();
    const timer = this.#o.clock.schedule(ANSWER_MS, () => late.resolve(null));
    try {
      const answer = await Promise.race([readMap(client), late.promise]);
      if (answer === null || this.#closed) return false;
      const [info, slots] = answer;
      const epoch = Number(/cluster_current_epoch:(\d+)/.exec(info)?.[1] ?? 0);
      const now = this.#o.clock.now();
      if (epoch < this.#epoch && now - this.#takenAt < TRUST_EPOCH_MS) return false;
      this.#epoch = epoch;
      this.#takenAt = now;
      this.#take(parseSlots(slots, at.host, this.#o.address.natMap));
      return true;
    } catch {
      return false;
    } finally {
      timer.cancel();
    }
  }

  #take({ nodes, everyone }: ParsedMap): void {
    const text = JSON.stringify(nodes);
    const [first] = this.#candidates;
    const isKnown = ({ host, port }: HostPort): boolean => everyone.some((one) => one.host === host && one.port === port);
    // The seeds stay: should all nodes have moved, they may lead to the new ones.
    const seeds = this.#o.address.nodes.filter((seed) => !isKnown(seed));
    this.#candidates = [...everyone, ...seeds].toSorted((a, b) => Number(isSame(b, first)) - Number(isSame(a, first)));
    if (text === this.#text) return;
    this.#text = text;
    this.#o.onChange(nodes);
  }

  #drop(): void {
    if (this.#scout !== null) closeConnection(this.#scout.client);
    this.#scout = null;
  }
}

const isSame = (a: HostPort, b: HostPort | undefined): boolean => b !== undefined && a.host === b.host && a.port === b.port;

async function readMap(client: Redis): Promise<[string, unknown]> {
  if (client.status !== 'ready') {
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve);
      client.once('close', () => reject(new Error('the node cannot be reached')));
    });
  }
  return Promise.all([client.call('CLUSTER', 'INFO') as Promise<string>, client.call('CLUSTER', 'SLOTS')]);
}

interface ParsedMap {
  /** Primaries with slots. */
  readonly nodes: readonly ClusterNode[];
  /** Replicas too. */
  readonly everyone: readonly HostPort[];
}

/** `CLUSTER SLOTS`: [[first, last, [host, port, id], replica...]...]. A host that is empty is that of whoever was asked. */
function parseSlots(reply: unknown, askedHost: string, natMap: NatMap): ParsedMap {
  const primaries = new Map<string, { at: HostPort; ranges: SlotRange[] }>();
  const everyone = new Map<string, HostPort>();
  for (const [first, last, ...members] of reply as [number, number, ...[string | null, number][]][]) {
    members.forEach(([host, port], place) => {
      const announced = { host: host === null || host === '' || host === '?' ? askedHost : host, port };
      const at = natMap[`${announced.host}:${port}`] ?? announced;
      const name = `${at.host}:${at.port}`;
      everyone.set(name, at);
      if (place > 0) return;
      const primary = primaries.get(name) ?? { at, ranges: [] };
      primary.ranges.push({ first, last });
      primaries.set(name, primary);
    });
  }
  const nodes = [...primaries.values()].map(({ at: { host, port }, ranges }) => ({ host, port, ranges: mergeRanges(ranges) }));
  return { nodes: nodes.toSorted((a, b) => (a.ranges[0]?.first ?? 0) - (b.ranges[0]?.first ?? 0)), everyone: [...everyone.values()] };
}
