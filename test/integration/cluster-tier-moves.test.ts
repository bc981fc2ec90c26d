import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { slotOf } from '../../src/redis/cluster/slots.ts';
import { readTags } from '../../src/redis/scripts.ts';
import type { TestCluster } from '../support/cluster.ts';
import { startCluster } from '../support/cluster.ts';
import { moveSlot, ownerOf, SlotMove } from '../support/cluster-changes.ts';
import { HeldConnections } from '../support/held-connections.ts';
import { bodyOf, change, entry, lease, newKey, openTier, PATIENCE, raw, store, T, TABLE } from './cluster-tier.world.ts';

/** The tier without a log while slots move, and while nodes answer in another order than they were asked. */
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

describe('a slot that has moved', () => {
  it('brings no value that counts; what is stored in its new place does', async () => {
    await using a = await openTier(cluster);
    const key = await newKey(cluster);
    await store(a, key, 'old');
    const { to } = await moveSlot(cluster, slotOf(key));
    expect(await raw(cluster, to, key)).toMatch(/old$/);
    // One that has the new map from the start: it asks the node that has the value.
    await using b = await openTier(cluster);
    expect(await Promise.all([bodyOf(a, key), bodyOf(b, key)])).toEqual([null, null]);
    await store(a, key, 'new');
    expect(await bodyOf(b, key)).toBe('new');
  });

  it('between lease and fill: the fill is refused, though the lease came along, and the next who asks is granted a lease at once', async () => {
    await using a = await openTier(cluster);
    const key = await newKey(cluster);
    expect(await a.acquire(key, 'slow', lease())).toEqual({ outcome: 'granted' });
    const { to } = await moveSlot(cluster, slotOf(key));
    expect(await raw(cluster, to, `${key}:lease`)).toMatch(/slow$/);
    await bodyOf(a, key);
    // First until the map is there, then by the script on the node that has the lease.
    await vi.waitFor(async () => expect(await a.fill(key, 'slow', entry('old'))).toBe('refused'), PATIENCE);
    expect(await raw(cluster, to, key)).toBeNull();
    await using b = await openTier(cluster);
    expect(await b.acquire(key, 'next', lease())).toEqual({ outcome: 'granted' });
    expect(await a.acquire(key, 'slow', lease())).toEqual({ outcome: 'held' });
    expect((await a.holder(key))?.holder).toBe('next');
  });

  it('is found by an invalidation of a process whose map is older, and the value is deleted where it is', async () => {
    const held = new HeldConnections();
    await using writer = await openTier(cluster, { connect: held.connect });
    await using reader = await openTier(cluster);
    const key = await newKey(cluster);
    await store(reader, key, 'one');
    const lift = held.hold('calls', ({ name }) => name === 'forebay-map');
    const { to } = await moveSlot(cluster, slotOf(key));
    await store(reader, key, 'two');
    expect(await writer.invalidate(change({ keys: [key] }))).toBe('applied');
    expect(await raw(cluster, to, key)).toBeNull();
    expect(await bodyOf(reader, key)).toBeNull();
    lift();
  });
});

describe('a slot on its way', () => {
  it.each([
    ['the value', (key: string) => [key]],
    ['the lease', (key: string) => [`${key}:lease`]],
    ['both', (key: string) => [key, `${key}:lease`]],
    ['neither', () => []],
  ])('with %s in its new place: an invalidation deletes both wherever they are, and a fill stores nothing', async (_, carried) => {
    await using a = await openTier(cluster);
    await using b = await openTier(cluster);
    const key = await newKey(cluster);
    await store(a, key, 'old');
    await a.acquire(key, 'slow', lease(true));
    const move = await SlotMove.begin(cluster, slotOf(key));
    const names = carried(key);
    if (names.length > 0) await move.carry(...names);
    expect(await b.invalidate(change({ keys: [key] }))).toBe('applied');
    for (const port of [move.from, move.to]) expect(await cluster.ask(port, 'CLUSTER', 'COUNTKEYSINSLOT', slotOf(key))).toBe(0);
    expect(await a.fill(key, 'slow', entry('old'))).not.toBe('stored');
    await move.finish();
    expect(await bodyOf(a, key)).toBeNull();
    // Nor does anything come back with the slot.
    await moveSlot(cluster, slotOf(key), move.from);
    expect(await bodyOf(a, key)).toBeNull();
  });

  it('that cannot be followed leaves an invalidation queued, and its key alone unread, until the slot is there', async () => {
    await using a = await openTier(cluster, { confirmMs: 200 });
    const [key, other] = [await newKey(cluster), await newKey(cluster)];
    await store(a, key, 'old');
    await store(a, other, 'other');
    // As if its new node were none that is in the map yet: what is left to do is wait.
    const move = await SlotMove.begin(cluster, slotOf(key));
    await move.carry(key);
    for (const port of cluster.primaries) await cluster.ask(port, 'ACL', 'SETUSER', 'default', '-asking');
    try {
      expect(await a.invalidate(change({ keys: [key] }))).toBe('queued');
      expect(await a.read(key, performance.now() + 1000)).toEqual({ outcome: 'unavailable', reason: 'unverified' });
      expect(await bodyOf(a, other)).toBe('other');
      await move.finish();
      expect(await bodyOf(a, key)).toBeNull();
      expect(await raw(cluster, move.to, key)).toBeNull();
    } finally {
      for (const port of cluster.primaries) await cluster.ask(port, 'ACL', 'SETUSER', 'default', '+asking');
    }
  });
});

