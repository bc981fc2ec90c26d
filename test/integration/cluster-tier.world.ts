import { expect, vi } from 'vitest';
import type { RemoteInvalidation, RemoteTier } from '../../src/cache/remote-tier.ts';
import type { TagPoint } from '../../src/cache/tags.ts';
import { tagBuckets } from '../../src/cache/tags.ts';
import { slotOf } from '../../src/redis/cluster/slots.ts';
import type { RedisTierOptions } from '../../src/redis/remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import type { TestCluster } from '../support/cluster.ts';
import { ownerOf } from '../support/cluster-changes.ts';

export const PATIENCE = { timeout: 20_000, interval: 10 };
/** Names the tag table and the channel of the bus. */
export const TABLE = 'forebay:tags';
export const T = tagBuckets(['t']);

export const change = (more: Partial<RemoteInvalidation>): RemoteInvalidation => ({
  keys: [],
  buckets: [],
  all: false,
  purge: false,
  ...more,
});
const soon = (ms = 5000): number => performance.now() + ms;
export const lease = (replace = false) => ({ leaseMs: 60_000, replace, deadline: soon() });
export const entry = (body: string) => ({
  entry: { beforeClock: 'head ', afterClock: Buffer.from(` tail\n${body}`) },
  expireMs: 60_000,
  loadedAgoMs: 0,
});

/** A tier whose nodes are all connected, and which hears the bus; closed with the scope. */
export async function openTier(
  { url }: TestCluster,
  options: Partial<RedisTierOptions> = {},
): Promise<RemoteTier & AsyncDisposable & { readonly heard: (string | readonly string[])[] }> {
  const tier = createRedisTier({ url, maxStalenessMs: 200, ...options });
  const heard: (string | readonly string[])[] = [];
  tier.listen({ onInvalidated: (keys) => heard.push(keys), onTagsChanged: () => heard.push('tags'), onGap: () => heard.push('gap') });
  await tier.opened;
  await vi.waitFor(() => expect(tier.asOf(0)).toBeGreaterThan(0), PATIENCE);
  heard.splice(0);
  return Object.assign(tier, { heard, [Symbol.asyncDispose]: () => tier.close() });
}

/** What is found under a key, `null` if it is a miss; once the tier answers. */
export async function bodyOf(tier: RemoteTier, key: string): Promise<string | null> {
  return vi.waitFor(async () => {
    const read = await tier.read(key, soon());
    if (read.outcome === 'unavailable') throw new Error(`unavailable: ${read.reason}`);
    return read.outcome === 'miss' ? null : (read.bytes.toString().split('\n')[1] ?? '');
  }, PATIENCE);
}

/** Stores a value, once the tier does. Returns the point at which it was loaded. */
export async function store(tier: RemoteTier, key: string, body: string): Promise<TagPoint> {
  await bodyOf(tier, key);
  const { point } = tier.tags;
  await vi.waitFor(async () => {
    await tier.acquire(key, 'store', lease(true));
    expect(await tier.fill(key, 'store', entry(body))).toBe('stored');
  }, PATIENCE);
  expect(await bodyOf(tier, key)).toBe(body);
  return point;
}

let keys = 0;

/** A new key whose slot is, or is not, on the node that has another slot. */
export async function newKey(cluster: TestCluster, where: { readonly besides?: number; readonly with?: number } = {}): Promise<string> {
  const { besides, with: beside } = where;
  const avoided = besides === undefined ? null : await ownerOf(cluster, besides);
  const wanted = beside === undefined ? null : await ownerOf(cluster, beside);
  for (;;) {
    keys += 1;
    const key = `f:{${keys}}`;
    const owner = await ownerOf(cluster, slotOf(key));
    if (owner !== avoided && (wanted === null || owner === wanted)) return key;
  }
}

/** What a node holds under a key, whether it counts or not. */
export async function raw({ ask }: TestCluster, port: number, key: string): Promise<unknown> {
  return ask(port, 'GET', key);
}
