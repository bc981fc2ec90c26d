/**
 * A process of its own with one cache on a Redis, told over IPC what to do: `{ do: 'get' | 'loads', key? }`.
 * Its database is the key `version-of:KEY` on the same Redis, read at the start of a load that then takes a while.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createCache } from '../../src/cache/cache.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';

const [url = '', loadMs = '0'] = process.argv.slice(2);
let loads = 0;
const database = new Redis(url);
const tier = createRedisTier({ url });
const cache = createCache<string, { version: number }>({
  name: 'file:info',
  remote: tier,
  budgetMs: 5000,
  leaseWaitMs: 2000,
  hardTimeoutMs: 600_000,
  source: async (key) => {
    loads += 1;
    const version = Number((await database.get(`version-of:${key}`)) ?? 1);
    await database.set(`was-read:${key}`, version);
    await pause(Number(loadMs));
    return { version };
  },
});

process.on('message', (message: { id: number; do: 'get' | 'loads'; key?: string }) => {
  const value = message.do === 'loads' ? Promise.resolve(loads) : cache.get(message.key ?? '');
  void value.then((answer) => process.send?.({ id: message.id, value: answer }));
});
process.on('disconnect', () => process.exit());
await tier.opened;
process.send?.({ id: 0, value: 'ready' });