describe('the slot of the tag table moves', () => {
  it('all that was loaded before is barred, the bus follows with a gap, and what is told after is heard and proven', async () => {
    await using a = await openTier(cluster);
    await using b = await openTier(cluster);
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    const point = await store(a, key, 'old');
    await bodyOf(b, key);
    await moveSlot(cluster, slotOf(TABLE));
    await vi.waitFor(() => expect(b.heard).toContain('gap'), PATIENCE);
    const movedAt = performance.now();
    await bodyOf(b, key);
    expect(b.tags.isGood(point, [])).toBe(false);
    expect(b.tags.isGood(b.tags.point, T)).toBe(true);
    expect(await a.invalidate(change({ keys: [key], buckets: T }))).toBe('applied');
    await vi.waitFor(() => expect(b.heard).toEqual(expect.arrayContaining([[key], 'tags'])), PATIENCE);
    await vi.waitFor(() => expect(b.asOf(0)).toBeGreaterThan(movedAt), PATIENCE);
  });

  it('what the node of before answers late is not taken for the table', async () => {
    const held = new HeldConnections();
    await using a = await openTier(cluster, { connect: held.connect });
    const port = await ownerOf(cluster, slotOf(TABLE));
    const key = await newKey(cluster, { with: slotOf(TABLE) });
    await bodyOf(a, key);
    const before = a.tags.point;
    const { sha1 } = readTags('', '', '', true).script;
    const lift = held.hold('answers', (place) => place.port === port && place.text.includes(sha1));
    // There is news, so that the whole table is read.
    await cluster.ask(port, 'HSET', TABLE, 'n', before.stamp + 1);
    const late = a.read(key, performance.now() + 20_000);
    await vi.waitFor(() => expect(held.waiting).toBeGreaterThan(0), PATIENCE);
    await moveSlot(cluster, slotOf(TABLE));
    await bodyOf(a, await newKey(cluster, { with: slotOf(TABLE) }));
    const { point } = a.tags;
    expect(point.generation).not.toBe(before.generation);
    lift();
    expect(await late).toEqual({ outcome: 'unavailable', reason: 'unverified' });
    expect(a.tags.point).toEqual(point);
    expect(a.tags.isGood(before, [])).toBe(false);
  });
});

describe('two nodes', () => {
  it('nobody is told of an invalidation before it has deleted', async () => {
    const held = new HeldConnections();
    await using writer = await openTier(cluster, { connect: held.connect });
    await using other = await openTier(cluster);
    await using reader = await openTier(cluster);
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    await store(reader, key, 'old');
    const port = await ownerOf(cluster, slotOf(key));
    const lift = held.hold('calls', (place) => place.name === 'forebay' && place.port === port);
    const invalidating = writer.invalidate(change({ keys: [key] }));
    await vi.waitFor(() => expect(held.waiting).toBeGreaterThan(0), PATIENCE);
    // What would have been told would have been told before this.
    await other.invalidate(change({ keys: ['f:{mark}'] }));
    await vi.waitFor(() => expect(reader.heard).toEqual([['f:{mark}']]), PATIENCE);
    expect(await bodyOf(reader, key)).toBe('old');
    lift();
    expect(await invalidating).toBe('applied');
    await vi.waitFor(() => expect(reader.heard).toEqual([['f:{mark}'], [key]]), PATIENCE);
    expect(await bodyOf(reader, key)).toBeNull();
  });

  it('no value is given out before the tag table has answered, whichever node it is on', async () => {
    const held = new HeldConnections();
    await using a = await openTier(cluster, { connect: held.connect });
    const key = await newKey(cluster, { besides: slotOf(TABLE) });
    await store(a, key, 'body');
    const port = await ownerOf(cluster, slotOf(TABLE));
    const lift = held.hold('answers', (place) => place.name === 'forebay' && place.port === port);
    expect(await a.read(key, performance.now() + 100)).toEqual({ outcome: 'unavailable', reason: 'budget' });
    const patient = a.read(key, performance.now() + 20_000);
    await vi.waitFor(() => expect(held.waiting).toBeGreaterThan(0), PATIENCE);
    lift();
    expect(await patient).toMatchObject({ outcome: 'found' });
  });

  it('an entry that was stored without a mark, on a server alone, does not count', async () => {
    await using a = await openTier(cluster);
    const key = await newKey(cluster);
    const port = await ownerOf(cluster, slotOf(key));
    await cluster.ask(port, 'SET', key, 'forebay1 value 1 1 60000 .0 -\n{}');
    expect(await bodyOf(a, key)).toBeNull();
    expect(await a.acquire(key, 'one', lease())).toEqual({ outcome: 'granted' });
  });
});
