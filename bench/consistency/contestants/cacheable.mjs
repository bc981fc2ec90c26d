/** Memory, Redis and its sync over Redis Pub/Sub, with the settings of its documentation. */
import KeyvRedis from '@keyv/redis';
import { RedisMessageProvider } from '@qified/redis';
import { Cacheable } from 'cacheable';
import { TTL_MS, contestant } from '../rival.mjs';

export const open = contestant(async ({ redisUrl, load }) => {
  const secondary = new KeyvRedis(redisUrl);
  secondary.on?.('error', () => {});
  const qified = new RedisMessageProvider({ uri: redisUrl });
  const cache = new Cacheable({ secondary, ttl: TTL_MS, sync: { qified } });
  cache.on('error', () => {});
  return {
    get: async (id) => (await cache.getOrSet(id, async () => ({ record: await load(id) }), { throwErrors: true })).record,
    written: async (id) => void (await cache.delete(id)),
    close: () => cache.disconnect(),
  };
});
