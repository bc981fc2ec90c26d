/** What most services have: GET, on a miss the database and SETEX, after a write DEL. No process memory, so no bus. */
import { Redis } from 'ioredis';
import { TTL_MS, contestant } from '../rival.mjs';

export const open = contestant(async ({ redisUrl, load }) => {
  const redis = new Redis(redisUrl, { commandTimeout: 500, maxRetriesPerRequest: 1 });
  redis.on('error', () => {});
  return {
    get: async (id) => {
      const text = await redis.get(`file:${id}`).catch(() => null);
      if (text !== null) return JSON.parse(text);
      const value = await load(id);
      await redis.setex(`file:${id}`, TTL_MS / 1000, JSON.stringify(value)).catch(() => {});
      return value;
    },
    written: async (id) => void (await redis.del(`file:${id}`)),
    close: async () => redis.disconnect(),
  };
});
