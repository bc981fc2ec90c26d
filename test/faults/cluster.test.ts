import { setTimeout as pass } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { slotOf } from '../../src/redis/cluster/slots.ts';
import { eventually } from '../support/eventually.ts';
import type { TestCluster } from '../support/cluster.ts';
import { moveSlot, startCluster } from '../support/cluster.ts';
import { useDatabases } from './databases.ts';
import { BACK_WITHIN_MS, HEALTHY, judge, play } from './judge.ts';
import { startSteadyLoad } from './steady-load.ts';

const FROZEN_MS = 20_000;
const GONE_MS = 30_000;
/** Slots of the second primary. */
const isOfSecond = (id: string): boolean => {
  const slot = slotOf(`file:info:{${id}}`);
  return 5461 <= slot && slot <= 10_921;
};

const newDatabase = useDatabases();

/** Waits until slots that a node served are served by another one. */
async function isLeft(cluster: TestCluster, port: number): Promise<void> {
  const asked = [...cluster.nodes.keys()].find((one) => one !== port) ?? 0;
  const serves = new RegExp(`\\[\\d+,\\d+,\\["127.0.0.1",${port},`);
  await eventually(async () => expect(JSON.stringify(await cluster.ask(asked, 'CLUSTER', 'SLOTS'))).not.toMatch(serves), 30_000);
}

async function isLinked(cluster: TestCluster, port: number): Promise<void> {
  await eventually(async () => expect(String(await cluster.ask(port, 'INFO', 'replication'))).toMatch(/master_link_status:up/), 30_000);
}

it('a primary that is killed costs its slots until a replica has taken over', async () => {
  await using cluster = await startCluster({ replicas: 1, args: HEALTHY });
  await using load = await startSteadyLoad(await newDatabase(), cluster.url);
  const [, second = 0] = cluster.primaries;
  // Keys of the very slots that the node had are served by Redis again.
  const backMs = await play(
    load,
    async () => {
      await cluster.nodes.get(second)?.kill();
      await isLeft(cluster, second);
    },
    isOfSecond,
  );
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  judge('Cluster, primary killed', load.report());
});

it('a primary that is frozen for 20 s costs its slots until a replica has taken over', async () => {
  await using cluster = await startCluster({ replicas: 1, args: HEALTHY });
  await using load = await startSteadyLoad(await newDatabase(), cluster.url);
  const [, second = 0] = cluster.primaries;
  const frozenAt = performance.now();
  const backMs = await play(
    load,
    async () => {
      cluster.nodes.get(second)?.freeze();
      await isLeft(cluster, second);
    },
    isOfSecond,
  );
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  await pass(Math.max(0, frozenAt + FROZEN_MS - performance.now()));
  cluster.nodes.get(second)?.thaw();
  await isLinked(cluster, second);
  load.weigh();
  judge('Cluster, primary frozen for 20 s', load.report());
});

it('all nodes gone for 30 s', async () => {
  await using cluster = await startCluster({ replicas: 1, args: HEALTHY });
  await using load = await startSteadyLoad(await newDatabase(), cluster.url);
  const ports = [...cluster.nodes.keys()];
  const backMs = await play(load, async () => {
    await Promise.all([...cluster.nodes.values()].map((node) => node.kill()));
    await pass(GONE_MS);
    await cluster.restart(...ports);
    await cluster.settled();
  });
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  judge('Cluster, all nodes gone for 30 s', load.report());
});

it('all nodes restarted, one after the other', async () => {
  await using cluster = await startCluster({ replicas: 1, args: HEALTHY });
  await using load = await startSteadyLoad(await newDatabase(), cluster.url);
  const backMs = await play(load, async () => {
    for (const port of [...cluster.nodes.keys()].toReversed()) {
      const wasPrimary = cluster.primaries.includes(port);
      await cluster.nodes.get(port)?.stop();
      if (wasPrimary) await isLeft(cluster, port);
      await cluster.restart(port);
      await isLinked(cluster, port);
    }
  });
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  judge('Cluster, rolling restart', load.report());
});

it('slots that move under load: keys are found where they are, and nothing old comes along', async () => {
  await using cluster = await startCluster({ args: HEALTHY });
  await using load = await startSteadyLoad(await newDatabase(), cluster.url);
  const [from = 0, to = 0] = cluster.primaries;
  let moved = 0;
  await play(load, async () => {
    for (let slot = 0; slot < 5461 && moved < 40; slot += 1) {
      if (Number(await cluster.ask(from, 'CLUSTER', 'COUNTKEYSINSLOT', slot)) === 0) continue;
      moved += 1;
      await moveSlot(cluster, slot, from, to);
    }
  });
  expect(moved).toBeGreaterThan(5);
  judge(`Cluster, ${moved} slots moved`, load.report());
});
