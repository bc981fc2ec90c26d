import { setTimeout as pass } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { slotOf } from '../../src/redis/cluster/slots.ts';
import { moveSlot, startCluster } from '../support/cluster.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { freePort, startRedis } from '../support/redis.ts';
import { startSentinels } from '../support/sentinel.ts';
import type { Report, SteadyLoad } from './steady-load.ts';
import { startSteadyLoad } from './steady-load.ts';

/** What a read may wait for Redis before it asks the database, and what timers add to that. */
const BUDGET_MS = 50;
const TOLERANCE_MS = 30;
const BACK_WITHIN_MS = 5000;

let postgres: TestPostgres;
let databases = 0;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const newDatabase = (): Promise<string> => postgres.createDatabase(`faults_${(databases += 1)}`);

/** The figures go to the output, whether they pass or not. */
function judge(name: string, { errors, overBound, worstStaleMs, p99Ms, databaseP99Ms, worstMs, reads, writes, logLines }: Report): void {
  console.log(
    `${name}: ${reads} reads, ${writes} writes, ${errors.length} errors, worst staleness ${worstStaleMs.toFixed(0)} ms, p99 ${p99Ms.toFixed(1)} ms (of a query ${databaseP99Ms.toFixed(1)} ms), worst ${worstMs.toFixed(0)} ms, ${logLines.length} log lines`,
  );
  expect(errors).toEqual([]);
  expect(overBound).toBe(0);
  expect(p99Ms).toBeLessThan(BUDGET_MS + databaseP99Ms + TOLERANCE_MS);
  expect(logLines.length).toBeLessThan(20);
}

/** A fault has to last: its effect is the time that it takes, and there is no condition to wait for. */
async function play(load: SteadyLoad, fault: () => Promise<void>): Promise<number> {
  await load.servedByRedis();
  await fault();
  return load.servedByRedis();
}

const isBetween = (slot: number, first: number, last: number): boolean => first <= slot && slot <= last;

async function demoted(port: number): Promise<void> {
  const admin = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null });
  admin.on('error', () => {});
  try {
    await vi.waitFor(async () => expect(await admin.info('replication')).toContain('role:slave'), { timeout: 30_000, interval: 50 });
  } finally {
    admin.disconnect();
  }
}

describe('one server', () => {
  it('killed, and started again empty after 3 s', async () => {
    const port = await freePort();
    let redis = await startRedis({ port });
    await using load = await startSteadyLoad(await newDatabase(), redis.url);
    const backMs = await play(load, async () => {
      await redis.kill();
      await pass(3000);
      redis = await startRedis({ port });
    });
    judge('one server, killed', load.report());
    expect(backMs).toBeLessThan(BACK_WITHIN_MS);
    await redis.stop();
  });

  it('frozen for 5 s', async () => {
    await using redis = await startRedis();
    await using load = await startSteadyLoad(await newDatabase(), redis.url);
    const backMs = await play(load, async () => {
      redis.freeze();
      await pass(5000);
      redis.thaw();
    });
    judge('one server, frozen', load.report());
    expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  });

  it('down when we start: everything is there once it comes', async () => {
    const port = await freePort();
    await using load = await startSteadyLoad(await newDatabase(), `redis://127.0.0.1:${port}`);
    await using _ = await startRedis({ port });
    expect(await load.servedByRedis()).toBeLessThan(BACK_WITHIN_MS);
    judge('one server, down at the start', load.report());
  });
});

