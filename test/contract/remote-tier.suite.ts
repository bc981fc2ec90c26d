import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { EncodedEntry } from '../../src/cache/entry.ts';
import { decodeEntry, encodeEntry } from '../../src/cache/entry.ts';
import type { RemoteListener, RemoteTier } from '../../src/cache/remote-tier.ts';

/** A server that tiers share, and what a test may do to it behind their backs. */
export interface TestServer {
  open(options?: { readonly keyPrefix?: string; readonly confirmMs?: number }): RemoteTier;
  /** Deletes one key, as an eviction does. */
  evict(key: string): Promise<void>;
  /** Puts bytes under a key, as another program might. */
  falsify(key: string, bytes: Buffer): Promise<void>;
  flush(): Promise<void>;
  /** It keeps its connections and answers nothing, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** It is gone with all that it held; `start` brings it back, empty, to where it was. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const LONG = { leaseMs: 10_000, replace: false } as const;

function entry(json: string, buckets: readonly number[] = [], tier?: RemoteTier): EncodedEntry {
  return encodeEntry({
    absent: false,
    version: 7,
    ttlMs: 5000,
    point: tier?.tags.point ?? { generation: 'g', stamp: 1 },
    buckets,
    json: Buffer.from(json),
  });
}

const soon = (): number => performance.now() + 5000;

/** Notes what a tier tells its caches. */
function hear(tier: RemoteTier): { keys: string[][]; tags: number; gaps: number } {
  const heard = { keys: [] as string[][], tags: 0, gaps: 0 };
  const listener: RemoteListener = {
    onInvalidated: (keys) => void heard.keys.push([...keys]),
    onTagsChanged: () => void (heard.tags += 1),
    onGap: () => void (heard.gaps += 1),
  };
  tier.listen(listener);
  return heard;
}

async function store(tier: RemoteTier, key: string, json: string, buckets: readonly number[] = []): Promise<void> {
  await tier.read(key, soon());
  expect(await tier.acquire(key, 'token', { ...LONG, deadline: soon() })).toEqual({ outcome: 'granted' });
  expect(await tier.fill(key, 'token', { entry: entry(json, buckets, tier), expireMs: 60_000, loadedAgoMs: 0 })).toBe('stored');
}

/** What every remote tier with its bus has to do, whatever is behind it. */
export function describeRemoteTier(name: string, startServer: () => Promise<TestServer>): void {
  describe(`a remote tier on ${name}`, () => {
    let server: TestServer;
    let one: RemoteTier;
    let two: RemoteTier;

    beforeEach(async () => {
      server = await startServer();
      [one, two] = [server.open(), server.open()];
      await Promise.all([one.opened, two.opened]);
    });
    afterEach(async () => {
      await Promise.all([one.close(), two.close()]);
      await server.stop();
    });

    test('gives what was filled, to everyone, with the clock of the server', async () => {
      expect(await one.read('k', soon())).toEqual({ outcome: 'miss' });
      await store(one, 'k', '{"a":"Ω\\u0000"}');
      const read = await two.read('k', soon());
      if (read.outcome !== 'found') expect.fail(read.outcome);
      const decoded = decodeEntry(read.bytes);
      expect(decoded).toMatchObject({ version: 7, ttlMs: 5000, absent: false });
      expect(decoded?.json.toString()).toBe('{"a":"Ω\\u0000"}');
      expect(read.serverNow - (decoded?.loadedAt ?? 0)).toBeGreaterThanOrEqual(0);
      expect(read.serverNow - (decoded?.loadedAt ?? 0)).toBeLessThan(5000);
    });

    test('reads many keys of one turn, each with its own answer', async () => {
      for (let i = 0; i < 100; i += 9) await store(one, `k${i}`, String(i));
      const reads = await Promise.all(Array.from({ length: 100 }, (_, i) => two.read(`k${i}`, soon())));
      for (const [i, read] of reads.entries()) expect(read.outcome).toBe(i % 9 === 0 ? 'found' : 'miss');
    });

    test('gives the lease to one; the others are told that it is held, or given the value that has come', async () => {
      const asked = await Promise.all([
        one.acquire('k', 'a', { ...LONG, deadline: soon() }),
        two.acquire('k', 'b', { ...LONG, deadline: soon() }),
      ]);
      expect(asked.map(({ outcome }) => outcome).toSorted()).toEqual(['granted', 'held']);
      const token = asked[0].outcome === 'granted' ? 'a' : 'b';
      expect((await one.holder('k'))?.holder).toBe(token);
      expect(await one.fill('k', token, { entry: entry('1'), expireMs: 1000, loadedAgoMs: 0 })).toBe('stored');
      expect((await two.acquire('k', 'c', { ...LONG, deadline: soon() })).outcome).toBe('found');
      expect((await two.acquire('k', 'c', { ...LONG, replace: true, deadline: soon() })).outcome).toBe('granted');
    });

    test.each([
      ['was invalidated', async () => void (await two.invalidate({ keys: ['k'], buckets: [], all: false, purge: false }))],
      ['was evicted', () => server.evict('k:lease')],
      ['went with everything', () => server.flush()],
      ['was given back', async () => void (await one.fill('k', 'a', null))],
    ])('refuses the fill of a lease that %s', async (_how, lose) => {
      expect((await one.acquire('k', 'a', { ...LONG, deadline: soon() })).outcome).toBe('granted');
      await lose();
      expect(await one.fill('k', 'a', { entry: entry('1'), expireMs: 1000, loadedAgoMs: 0 })).toBe('refused');
      expect(await two.read('k', soon())).toEqual({ outcome: 'miss' });
    });

    test('refuses the fill of a lease that has run out, or is another one', async () => {
      await one.acquire('k', 'a', { leaseMs: 10, replace: false, deadline: soon() });
      expect(await one.fill('k', 'b', { entry: entry('1'), expireMs: 1000, loadedAgoMs: 0 })).toBe('refused');
      await vi.waitFor(async () => expect(await one.holder('k')).toBeNull(), { interval: 2 });
      expect(await one.fill('k', 'a', { entry: entry('1'), expireMs: 1000, loadedAgoMs: 0 })).toBe('refused');
    });

    test('deletes what is invalidated, and tells the others and not ourselves, by full names', async () => {
      const [mine, others] = [hear(one), hear(two)];
      await store(one, 'file:info:{a}', '1');
      expect(await one.invalidate({ keys: ['file:info:{a}', 'file:info:{b}'], buckets: [], all: false, purge: false })).toBe('applied');
      expect(await two.read('file:info:{a}', soon())).toEqual({ outcome: 'miss' });
      await vi.waitFor(() => expect(others.keys).toEqual([['file:info:{a}', 'file:info:{b}']]), { interval: 2 });
      expect(mine.keys).toEqual([]);
    });

    test('invalidates thousands of keys at once', async () => {
      const others = hear(two);
      const keys = Array.from({ length: 2300 }, (_, i) => `k${i}`);
      expect(await one.invalidate({ keys, buckets: [], all: false, purge: true })).toBe('applied');
      await vi.waitFor(() => expect(others.keys.flat().toSorted()).toEqual(keys.toSorted()), { interval: 2 });
    });

    test('puts a value whoever holds the lease, and tells the others', async () => {
      const others = hear(two);
      await two.acquire('k', 'a', { ...LONG, deadline: soon() });
      expect(await one.put('k', { entry: entry('2'), expireMs: 1000 })).toBe('applied');
      expect(await two.fill('k', 'a', { entry: entry('1'), expireMs: 1000, loadedAgoMs: 0 })).toBe('refused');
      const read = await two.read('k', soon());
      expect(read.outcome === 'found' && decodeEntry(read.bytes)?.json.toString()).toBe('2');
      await vi.waitFor(() => expect(others.keys).toEqual([['k']]), { interval: 2 });
    });

    test("gives a tag a later stamp, in everyone's copy", async () => {
      await Promise.all([one.read('k', soon()), two.read('k', soon())]);
      const { point } = one.tags;
      expect(two.tags.point).toEqual(point);
      const heard = hear(two);
      expect(await one.invalidate({ keys: [], buckets: [3], all: false, purge: false })).toBe('applied');
      expect(one.tags.point.stamp).toBeGreaterThan(point.stamp);
      await vi.waitFor(() => expect(two.tags.point).toEqual(one.tags.point), { interval: 2 });
      expect(heard.tags).toBe(1);
      for (const { tags } of [one, two]) {
        expect(tags.isGood(point, [3])).toBe(false);
        expect(tags.isGood(point, [4])).toBe(true);
      }
    });

    test('makes everything count as invalidated with `all`, and after the table of tags was lost', async () => {
      await one.read('k', soon());
      const { point } = one.tags;
      await one.invalidate({ keys: [], buckets: [], all: true, purge: false });
      await Promise.all([one.read('k', soon()), two.read('k', soon())]);
      expect(one.tags.isGood(point, [])).toBe(false);
      const second = one.tags.point;
      expect(two.tags.point).toEqual(second);
      await server.evict('forebay:tags');
      await one.read('k', soon());
      expect(one.tags.isGood(second, [])).toBe(false);
      expect(one.tags.behind).toBe(false);
    });

    test('finds its way back from a table of tags that is none', async () => {
      await server.falsify('forebay:tags', Buffer.from('nothing of ours'));
      expect((await one.read('k', soon())).outcome).toBe('miss');
      expect(one.tags.point.generation).not.toBe('');
    });

    test('keeps deployments with different prefixes apart', async () => {
      const other = server.open({ keyPrefix: 'staging:' });
      await other.opened;
      const heard = hear(other);
      await store(one, 'k', '1');
      await one.invalidate({ keys: ['x'], buckets: [1], all: false, purge: false });
      expect(await other.read('k', soon())).toEqual({ outcome: 'miss' });
      expect(heard).toEqual({ keys: [], tags: 0, gaps: 0 });
      await other.close();
    });

    test('answers within the deadline, and rejects nothing, while the server is frozen', async () => {
      server.freeze();
      const startedAt = performance.now();
      const deadline = startedAt + 50;
      expect(await one.read('k', deadline)).toMatchObject({ outcome: 'unavailable', reason: 'budget' });
      expect(await one.acquire('k', 'a', { ...LONG, deadline: performance.now() + 50 })).toMatchObject({ outcome: 'unavailable' });
      // 100 ms of waiting in all; the rest is room for a busy machine.
      expect(performance.now() - startedAt).toBeLessThan(1500);
      server.thaw();
      await vi.waitFor(async () => expect((await one.read('k', soon())).outcome).toBe('miss'), { timeout: 10_000 });
    });

    test('says that an invalidation is queued while the server is away, is not read before it was applied, and applies it by itself', async () => {
      const patient = server.open({ confirmMs: 100 });
      await patient.opened;
      await server.kill();
      await vi.waitFor(() => expect(patient.state()).toBe('down'));
      expect(await patient.invalidate({ keys: ['k'], buckets: [3], all: false, purge: false })).toBe('queued');
      expect((await patient.read('k', soon())).outcome).toBe('unavailable');
      await server.start();
      await vi.waitFor(() => expect(two.state()).toBe('up'), { timeout: 15_000 });
      await vi.waitFor(async () => expect((await patient.read('k', soon())).outcome).toBe('miss'), { timeout: 15_000 });
      await patient.close();
    }, 60_000);

    test('proves by an echo how far it has heard, and tells of a gap after a reconnection', async () => {
      const before = one.asOf(performance.now());
      await vi.waitFor(() => expect(one.asOf(performance.now())).toBeGreaterThan(before));
      const heard = hear(one);
      await server.kill();
      await vi.waitFor(() => expect(one.state()).toBe('down'));
      const stopped = one.asOf(performance.now());
      await server.start();
      await vi.waitFor(() => expect(heard.gaps).toBeGreaterThan(0), { timeout: 15_000 });
      await vi.waitFor(() => expect(one.asOf(performance.now())).toBeGreaterThan(stopped), { timeout: 15_000 });
    }, 60_000);

    test('may be closed with calls under way', async () => {
      const calls = [
        one.read('k', soon()),
        one.acquire('k', 'a', { ...LONG, deadline: soon() }),
        one.invalidate({ keys: ['k'], buckets: [1], all: false, purge: false }),
      ];
      await one.close();
      expect((await Promise.allSettled(calls)).every(({ status }) => status === 'fulfilled')).toBe(true);
      expect((await one.read('k', soon())).outcome).toBe('unavailable');
    });
  });
}
