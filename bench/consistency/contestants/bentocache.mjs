/** Memory, Redis and its bus, with the settings of its documentation. */
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import { TTL_MS, contestant } from '../rival.mjs';

export const open = contestant(async ({ redisUrl, load }) => {
  const { hostname: host, port } = new URL(redisUrl);
  const connection = { host, port: Number(port) };
  const cache = new BentoCache({
    default: 'files',
    ttl: TTL_MS,
    stores: {
      files: bentostore()
        .useL1Layer(memoryDriver({ maxItems: 50_000 }))
        .useL2Layer(redisDriver({ connection }))
        .useBus(redisBusDriver({ connection })),
    },
  });
  cache.on('error', () => {});
  return {
    // It keeps no `null`: an absent record is wrapped.
    get: async (id) => (await cache.getOrSet({ key: id, factory: async () => ({ record: await load(id) }) })).record,
    written: async (id) => void (await cache.delete({ key: id })),
    close: () => cache.disconnectAll(),
  };
});