describe('Sentinels', () => {
  it.each(['killed', 'frozen'] as const)('a primary that is %s is left for its successor, which serves within seconds', async (how) => {
    await using sentinels = await startSentinels();
    await using load = await startSteadyLoad(await newDatabase(), sentinels.url);
    const first = await sentinels.primary();
    const server = sentinels.servers.get(first);
    const backMs = await play(load, async () => {
      if (how === 'killed') await server?.kill();
      else server?.freeze();
      while ((await sentinels.primary()) === first) await pass(50);
    });
    expect(backMs).toBeLessThan(BACK_WITHIN_MS);
    if (how === 'frozen') {
      // It goes on as a primary until the Sentinels have made it a replica.
      server?.thaw();
      await demoted(first);
    }
    judge(`Sentinels, primary ${how}`, load.report());
    await expect(load.reader.readiness()).resolves.toMatchObject({ redis: 'up' });
  });

  it('a failover that loses what was acknowledged brings no old value back', async () => {
    await using sentinels = await startSentinels({ replicas: 1 });
    await using load = await startSteadyLoad(await newDatabase(), sentinels.url);
    const first = await sentinels.primary();
    const replica = [...sentinels.servers.keys()].find((port) => port !== first) ?? 0;
    await play(load, async () => {
      // The replica hears of nothing for a while, and is what is left. Its connection is closed, since what a frozen one was sent would be read when it thaws.
      sentinels.servers.get(replica)?.freeze();
      const admin = new Redis({ port: first, host: '127.0.0.1' });
      await admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
      await pass(1500);
      const acknowledged = Number(await admin.hget('forebay:log', 'f'));
      admin.disconnect();
      await sentinels.servers.get(first)?.kill();
      sentinels.servers.get(replica)?.thaw();
      // Nobody of ours speaks to it before the Sentinels have named it.
      const left = new Redis({ port: replica, host: '127.0.0.1' });
      expect(Number(await left.hget('forebay:log', 'f'))).toBeLessThan(acknowledged - 5);
      left.disconnect();
      while ((await sentinels.primary()) === first) await pass(50);
    });
    judge('Sentinels, failover with lost writes', load.report());
  });

  it('Sentinels with a password of their own, two of three of them gone, still lead to the primary', async () => {
    await using sentinels = await startSentinels({ sentinelPassword: 'watch' });
    sentinels.signalSentinel(0, 'SIGKILL');
    sentinels.signalSentinel(1, 'SIGSTOP');
    const url = { url: sentinels.url, sentinelPassword: 'watch' };
    await using load = await startSteadyLoad(await newDatabase(), url);
    expect(await load.servedByRedis()).toBeLessThan(BACK_WITHIN_MS);
    judge('Sentinels, two away', load.report());
  });
});

describe('a Cluster', () => {
  it.each(['killed', 'frozen'] as const)('a primary that is %s costs its slots until a replica has taken over', async (how) => {
    await using cluster = await startCluster({ replicas: 1 });
    await using load = await startSteadyLoad(await newDatabase(), cluster.url);
    const [, second = 0, third = 0] = cluster.primaries;
    const server = cluster.nodes.get(second);
    await play(load, async () => {
      if (how === 'killed') await server?.kill();
      else server?.freeze();
      const isLeft = async (): Promise<boolean> =>
        !JSON.stringify(await cluster.ask(third, 'CLUSTER', 'SLOTS')).match(new RegExp(`\\[\\d+,\\d+,\\["127.0.0.1",${second},`));
      while (!(await isLeft())) await pass(50);
    });
    if (how === 'frozen') server?.thaw();
    // Keys of the very slots that the node had are served by Redis again.
    expect(await load.servedByRedis((id) => isBetween(slotOf(`file:info:{${id}}`), 5461, 10_921))).toBeLessThan(BACK_WITHIN_MS);
    judge(`Cluster, primary ${how}`, load.report());
  });

  it('slots that move under load: keys are found where they are, and nothing old comes along', async () => {
    await using cluster = await startCluster();
    await using load = await startSteadyLoad(await newDatabase(), cluster.url);
    const [from = 0, to = 0] = cluster.primaries;
    await load.servedByRedis();
    let moved = 0;
    for (let slot = 0; slot < 5461 && moved < 40; slot += 1) {
      if (Number(await cluster.ask(from, 'CLUSTER', 'COUNTKEYSINSLOT', slot)) === 0) continue;
      moved += 1;
      await moveSlot(cluster, slot, from, to);
    }
    expect(moved).toBeGreaterThan(5);
    await load.servedByRedis();
    judge(`Cluster, ${moved} slots moved`, load.report());
  });
});
