import type { Redis } from 'ioredis';
import type { TestCluster } from '../../support/cluster.ts';
import { moveSlot, startCluster } from '../../support/cluster.ts';
import type { TestRedis } from '../../support/redis.ts';
import type { SeededChance } from '../random.ts';
import type { RedisControl } from './control.ts';
import { RedisFront, natMapOf } from './front.ts';
import { asked, until } from './until.ts';

/** A primary as the map has it, with its replicas and the first and last slot of each of its ranges. */
interface Member {
  readonly port: number;
  readonly replicas: readonly number[];
  readonly ranges: readonly (readonly [number, number])[];
}

/** Three primaries with a replica each. */
export class ClusterControl implements RedisControl {
  readonly topology = 'cluster';
  readonly #cluster: TestCluster;
  readonly #chance: SeededChance;
  readonly #fronts: RedisFront[] = [];
  /** Ports of nodes that were frozen, and of those that were killed. */
  readonly #frozen = new Set<number>();
  readonly #dead = new Set<number>();
  /** Whose replica was kept from it. */
  #cut: number | null = null;

  private constructor(cluster: TestCluster, chance: SeededChance) {
    this.#cluster = cluster;
    this.#chance = chance;
  }

  static async start(chance: SeededChance): Promise<ClusterControl> {
    return new ClusterControl(await startCluster({ replicas: 1 }), chance);
  }

  async front(random: () => number): Promise<RedisFront> {
    const ports = [...this.#cluster.nodes.keys()];
    const front = await RedisFront.open(ports, random, (at) => `redis+cluster://${ports.map(at).join(',')}?${natMapOf(ports, at)}`);
    this.#fronts.push(front);
    return front;
  }

  async freeze(): Promise<void> {
    const { port } = this.#chance.pick(await this.#members());
    this.#frozen.add(port);
    this.#node(port).freeze();
  }

  async thaw(): Promise<void> {
    for (const port of this.#frozen) this.#node(port).thaw();
    this.#frozen.clear();
  }

  async crash(): Promise<void> {
    await this.#kill(this.#chance.pick(await this.#members()).port);
  }

  async startEmpty(): Promise<void> {
    await this.#cluster.restart(...this.#dead);
    this.#dead.clear();
  }

  async addReplica(): Promise<void> {
    await this.startEmpty();
    await until('every primary has a replica that is in step', async () => {
      const members = await this.#members();
      if (members.some(({ replicas }) => replicas.length === 0)) return false;
      const infos = await Promise.all(
        members.flatMap(({ replicas }) => replicas).map((port) => asked(port, (client) => client.info('replication'))),
      );
      return infos.every((info) => info.includes('master_link_status:up'));
    });
  }

  /** The replica of one primary stands still, and what it was sent meanwhile is not waiting for it when it goes on. */
  async cutReplication(): Promise<void> {
    const { port, replicas } = this.#chance.pick(await this.#members());
    this.#cut = port;
    for (const replica of replicas) {
      this.#frozen.add(replica);
      this.#node(replica).freeze();
    }
    await asked(port, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'replica'));
  }

  async promote(): Promise<void> {
    const lost = this.#cut;
    if (lost === null) throw new Error('replication was not cut before');
    this.#cut = null;
    await this.#kill(lost);
    await this.thaw();
    await until(`the slots of ${lost} are served by its replica`, async () => (await this.#members()).every(({ port }) => port !== lost));
  }

  /** Moves slots with keys from one primary to another, one after the other. */
  async moveSlots(most: number): Promise<void> {
    const members = await this.#members();
    const from = this.#chance.pick(members);
    const to = this.#chance.pick(members.filter(({ port }) => port !== from.port));
    let moved = 0;
    for (const [first, last] of from.ranges)
      for (let slot = first; slot <= last && moved < most; slot += 1) {
        if (Number(await this.#cluster.ask(from.port, 'CLUSTER', 'COUNTKEYSINSLOT', slot)) === 0) continue;
        await moveSlot(this.#cluster, slot, from.port, to.port);
        moved += 1;
      }
  }

  async ask(work: (client: Redis) => Promise<void>): Promise<void> {
    for (const { port } of await this.#members()) await asked(port, work);
  }

  async #kill(port: number): Promise<void> {
    this.#dead.add(port);
    await this.#node(port).kill();
    for (const front of this.#fronts) front.cutFrom(port);
  }

  /** As the first node says that answers. */
  async #members(): Promise<Member[]> {
    for (const asking of this.#cluster.nodes.keys()) {
      if (this.#dead.has(asking) || this.#frozen.has(asking)) continue;
      const slots = (await asked(asking, (client) => client.call('CLUSTER', 'SLOTS')).catch(() => null)) as Slots | null;
      if (slots === null) continue;
      const members = new Map<number, { port: number; replicas: number[]; ranges: [number, number][] }>();
      for (const [first, last, [, port], ...others] of slots) {
        const member = members.get(port) ?? { port, replicas: others.map(([, replica]) => replica), ranges: [] };
        member.ranges.push([first, last]);
        members.set(port, member);
      }
      return [...members.values()].toSorted((a, b) => a.port - b.port);
    }
    throw new Error('no node of the Cluster answers');
  }

  #node(port: number): TestRedis {
    const node = this.#cluster.nodes.get(port);
    if (node === undefined) throw new Error(`no node was started at port ${port}`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#fronts.map((front) => front.close()));
    await this.thaw();
    await this.#cluster.stop();
  }
}

type Slots = readonly [first: number, last: number, primary: [host: string, port: number], ...replicas: [host: string, port: number][]][];
