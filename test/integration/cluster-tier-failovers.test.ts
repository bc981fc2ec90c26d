import { describe, expect, it, vi } from 'vitest';
import { slotOf } from '../../src/redis/cluster/slots.ts';
import { startCluster } from '../support/cluster.ts';
import { cutOffReplica, ownerOf, replicaOf } from '../support/cluster-changes.ts';
import { HeldConnections } from '../support/held-connections.ts';
import { bodyOf, change, entry, lease, newKey, openTier, PATIENCE, raw, store, T, TABLE } from './cluster-tier.world.ts';

/** The tier without a log while nodes of a Cluster are lost, and replicas take over that lack the last writes. */

describe('the node of a key is lost, and its replica takes over without the last writes', () => {
  it('no value of before counts, no fill of before is stored, for whoever was there and for whoever comes; and then it serves', async () => {
    await using cluster = await startCluster({ replicas: 1 });
    await using a = await openTier(cluster);
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    const slow = await newKey(cluster, { with: slotOf(key) });
    const far = await newKey(cluster, { with: slotOf(TABLE) });
    for (const one of [key, far]) await store(a, one, 'old');
    await a.acquire(slow, 'slow', lease());
    const { promote } = await cutOffReplica(cluster, slotOf(key));
    expect(await a.invalidate(change({ keys: [key, slow] }))).toBe('applied');
    const port = await promote();
    // What was acknowledged is lost, and what it had deleted is back.
    expect(await raw(cluster, port, key)).toMatch(/old$/);
    expect(await raw(cluster, port, `${slow}:lease`)).toMatch(/slow$/);
    await using b = await openTier(cluster);
    expect(await Promise.all([bodyOf(a, key), bodyOf(b, key)])).toEqual([null, null]);
    await vi.waitFor(async () => expect(await a.fill(slow, 'slow', entry('old'))).toBe('refused'), PATIENCE);
    expect(await bodyOf(b, slow)).toBeNull();
    // What is on other nodes goes on to count.
    expect(await bodyOf(b, far)).toBe('old');
    await store(a, key, 'new');
    expect(await bodyOf(b, key)).toBe('new');
  });
});

describe('the node of the tag table and the bus is lost', () => {
  it('and its replica takes over without the last stamps: all that was loaded before is barred for everyone', async () => {
    await using cluster = await startCluster({ replicas: 1 });
    await using a = await openTier(cluster);
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    const point = await store(a, key, 'old');
    const { promote } = await cutOffReplica(cluster, slotOf(TABLE));
    expect(await a.invalidate(change({ buckets: T }))).toBe('applied');
    const { stamp } = a.tags.point;
    // Whoever knows the stamp would see that it is missing; who comes later cannot.
    await a.close();
    const port = await promote();
    // The table that it has knows nothing of the tag.
    const [generation, last] = (await cluster.ask(port, 'HMGET', TABLE, 'g', 'n')) as string[];
    expect([generation, Number(last) < stamp]).toEqual([point.generation, true]);
    // The value is on a node that lost nothing, and was not deleted: only its point says that it is too old.
    await using b = await openTier(cluster);
    expect(await bodyOf(b, key)).toBe('old');
    expect([b.tags.isGood(point, T), b.tags.isGood(b.tags.point, T)]).toEqual([false, true]);
  });

  it('nothing is proven while it is away; what was invalidated meanwhile is unread, and others hear of it or of a gap after it', async () => {
    await using cluster = await startCluster({ replicas: 1 });
    await using a = await openTier(cluster, { confirmMs: 200 });
    await using b = await openTier(cluster);
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    await store(a, key, 'old');
    const { primary, promote } = await cutOffReplica(cluster, slotOf(TABLE));
    await cluster.nodes.get(primary)?.kill();
    const lostAt = performance.now();
    expect(await a.invalidate(change({ keys: [key] }))).toBe('queued');
    expect(await a.read(key, performance.now() + 1000)).toEqual({ outcome: 'unavailable', reason: 'unverified' });
    // It deleted, and could not tell.
    expect(await raw(cluster, await ownerOf(cluster, slotOf(key)), key)).toBeNull();
    // Two bounds: long enough for an echo, if there were one.
    await vi.waitFor(() => expect(performance.now() - lostAt).toBeGreaterThan(400), PATIENCE);
    expect(b.asOf(0)).toBeLessThanOrEqual(lostAt);
    expect(b.heard).toEqual([]);
    await promote();
    expect(await bodyOf(a, key)).toBeNull();
    const confirmedAt = performance.now();
    await vi.waitFor(() => expect(b.asOf(0)).toBeGreaterThan(confirmedAt), PATIENCE);
    expect(b.heard[0]).toBe('gap');
    expect(await bodyOf(b, key)).toBeNull();
    expect(await a.invalidate(change({ keys: ['f:{after}'] }))).toBe('applied');
    await vi.waitFor(() => expect(b.heard.at(-1)).toEqual(['f:{after}']), PATIENCE);
  });

  it('a process that has not heard that it was replaced, and still hears it, proves nothing', async () => {
    await using cluster = await startCluster({ replicas: 1 });
    const held = new HeldConnections();
    await using b = await openTier(cluster, { connect: held.connect });
    const [primary, replica] = [await ownerOf(cluster, slotOf(TABLE)), await replicaOf(cluster, slotOf(TABLE))];
    const lift = held.hold('calls', ({ name }) => name === 'forebay-map');
    // An orderly change of roles: the former primary lives on as a replica, and answers every PING.
    await vi.waitFor(() => cluster.ask(replica, 'CLUSTER', 'FAILOVER', 'TAKEOVER'), PATIENCE);
    await vi.waitFor(async () => expect(await cluster.ask(primary, 'INFO', 'replication')).toContain('role:slave'), PATIENCE);
    const replacedAt = performance.now();
    await using a = await openTier(cluster);
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    await vi.waitFor(async () => expect(await a.invalidate(change({ keys: [key] }))).toBe('applied'), PATIENCE);
    await vi.waitFor(() => expect(performance.now() - replacedAt).toBeGreaterThan(400), PATIENCE);
    expect(b.asOf(0)).toBeLessThanOrEqual(replacedAt);
    lift();
    await vi.waitFor(() => expect(b.asOf(0)).toBeGreaterThan(replacedAt), PATIENCE);
    expect(b.heard).toContain('gap');
  });
});
