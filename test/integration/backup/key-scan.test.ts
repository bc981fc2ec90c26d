import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { LogTags } from '../../../src/cache/log-tags.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { KeyScan } from '../../../src/redis/key-scan.ts';
import type { Endpoint } from '../../../src/redis/connection.ts';
import { RedisLink } from '../../../src/redis/link.ts';
import { createRedisLogStore } from '../../../src/redis/log-store.ts';
import { parseRedisServer } from '../../../src/redis/server-address.ts';
import { slotOf } from '../../../src/redis/cluster/slots.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestCluster } from '../../support/cluster.ts';
import { startCluster } from '../../support/cluster.ts';
import { moveSlot } from '../../support/cluster-changes.ts';
import { startRedis } from '../../support/redis.ts';
import { startSentinels } from '../../support/sentinel.ts';

const PREFIX = 'p*[1]?\\:';
const NEVER = new AbortController().signal;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const names = (count: number, first = 0): string[] => Array.from({ length: count }, (_, i) => `file:info:{${first + i}}`);

/** Resolves when so many replicas have them all too. */
async function fill(url: string, keys: readonly string[], replicas = 0): Promise<void> {
  const admin = new Redis(url);
  for (let at = 0; at < keys.length; at += 1000) await admin.mset(...keys.slice(at, at + 1000).flatMap((key) => [key, '1']));
  expect(await admin.wait(replicas, 10_000)).toBe(replicas);
  admin.disconnect();
}

async function open(url: string): Promise<{ scan: KeyScan; link: RedisLink }> {
  const link = new RedisLink({ keyPrefix: PREFIX }, parseRedisServer(url) as Endpoint);
  closing.push(() => link.close());
  await link.connected;
  const nodes = () => [{ name: 'it', link, slots: () => Promise.resolve('') }];
  return { scan: new KeyScan({ topology: 'standalone', keyPrefix: PREFIX, nodes, clock: systemClock, patienceMs: 2000 }), link };
}

describe('one server', () => {
  test('gives every key that begins so, whatever is in the prefix, and no others', async () => {
    await using redis = await startRedis();
    const mine = names(3000);
    await fill(redis.url, [
      ...mine.map((key) => PREFIX + key),
      ...names(500),
      ...names(500).map((key) => `px1y:${key}`),
      `${PREFIX}forebay:log`,
    ]);
    const { scan } = await open(redis.url);
    expect(await scan.count(NEVER)).toBe(4001);
    const found = new Set<string>();
    for await (const page of scan.pages('file:', NEVER)) for (const key of page) found.add(key);
    expect([...found].toSorted()).toEqual(mine.toSorted());
  });

  test('is gone over from its beginning when another one takes its place in the midst', async () => {
    let redis = await startRedis();
    const { port } = redis;
    await fill(
      redis.url,
      names(3000).map((key) => PREFIX + key),
    );
    const { scan, link } = await open(redis.url);
    const found = new Set<string>();
    let pages = 0;
    for await (const page of scan.pages('file:', NEVER)) {
      for (const key of page) found.add(key);
      pages += 1;
      if (pages !== 5) continue;
      await redis.kill();
      redis = await startRedis({ port });
      await fill(
        redis.url,
        names(2000, 10_000).map((key) => PREFIX + key),
      );
      // No call fails: the next page is asked of the other one.
      await eventually(async () => expect(await link.client.exists(`${PREFIX}file:info:{10000}`)).toBe(1));
    }
    expect(names(2000, 10_000).every((key) => found.has(key))).toBe(true);
    await redis.stop();
  });

  test('that stays away is told, and so is a wish to end', async () => {
    const redis = await startRedis();
    await fill(
      redis.url,
      names(3000).map((key) => PREFIX + key),
    );
    const { scan } = await open(redis.url);
    const ended = new AbortController();
    const pages = scan.pages('file:', ended.signal);
    await pages.next();
    ended.abort(new Error('enough'));
    await expect(pages.next()).rejects.toThrow('enough');
    const others = scan.pages('file:', NEVER);
    await others.next();
    await redis.kill();
    await expect(others.next()).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      message: expect.stringContaining('did not answer for 2 s'),
    });
  });

  test('that lets us log in without the right to scan says so', async () => {
    await using redis = await startRedis();
    const admin = new Redis(redis.url);
    await admin.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+ping', '+hello', '+client|setname', '+info', '+select');
    admin.disconnect();
    const { scan } = await open(redis.url.replace('://', '://app:secret@'));
    await expect(scan.pages('file:', NEVER).next()).rejects.toMatchObject({
      code: 'RIGHTS_MISSING',
      message: expect.stringMatching(/scan/),
    });
  });
});

