import { vi } from 'vitest';
import type { TestCluster } from './cluster.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };

type Slots = [first: number, last: number, primary: [host: string, port: number], ...replicas: [host: string, port: number][]][];

/** The range that a slot is in, as this node (a primary, if none is named) sees it. */
async function rangeOf(cluster: TestCluster, slot: number, asked = cluster.primaries[0] ?? 0): Promise<Slots[number]> {
  const found = ((await cluster.ask(asked, 'CLUSTER', 'SLOTS')) as Slots).find(([first, last]) => first <= slot && slot <= last);
  if (found === undefined) throw new Error(`nobody has slot ${slot}`);
  return found;
}

/** Port of the primary that has a slot. */
export async function ownerOf(cluster: TestCluster, slot: number, asked?: number): Promise<number> {
  return (await rangeOf(cluster, slot, asked))[2][1];
}

/** Port of the replica of a slot's primary, once the others know of it. */
export async function replicaOf(cluster: TestCluster, slot: number): Promise<number> {
  return vi.waitFor(async () => {
    const [, , , replica] = await rangeOf(cluster, slot);
    if (replica === undefined) throw new Error(`the replica for slot ${slot} is not known yet`);
    return replica[1];
  }, PATIENCE);
}

/** A slot on its way from node to node, as `redis-cli --cluster reshard` moves it; in steps, so that a test can look in between. */
export class SlotMove {
  readonly #cluster: TestCluster;
  readonly #slot: number;
  readonly from: number;
  readonly to: number;

  private constructor(cluster: TestCluster, slot: number, from: number, to: number) {
    this.#cluster = cluster;
    this.#slot = slot;
    this.from = from;
    this.to = to;
  }

  /** Opens the slot on both sides. `to`: a port. */
  static async begin(cluster: TestCluster, slot: number, to?: number): Promise<SlotMove> {
    // Right after another move a node may still believe that the slot is elsewhere.
    const from = await vi.waitFor(async () => {
      const owner = await ownerOf(cluster, slot);
      if ((await ownerOf(cluster, slot, owner)) !== owner) throw new Error(`nodes do not agree who has slot ${slot}`);
      return owner;
    }, PATIENCE);
    const move = new SlotMove(cluster, slot, from, to ?? cluster.primaries.find((port) => port !== from) ?? 0);
    await cluster.ask(move.to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', await move.#id(from));
    await cluster.ask(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', await move.#id(move.to));
    return move;
  }

  /** Takes keys over. */
  async carry(...keys: string[]): Promise<void> {
    await this.#cluster.ask(this.from, 'MIGRATE', '127.0.0.1', this.to, '', 0, 5000, 'REPLACE', 'KEYS', ...keys);
  }

  /** Takes over what is left, and says so to everybody. */
  async finish(): Promise<void> {
    const left = (await this.#cluster.ask(this.from, 'CLUSTER', 'GETKEYSINSLOT', this.#slot, 1000)) as string[];
    if (left.length > 0) await this.carry(...left);
    const others = this.#cluster.primaries.filter((port) => port !== this.from && port !== this.to);
    for (const port of [this.to, this.from, ...others])
      await this.#cluster.ask(port, 'CLUSTER', 'SETSLOT', this.#slot, 'NODE', await this.#id(this.to));
  }

  async #id(port: number): Promise<string> {
    return String(await this.#cluster.ask(port, 'CLUSTER', 'MYID'));
  }
}

export async function moveSlot(cluster: TestCluster, slot: number, to?: number): Promise<SlotMove> {
  const move = await SlotMove.begin(cluster, slot, to);
  await move.finish();
  return move;
}

/** The only replica of the node that has a slot, cut off from it so that it misses all that is written from here on. */
export async function cutOffReplica(cluster: TestCluster, slot: number): Promise<{ primary: number; promote: () => Promise<number> }> {
  const [primary, replica] = [await ownerOf(cluster, slot), await replicaOf(cluster, slot)];
  const other = cluster.primaries.find((port) => port !== primary) ?? 0;
  // What has been written so far is there.
  await vi.waitFor(async () => {
    if (Number(await cluster.ask(primary, 'WAIT', 1, 1000)) < 1) throw new Error('the replica lags behind');
  }, PATIENCE);
  cluster.nodes.get(replica)?.freeze();
  // What a frozen one was sent would be read when it thaws.
  await cluster.ask(primary, 'CLIENT', 'KILL', 'TYPE', 'replica');
  return {
    primary,
    /** The primary is killed, and the replica takes its place. Resolves to its port when the others know. */
    promote: async () => {
      await cluster.nodes.get(primary)?.kill();
      cluster.nodes.get(replica)?.thaw();
      await vi.waitFor(() => cluster.ask(replica, 'CLUSTER', 'FAILOVER', 'TAKEOVER'), PATIENCE);
      await vi.waitFor(async () => {
        if ((await ownerOf(cluster, slot, other)) !== replica) throw new Error('the others do not know yet');
      }, PATIENCE);
      return replica;
    },
  };
}
