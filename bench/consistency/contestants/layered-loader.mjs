/** Memory, Redis and its notifications, with the settings of its documentation. */
import { Redis } from 'ioredis';
import { Loader, RedisCache, createNotificationPair } from 'layered-loader';
import { TTL_MS, contestant } from '../rival.mjs';

export const open = contestant(async ({ redisUrl, load }) => {
  const { hostname: host, port } = new URL(redisUrl);
  const connection = { host, port: Number(port) };
  const redis = new Redis(connection);
  redis.on('error', () => {});
  const [publisherRedis, consumerRedis] = [new Redis(connection), new Redis(connection)];
  for (const client of [publisherRedis, consumerRedis]) client.on('error', () => {});
  const { publisher, consumer } = createNotificationPair({ channel: 'files', publisherRedis, consumerRedis });
  const loader = new Loader({
    inMemoryCache: { cacheType: 'lru-object', ttlInMsecs: TTL_MS, maxItems: 50_000 },
    asyncCache: new RedisCache(redis, { json: true, ttlInMsecs: TTL_MS }),
    notificationConsumer: consumer,
    notificationPublisher: publisher,
    // It keeps no `null`: an absent record is wrapped.
    dataSourceGetOneFn: async (id) => ({ record: await load(id) }),
    throwIfUnresolved: true,
    throwIfLoadError: true,
  });
  await loader.init();
  return {
    get: async (id) => (await loader.get(id)).record,
    written: (id) => loader.invalidateCacheFor(id),
    close: async () => {
      await loader.close?.();
      redis.disconnect();
    },
  };
});
