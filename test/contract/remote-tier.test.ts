import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { noRemoteTier } from '../../src/cache/no-remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import { startRedis } from '../support/redis.ts';
import { describeRemoteTier } from './remote-tier.suite.ts';
import { closeShared, clusterWorld, memoryWorld, redisWorld, sentinelWorld, tlsWorld } from './remote-tier.world.ts';

describeRemoteTier('remote tier in memory', memoryWorld);
describeRemoteTier('remote tier on Redis', redisWorld);
describeRemoteTier('remote tier on Redis over TLS', tlsWorld);
describeRemoteTier('remote tier on Redis behind Sentinels', sentinelWorld);
describeRemoteTier('remote tier on a Cluster', clusterWorld);

afterAll(closeShared);

it('a tag table whose stamps went back has lost writes: it gets a new generation', async () => {
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

it('without a remote tier tags work all the same, and nobody else is heard', async () => {
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
