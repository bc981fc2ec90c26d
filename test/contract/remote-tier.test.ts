import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { noRemoteTier } from '../../src/cache/no-remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import { createMemoryTier, MemoryServer } from '../support/memory-remote.ts';
import { freePort, startRedis } from '../support/redis.ts';
import { describeRemoteTier } from './remote-tier.suite.ts';

describeRemoteTier('a real Redis', async () => {
  const port = await freePort();
  let redis = await startRedis({ port });
  const direct = async (run: (client: Redis) => Promise<unknown>): Promise<void> => {
    const client = new Redis(redis.url);
    await run(client);
    client.disconnect();
  };
  return {
    open: (options) => createRedisTier({ url: redis.url, ...options }),
    evict: (key) => direct((client) => client.unlink(key)),
    falsify: (key, bytes) => direct((client) => client.set(key, bytes)),
    flush: () => direct((client) => client.flushall()),
    freeze: () => redis.freeze(),
    thaw: () => redis.thaw(),
    kill: () => redis.kill(),
    start: async () => {
      redis = await startRedis({ port });
    },
    stop: () => redis.stop(),
  };
});

// The server of the model test: what holds there has to hold on a real one.
describeRemoteTier('the server in memory', () => {
  const server = new MemoryServer();
  const { redis } = server;
  return Promise.resolve({
    open: (options) => createMemoryTier(server, options).tier,
    evict: (key) => Promise.resolve(void redis.unlink(key)),
    falsify: (key, bytes) => Promise.resolve(redis.set(key, bytes)),
    flush: () => Promise.resolve(redis.flush()),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: () => Promise.resolve(server.kill()),
    start: () => Promise.resolve(server.start()),
    stop: () => Promise.resolve(),
  });
});

test('scripts that the server was told to forget are given to it again', async () => {
  await using redis = await startRedis();
  const tier = createRedisTier({ url: redis.url });
  await tier.opened;
  const client = new Redis(redis.url);
  for (let i = 0; i < 3; i += 1) {
    await client.script('FLUSH');
    expect(await tier.acquire(`k${i}`, 'a', { leaseMs: 1000, replace: false, deadline: performance.now() + 5000 })).toEqual({
      outcome: 'granted',
    });
  }
  client.disconnect();
  await tier.close();
});

test('a message of another version is a gap', async () => {
  await using redis = await startRedis();
  const tier = createRedisTier({ url: redis.url });
  await tier.opened;
  const gap = new Promise<void>((resolve) => {
    tier.listen({ onGap: resolve, onInvalidated: () => {}, onTagsChanged: () => {} });
  });
  const client = new Redis(redis.url);
  await client.publish('forebay:bus', '{"v":2,"o":"x","k":["a"]}');
  await gap;
  client.disconnect();
  await tier.close();
});

test('a tag table whose stamps went back has lost writes: it gets a new generation', async () => {
  await using redis = await startRedis();
  const tier = createRedisTier({ url: redis.url });
  await tier.opened;
  await tier.invalidate({ keys: [], buckets: [1], all: false, purge: false });
  const { point } = tier.tags;
  const client = new Redis(redis.url);
  await client.hset('forebay:tags', 'n', point.stamp - 1);
  expect((await tier.read('k', performance.now() + 5000)).outcome).toBe('miss');
  expect(tier.tags.point.generation).not.toBe(point.generation);
  client.disconnect();
  await tier.close();
});

test('without a remote tier tags work all the same, and nobody else is heard', async () => {
  const tier = noRemoteTier({ alone: true });
  const { point } = tier.tags;
  expect(await tier.invalidate({ keys: [], buckets: [1], all: false, purge: false })).toBe('applied');
  expect(tier.tags.isGood(point, [1])).toBe(false);
  expect(tier.tags.isGood(point, [2])).toBe(true);
  await tier.invalidate({ keys: [], buckets: [], all: true, purge: false });
  expect(tier.tags.isGood(point, [2])).toBe(false);
  expect(tier.asOf(5)).toBe(5);
  expect(noRemoteTier({ alone: false }).asOf(5)).toBe(Number.NEGATIVE_INFINITY);
});
