import { Redis } from 'ioredis';
import { vi } from 'vitest';
import type { LogStore } from '../../src/cache/log-store.ts';
import type { LogTags } from '../../src/cache/log-tags.ts';
import type { RemoteTier } from '../../src/cache/remote-tier.ts';
import type { RedisOptions } from '../../src/redis/link.ts';
import { createRedisLogStore } from '../../src/redis/log-store.ts';
import type { RedisTierOptions } from '../../src/redis/remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import { createMemoryLogStore, createMemoryTier, MemoryServer } from '../support/memory-remote.ts';
import type { TestRedis } from '../support/redis.ts';
import { freePort, startRedis } from '../support/redis.ts';

export type TierOptions = Omit<RedisTierOptions, 'url' | 'connect'>;
export type StoreOptions = Omit<RedisOptions, 'url' | 'connect'>;

/** What the contract suites need of a server besides tiers on it: to look at it, to damage it, and to take it away. */
export interface RemoteWorld {
  /** A tier that is connected and hears the bus; closed with the world. */
  open(options?: TierOptions): Promise<RemoteTier>;
  /** As `open`, a store that follows a log. */
  openStore(tags: LogTags, options?: StoreOptions): Promise<LogStore>;
  get(key: string): Promise<Buffer | null>;
  set(key: string, bytes: Buffer): Promise<void>;
  /** ms; -2: no such key. */
  pttl(key: string): Promise<number>;
  unlink(key: string): Promise<void>;
  flush(): Promise<void>;
  /** Writes these fields in place of the log table. */
  damageLog(fields: Readonly<Record<string, string>>): Promise<void>;
  publish(channel: string, text: string): Promise<void>;
  forgetScripts(): Promise<void>;
  /** Ends the connections of all subscribers; they come back by themselves. */
  cutBus(): Promise<void>;
  /** The server keeps its connections and answers nothing. */
  freeze(): void;
  thaw(): void;
  /** The server ends with all that it holds. */
  kill(): Promise<void>;
  /** It comes back empty where it was. */
  start(): Promise<void>;
  close(): Promise<void>;
}

async function ready(tier: RemoteTier): Promise<RemoteTier> {
  await vi.waitFor(
    () => {
      if (tier.state() !== 'up' || tier.asOf(0) === Number.NEGATIVE_INFINITY) throw new Error('the tier is not connected yet');
    },
    { timeout: 5000, interval: 2 },
  );
  return tier;
}

async function readyStore(store: LogStore): Promise<LogStore> {
  await vi.waitFor(
    () => {
      if (store.state() !== 'up' || !store.hears) throw new Error('the store is not connected yet');
    },
    { timeout: 5000, interval: 2 },
  );
  return store;
}

export async function memoryWorld(): Promise<RemoteWorld> {
  const server = new MemoryServer({ now: () => Date.now() });
  const { redis } = server;
  const tiers: { close(): Promise<void> }[] = [];
  return {
    open: (options = {}) => {
      const { tier } = createMemoryTier(server, options);
      tiers.push(tier);
      return ready(tier);
    },
    openStore: (tags, options = {}) => {
      const { store } = createMemoryLogStore(server, options, tags);
      tiers.push(store);
      return readyStore(store);
    },
    get: async (key) => redis.get(key),
    set: async (key, bytes) => redis.set(key, bytes),
    pttl: async (key) => redis.pttl(key),
    unlink: async (key) => void redis.unlink(key),
    flush: async () => redis.flush(),
    damageLog: async (fields) => redis.setHash('forebay:log', fields),
    publish: async (channel, text) => void redis.publish(channel, text),
    forgetScripts: async () => redis.forgetScripts(),
    cutBus: async () => {
      for (const connection of server.connections) if (connection.name === 'forebay-bus') connection.cut();
    },
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: async () => server.kill(),
    start: async () => server.start(),
    close: async () => {
      for (const tier of tiers) await tier.close();
    },
  };
}

export async function redisWorld(): Promise<RemoteWorld> {
  const port = await freePort();
  let server: TestRedis = await startRedis({ port });
  const admin = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
  admin.on('error', () => {});
  const tiers: { close(): Promise<void> }[] = [];
  return {
    open: (options = {}) => {
      const tier = createRedisTier({ url: server.url, ...options });
      tiers.push(tier);
      return ready(tier);
    },
    openStore: (tags, options = {}) => {
      const store = createRedisLogStore({ url: server.url, ...options }, tags);
      tiers.push(store);
      return readyStore(store);
    },
    get: (key) => admin.getBuffer(key),
    set: async (key, bytes) => void (await admin.set(key, bytes)),
    pttl: (key) => admin.pttl(key),
    unlink: async (key) => void (await admin.unlink(key)),
    flush: async () => void (await admin.flushall()),
    damageLog: async (fields) => void (await admin.multi().unlink('forebay:log').hset('forebay:log', fields).exec()),
    publish: async (channel, text) => void (await admin.publish(channel, text)),
    forgetScripts: async () => void (await admin.script('FLUSH')),
    cutBus: async () => void (await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: () => server.kill(),
    start: async () => {
      server = await startRedis({ port });
    },
    close: async () => {
      for (const tier of tiers) await tier.close();
      admin.disconnect();
      await server.kill();
    },
  };
}
