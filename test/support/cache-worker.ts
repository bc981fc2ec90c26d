/** A process of its own with one cache on a Redis, told over IPC what to do: `{ do: 'get' | 'loads', key? }`. */
import { setTimeout as pause } from 'node:timers/promises';
import { createCache } from '../../src/cache/cache.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';

const [url = '', loadMs = '0'] = process.argv.slice(2);
let loads = 0;
const tier = createRedisTier({ url });
const cache = createCache<string, { version: number }>({
  name: 'file:info',
  remote: tier,
  budgetMs: 5000,
  leaseWaitMs: 2000,
  hardTimeoutMs: 600_000,
  source: async () => {
    loads += 1;
    await pause(Number(loadMs));
    return { version: 1 };
  },
});

process.on('message', async (message: { id: number; do: 'get' | 'loads'; key?: string }) => {
  const value = message.do === 'loads' ? loads : await cache.get(message.key ?? '');
  process.send?.({ id: message.id, value });
});
process.on('disconnect', () => process.exit());
await tier.opened;
process.send?.({ id: 0, value: 'ready' });
