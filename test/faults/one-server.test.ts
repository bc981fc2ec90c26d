import { setTimeout as pass } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.ts';
import { freePort, startRedis } from '../support/redis.ts';
import { useDatabases } from './databases.ts';
import { BACK_WITHIN_MS, judge, play, recovered } from './judge.ts';
import { startSteadyLoad } from './steady-load.ts';

const newDatabase = useDatabases();

it.each([3, 30])('killed, and started again empty after %d s', async (seconds) => {
  const port = await freePort();
  let redis = await startRedis({ port });
  await using load = await startSteadyLoad(await newDatabase(), redis.url);
  const backMs = await play(load, async () => {
    await redis.kill();
    await pass(seconds * 1000);
    redis = await startRedis({ port });
  });
  judge(`one server, gone for ${seconds} s`, load.report());
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  const recoveries = await recovered(load);
  // Whoever comes second may find it filled already, by the one who found it empty.
  expect(recoveries).toContainEqual(
    expect.objectContaining({ causes: expect.arrayContaining(['redis_away', 'redis_empty']), verified: 'anew' }),
  );
  for (const recovery of recoveries) {
    expect(recovery).toMatchObject({ causes: expect.arrayContaining(['redis_away']), number: 1 });
    expect(recovery.reachedAfterMs).toBeGreaterThanOrEqual(seconds * 1000 - 250);
    expect(recovery.verifiedAfterMs).toBeGreaterThanOrEqual(recovery.reachedAfterMs ?? Infinity);
    expect(recovery.warmedAfterMs).toBeGreaterThanOrEqual(recovery.verifiedAfterMs ?? Infinity);
  }
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
  const recoveries = await recovered(load);
  expect(recoveries).toMatchObject([{ causes: ['redis_away'], warmed: 'not_needed' }, { causes: ['redis_away'] }]);
  // Whichever of the two came first.
  expect(Math.max(...recoveries.map(({ replayed }) => replayed))).toBeGreaterThan(50);
});

it('down when we start: everything is there once it comes', async () => {
  const port = await freePort();
  await using load = await startSteadyLoad(await newDatabase(), `redis://127.0.0.1:${port}`);
  await using _ = await startRedis({ port });
  expect(await load.servedByRedis()).toBeLessThan(BACK_WITHIN_MS);
  judge('one server, down at the start', load.report());
});

it('the network cut for 10 s: connections are reset, and new ones refused', async () => {
  await using redis = await startRedis();
  await using proxy = await FaultProxy.start({ target: redis.port });
  await using load = await startSteadyLoad(await newDatabase(), `redis://127.0.0.1:${proxy.port}`);
  const backMs = await play(load, async () => {
    const lift = proxy.impose({ refuse: true });
    proxy.cut('reset');
    await pass(10_000);
    lift();
  });
  judge('one server, network cut', load.report());
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
});

it.each([
  ['both ways', { toServer: { stop: true }, toClient: { stop: true } }],
  ['on the way back only', { toClient: { stop: true } }],
])('the network half-open for 10 s: connections stay, and nothing comes through %s', async (how, trouble) => {
  await using redis = await startRedis();
  await using proxy = await FaultProxy.start({ target: redis.port });
  await using load = await startSteadyLoad(await newDatabase(), `redis://127.0.0.1:${proxy.port}`);
  const backMs = await play(load, async () => {
    const lift = proxy.impose(trouble);
    await pass(10_000);
    lift();
  });
  judge(`one server, network half-open ${how}`, load.report());
  expect(backMs).toBeLessThan(BACK_WITHIN_MS);
});
