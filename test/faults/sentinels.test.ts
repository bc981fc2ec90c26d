import { setTimeout as pass } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { TestSentinels } from '../support/sentinel.ts';
import { startSentinels } from '../support/sentinel.ts';
import { useDatabases } from './databases.ts';
import { BACK_WITHIN_MS, judge, play, recovered } from './judge.ts';
import { startSteadyLoad } from './steady-load.ts';

const FROZEN_MS = 20_000;
const GONE_MS = 30_000;

const newDatabase = useDatabases();

async function saysOfItself(port: number, words: RegExp): Promise<void> {
  const admin = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null });
  admin.on('error', () => {});
  try {
    await eventually(async () => expect(await admin.info('replication')).toMatch(words), 30_000);
  } finally {
    admin.disconnect();
  }
}

const isDemoted = (port: number): Promise<void> => saysOfItself(port, /role:slave/);
const isInStep = (port: number): Promise<void> => saysOfItself(port, /master_link_status:up/);

async function hasSuccessor(sentinels: TestSentinels, port: number): Promise<void> {
  await eventually(async () => expect(await sentinels.primary()).not.toBe(port), 30_000);
}

it('a primary that is killed is left for its successor, which serves within seconds', async () => {
  await using sentinels = await startSentinels();
  await using load = await startSteadyLoad(await newDatabase(), sentinels.url);
  const first = await sentinels.primary();
  const backMs = await play(load, async () => {
    await sentinels.servers.get(first)?.kill();
    await hasSuccessor(sentinels, first);
  });
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  judge('Sentinels, primary killed', load.report());
  await expect(load.reader.readiness()).resolves.toMatchObject({ redis: 'up' });
});

it('a primary that is frozen for 20 s is left for its successor, and not gone back to', async () => {
  await using sentinels = await startSentinels();
  await using load = await startSteadyLoad(await newDatabase(), sentinels.url);
  const first = await sentinels.primary();
  const frozenAt = performance.now();
  const backMs = await play(load, async () => {
    sentinels.servers.get(first)?.freeze();
    await hasSuccessor(sentinels, first);
  });
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  await pass(Math.max(0, frozenAt + FROZEN_MS - performance.now()));
  // It goes on as a primary until the Sentinels have made it a replica.
  sentinels.servers.get(first)?.thaw();
  await isDemoted(first);
  load.weigh();
  judge('Sentinels, primary frozen for 20 s', load.report());
  await expect(load.reader.readiness()).resolves.toMatchObject({ redis: 'up' });
});

it('all servers gone for 30 s', async () => {
  await using sentinels = await startSentinels();
  await using load = await startSteadyLoad(await newDatabase(), sentinels.url);
  const ports = [...sentinels.servers.keys()];
  const backMs = await play(load, async () => {
    await Promise.all([...sentinels.servers.values()].map((server) => server.kill()));
    await pass(GONE_MS);
    const primary = await sentinels.primary();
    for (const port of [primary, ...ports.filter((one) => one !== primary)]) await sentinels.restart(port);
  });
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  judge('Sentinels, all servers gone for 30 s', load.report());
});

it('all servers restarted, one after the other, the primary last', async () => {
  await using sentinels = await startSentinels();
  await using load = await startSteadyLoad(await newDatabase(), sentinels.url);
  const first = await sentinels.primary();
  const backMs = await play(load, async () => {
    for (const port of [...sentinels.servers.keys()].filter((one) => one !== first)) {
      await sentinels.servers.get(port)?.stop();
      await sentinels.restart(port);
      await isInStep(port);
    }
    await sentinels.servers.get(first)?.stop();
    await hasSuccessor(sentinels, first);
    await sentinels.restart(first);
    await isInStep(first);
  });
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  judge('Sentinels, rolling restart', load.report());
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
  const recoveries = await recovered(load);
  expect(recoveries).toMatchObject([{ causes: ['redis_away'] }, { causes: ['redis_away'] }]);
  expect(recoveries.map(({ verified }) => verified)).toContain('replayed');
  expect(Math.max(...recoveries.map(({ replayed }) => replayed))).toBeGreaterThan(5);
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
