import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { vi } from 'vitest';
import type { LogStore } from '../../src/cache/log-store.ts';
import type { LogTags } from '../../src/cache/log-tags.ts';
import type { RemoteTier } from '../../src/cache/remote-tier.ts';
import type { RedisOptions } from '../../src/redis/link.ts';
import { createRedisLogStore } from '../../src/redis/log-store.ts';
import type { RedisServer } from '../../src/redis/server-address.ts';
import type { RedisTierOptions } from '../../src/redis/remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import { makeCertificates } from '../support/certificates.ts';
import { createMemoryLogStore, createMemoryTier, MemoryServer } from '../support/memory-remote.ts';
import type { TestCluster } from '../support/cluster.ts';
import { startCluster } from '../support/cluster.ts';
import type { TestRedis } from '../support/redis.ts';
import { freePort, startRedis } from '../support/redis.ts';
import type { TestSentinels } from '../support/sentinel.ts';
import { startSentinels } from '../support/sentinel.ts';

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

async function readyStore(store: LogStore, parts = 1): Promise<LogStore> {
  await vi.waitFor(
    () => {
      const up = store.parts().filter((part) => part.state() === 'up').length;
      if (up < parts || !store.hears) throw new Error('the store is not connected yet');
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

/** A server that can be taken away, and how tiers and the test's own connection get to it. */
interface Place {
  readonly url: string | RedisServer;
  readonly admin: Redis;
  readonly freeze: () => void;
  readonly thaw: () => void;
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function redisWorld(): Promise<RemoteWorld> {
  const port = await freePort();
  const start = (): Promise<TestRedis> => startRedis({ port });
  const server = await start();
  return worldOn(placeOf(server, start, server.url, new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1 })));
}

/** What docs/redis.md gives as the rights that Forebay needs, and those on a Cluster besides. */
const RIGHTS =
  '~* &* +ping +hello +client|setname +info +select +time +get +mget +set +unlink +pttl +type +hget +hset +hmget +hgetall +hexists +scan +eval +evalsha +publish +subscribe +unsubscribe';
const CLUSTER_RIGHTS = '+cluster|slots +cluster|info +asking +spublish +ssubscribe +sunsubscribe';

/** Over TLS with certificates on both sides, as an ACL user that has the rights it needs and no others. */
export async function tlsWorld(): Promise<RemoteWorld> {
  const certificates = makeCertificates();
  const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
  const port = await freePort();
  const files = ['--tls-cert-file', serverCert, '--tls-key-file', serverKey, '--tls-ca-cert-file', ca];
  const args = [
    '--port',
    '0',
    '--tls-port',
    String(port),
    '--tls-auth-clients',
    'yes',
    ...files,
    '--user',
    ...`app on >hunter2 ${RIGHTS}`.split(' '),
  ];
  const start = (): Promise<TestRedis> => startRedis({ port, args });
  const server = await start();
  const url = {
    url: `rediss://localhost:${port}?caFile=${ca}`,
    username: 'app',
    password: 'hunter2',
    certFile: clientCert,
    keyFile: clientKey,
  };
  const tls = { ca: readFileSync(ca), cert: readFileSync(clientCert), key: readFileSync(clientKey) };
  const place = placeOf(server, start, url, new Redis({ port, host: '127.0.0.1', tls, maxRetriesPerRequest: 1 }));
  return worldOn({
    ...place,
    close: async () => {
      await place.close();
      certificates[Symbol.dispose]();
    },
  });
}

/** As `sentinelWorld`: one for all tests of a file. All of its nodes are taken away at once. */
let cluster: Promise<TestCluster> | undefined;

export async function clusterWorld(): Promise<RemoteWorld> {
  const user = ['--user', ...`app on >hunter2 ${RIGHTS} ${CLUSTER_RIGHTS}`.split(' ')];
  const started = await (cluster ??= startCluster({ args: user }));
  const { nodes, primaries, ask, restart, settled } = started;
  const url = { url: started.url, username: 'app', password: 'hunter2' };
  const everywhere = (...command: [string, ...(string | number | Buffer)[]]): Promise<unknown> =>
    Promise.all(primaries.map((port) => ask(port, ...command)));
  const keyed = async (key: string, ...command: [string, ...(string | number | Buffer)[]]): Promise<unknown> => {
    // Each node but one says where the key is.
    const replies = await Promise.allSettled(primaries.map((port) => ask(port, ...command)));
    const found = replies.find((reply) => reply.status === 'fulfilled');
    if (found === undefined) throw new Error(`no node has the slot of ${key}`);
    return found.value;
  };
  const tables = async (head: boolean): Promise<string[]> => {
    const found = (await everywhere('KEYS', '*forebay:log:{*')) as string[][];
    return found.flat().filter((key) => key.endsWith(':at') === head);
  };
  const kill = async (): Promise<void> => void (await Promise.all([...nodes.values()].map((node) => node.kill())));
  const start = async (): Promise<void> => {
    await restart(...primaries);
    await settled();
  };
  let isAway = false;
  await everywhere('FLUSHALL');
  const unlink = async (key: string): Promise<void> => {
    if (key === 'forebay:log' || key === 'forebay:log:at')
      for (const one of await tables(key.endsWith(':at'))) await keyed(one, 'UNLINK', one);
    else await keyed(key, 'UNLINK', key);
  };
  const stores: { close(): Promise<void> }[] = [];
  return {
    open: async (options = {}) => {
      const tier = createRedisTier({ url, ...options });
      stores.push(tier);
      await tier.opened;
      return ready(tier);
    },
    openStore: (tags, options = {}) => {
      const store = createRedisLogStore({ url, ...options }, tags);
      stores.push(store);
      return readyStore(store, primaries.length);
    },
    get: async (key) => {
      const text = (await keyed(key, 'GET', key)) as string | null;
      return text === null ? null : Buffer.from(text);
    },
    set: async (key, bytes) => {
      if (key !== 'forebay:log' && key !== 'forebay:log:at') await keyed(key, 'SET', key, bytes);
      else for (const one of await tables(key.endsWith(':at'))) await keyed(one, 'SET', one, bytes);
    },
    pttl: async (key) => Number(await keyed(key, 'PTTL', key)),
    unlink,
    flush: async () => void (await everywhere('FLUSHALL')),
    damageLog: async (fields) => {
      for (const table of await tables(false)) {
        await keyed(table, 'UNLINK', table);
        await keyed(table, 'HSET', table, ...Object.entries(fields).flat());
      }
    },
    publish: async (name, text) => {
      // The bus of a tier without a log shares its name with the table of its tags.
      const channel = name === 'forebay:bus' ? 'forebay:tags' : name;
      await keyed(channel, 'SPUBLISH', channel, text);
    },
    forgetScripts: async () => void (await everywhere('SCRIPT', 'FLUSH')),
    cutBus: async () => void (await everywhere('CLIENT', 'KILL', 'TYPE', 'pubsub')),
    freeze: () => nodes.forEach((node) => node.freeze()),
    thaw: () => nodes.forEach((node) => node.thaw()),
    kill: async () => {
      isAway = true;
      await kill();
    },
    start: async () => {
      isAway = false;
      await start();
    },
    close: async () => {
      for (const store of stores) await store.close();
      if (isAway) await start();
    },
  };
}

/** Ends what the tests of a file shared. */
export async function closeShared(): Promise<void> {
  await (await sentinels)?.stop();
  await (await cluster)?.stop();
}

/** One for all tests of a file: they take seconds to start. These wait so long that a primary which a test takes away is not replaced; failovers have tests of their own. */
let sentinels: Promise<TestSentinels> | undefined;

export async function sentinelWorld(): Promise<RemoteWorld> {
  const { url, servers, restart } = await (sentinels ??= startSentinels({ downAfterMs: 120_000 }));
  const [[port = 0] = []] = servers;
  const server = (): TestRedis => servers.get(port) as TestRedis;
  const admin = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
  await admin.flushall();
  return worldOn({
    url,
    admin,
    freeze: () => server().freeze(),
    thaw: () => server().thaw(),
    kill: () => server().kill(),
    start: () => restart(port),
    close: async () => {
      // One that a test killed is there again for the next.
      await server().kill();
      await restart(port);
    },
  });
}

function placeOf(first: TestRedis, startAgain: () => Promise<TestRedis>, url: string | RedisServer, admin: Redis): Place {
  let server = first;
  return {
    url,
    admin,
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: () => server.kill(),
    start: async () => {
      server = await startAgain();
    },
    close: () => server.kill(),
  };
}

function worldOn({ url, admin, freeze, thaw, kill, start, close }: Place): RemoteWorld {
  admin.on('error', () => {});
  const tiers: { close(): Promise<void> }[] = [];
  return {
    open: (options = {}) => {
      const tier = createRedisTier({ url, ...options });
      tiers.push(tier);
      return ready(tier);
    },
    openStore: (tags, options = {}) => {
      const store = createRedisLogStore({ url, ...options }, tags);
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
    freeze,
    thaw,
    kill,
    start,
    close: async () => {
      for (const tier of tiers) await tier.close();
      admin.disconnect();
      await close();
    },
  };
}