test('behind Sentinels: a primary that is lost in the midst is waited for, and who takes over is gone over from the beginning', async () => {
  await using sentinels = await startSentinels();
  const primary = sentinels.servers.get(await sentinels.primary());
  if (primary === undefined) throw new Error('the Sentinels name no server of ours');
  const keys = names(3000);
  await fill(primary.url, keys, 2);
  const store = createRedisLogStore({ url: sentinels.url }, new LogTags());
  closing.push(() => void store.close());
  await store.opened;
  const found: string[] = [];
  let pages = 0;
  for await (const page of store.keys.pages('file:', NEVER)) {
    found.push(...page);
    pages += 1;
    if (pages === 5) await primary.kill();
  }
  expect(new Set(found)).toEqual(new Set(keys));
  // Some were given twice: nothing of what the first one gave says what the other one has.
  expect(found.length).toBeGreaterThan(keys.length);
});

describe('a Cluster', () => {
  test('a primary of which is lost in the midst is waited for, and its replica gone over', async () => {
    await using cluster = await startCluster({ replicas: 1 });
    const store = createRedisLogStore({ url: cluster.url }, new LogTags());
    closing.push(() => void store.close());
    await store.opened;
    const keys = names(3000);
    for (const key of keys) await cluster.ask(ownerByPlace(cluster, key), 'SET', key, '1');
    for (const port of cluster.primaries) expect(await cluster.ask(port, 'WAIT', 1, 1000)).toBe(1);
    const found = new Set<string>();
    let lost: number | null = null;
    for await (const page of store.keys.pages('file:', NEVER)) {
      for (const key of page) found.add(key);
      if (lost !== null || found.size < 1200) continue;
      // Whoever is gone over now.
      lost = ownerByPlace(cluster, page[0] as string);
      await cluster.nodes.get(lost)?.kill();
    }
    expect(lost).not.toBeNull();
    expect(found).toEqual(new Set(keys));
  });

  test('gives the keys of all its nodes, also when a slot moves to one that was gone over', async () => {
    await using cluster = await startCluster();
    const store = createRedisLogStore({ url: cluster.url }, new LogTags());
    closing.push(() => void store.close());
    await store.opened;
    const keys = names(3000);
    for (const key of keys) await cluster.ask(ownerByPlace(cluster, key), 'SET', key, '1');
    const found = new Set<string>();
    let moved = false;
    for await (const page of store.keys.pages('file:', NEVER)) {
      for (const key of page) found.add(key);
      if (found.size < 2500 || moved) continue;
      moved = true;
      // Of the node that is gone over last, to one that was: whatever it still had there is found all the same.
      const missing = keys.find((key) => !found.has(key)) as string;
      await moveSlot(cluster, slotOf(missing));
    }
    expect(moved).toBe(true);
    expect(keys.filter((key) => !found.has(key))).toEqual([]);
  });
});

/** The primary that had the slot of a key at the start. */
function ownerByPlace({ primaries }: TestCluster, key: string): number {
  const slot = slotOf(key);
  return primaries.findLast((_, n) => Math.floor((n * 16_384) / primaries.length) <= slot) ?? 0;
}
