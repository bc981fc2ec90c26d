import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import type { TestRedis } from './redis.ts';
import { freePort, startRedis } from './redis.ts';

/** A Cluster of the test's own. */
export interface TestCluster extends AsyncDisposable {
  /** `redis+cluster://…` */
  readonly url: string;
  /** Every node by its port: the first primaries first, then their replicas in the same order. */
  readonly nodes: Map<number, TestRedis>;
  readonly primaries: readonly number[];
  /** Sends one command to one node. */
  readonly ask: (port: number, ...command: [string, ...(string | number | Buffer)[]]) => Promise<unknown>;
  /** Starts nodes again that were killed: empty, and with what they knew of the Cluster. */
  readonly restart: (...ports: number[]) => Promise<void>;
  /** Waits until all nodes that run say that every slot is served. */
  readonly settled: () => Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** Starts it on free loopback ports. Takes about two seconds without replicas, four with. */
export async function startCluster({ primaries: count = 3, replicas = 0, args = [] as readonly string[] } = {}): Promise<TestCluster> {
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-cluster-'));
  const nodes = new Map<number, TestRedis>();
  const admins = new Map<number, Redis>();
  const argsOf = (port: number): string[] => [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    path.join(dir, `${port}.conf`),
    '--cluster-node-timeout',
    '1000',
    '--repl-diskless-sync-delay',
    '0',
    ...args,
  ];
  const start = async (port?: number): Promise<number> => {
    // The name of the file has to be known before a free port is.
    for (let tries = 0; ; tries += 1) {
      const chosen = port ?? (await freePort());
      // The bus of the Cluster listens at the port 10,000 above.
      if (chosen > 55_000) continue;
      try {
        nodes.set(chosen, await startRedis({ port: chosen, args: argsOf(chosen) }));
        return chosen;
      } catch (error) {
        if (tries >= 5) throw error;
      }
    }
  };
  const ask = (port: number, ...command: [string, ...(string | number | Buffer)[]]): Promise<unknown> => {
    let admin = admins.get(port);
    if (admin === undefined) {
      admin = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 2, commandTimeout: 2000 });
      admin.on('error', () => {});
      admins.set(port, admin);
    }
    return admin.call(...command);
  };
  const stop = async (): Promise<void> => {
    for (const admin of admins.values()) admin.disconnect();
    await Promise.all([...nodes.values()].map((node) => node.kill()));
    rmSync(dir, { recursive: true, force: true });
  };
  const settled = async (): Promise<void> => {
    for (const port of nodes.keys()) {
      await eventually(async () => {
        const info = String(await ask(port, 'CLUSTER', 'INFO'));
        if (!info.includes('cluster_state:ok') || !info.includes(`cluster_known_nodes:${nodes.size}`)) throw new Error(info);
      });
    }
  };
  try {
    const primaries: number[] = [];
    for (let n = 0; n < count; n += 1) primaries.push(await start());
    for (const [n, port] of primaries.entries()) {
      await ask(port, 'CLUSTER', 'ADDSLOTSRANGE', Math.floor((n * SLOTS) / count), Math.floor(((n + 1) * SLOTS) / count) - 1);
      await ask(port, 'CLUSTER', 'SET-CONFIG-EPOCH', n + 1);
    }
    const [first = 0] = primaries;
    for (const port of primaries.slice(1)) await ask(port, 'CLUSTER', 'MEET', '127.0.0.1', first);
    await settled();
    for (const primary of primaries) {
      const id = String(await ask(primary, 'CLUSTER', 'MYID'));
      for (let n = 0; n < replicas; n += 1) {
        const replica = await start();
        await ask(replica, 'CLUSTER', 'MEET', '127.0.0.1', first);
        await eventually(() => ask(replica, 'CLUSTER', 'REPLICATE', id));
        await eventually(async () => {
          if (!String(await ask(replica, 'INFO', 'replication')).includes('master_link_status:up')) throw new Error('not linked yet');
        });
      }
    }
    await settled();
    return {
      url: `redis+cluster://${primaries.map((port) => `127.0.0.1:${port}`).join(',')}`,
      nodes,
      primaries,
      ask,
      restart: async (...ports) => {
        for (const port of ports) await start(port);
      },
      settled,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What `redis-cli --cluster reshard` does for one slot. */
export async function moveSlot({ nodes, ask }: TestCluster, slot: number, from: number, to: number): Promise<void> {
  const [fromId, toId] = await Promise.all([from, to].map(async (port) => String(await ask(port, 'CLUSTER', 'MYID'))));
  await ask(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId ?? '');
  await ask(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId ?? '');
  for (;;) {
    const keys = (await ask(from, 'CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
    if (keys.length === 0) break;
    await ask(from, 'MIGRATE', '127.0.0.1', to, '', 0, 5000, 'REPLACE', 'KEYS', ...keys);
  }
  const others = [...nodes.keys()].filter((port) => port !== to && port !== from);
  // A replica does not take it, and hears of it from the others.
  for (const port of [to, from, ...others]) await ask(port, 'CLUSTER', 'SETSLOT', slot, 'NODE', toId ?? '').catch(() => {});
}
