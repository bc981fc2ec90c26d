import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RemoteInvalidation, RemoteTier } from '../../src/cache/remote-tier.ts';
import { tagBuckets } from '../../src/cache/tags.ts';
import type { RemoteWorld } from './remote-tier.world.ts';

/** Timers and a busy machine may add so much to a wait that has a limit. */
const TOLERANCE_MS = 250;
const KEY = 'f:{1}';
const T = tagBuckets(['t']);
const U = tagBuckets(['u']);

const change = (more: Partial<RemoteInvalidation>): RemoteInvalidation => ({ keys: [], buckets: [], all: false, purge: false, ...more });
const soon = (): number => performance.now() + 2000;
const entry = (body: string | Buffer = 'body', expireMs = 60_000, loadedAgoMs = 0) => ({
  entry: { beforeClock: 'head ', afterClock: Buffer.concat([Buffer.from(' tail\n'), Buffer.from(body)]) },
  expireMs,
  loadedAgoMs,
});
const lease = (more: Partial<{ leaseMs: number; replace: boolean }> = {}) => ({ leaseMs: 5000, replace: false, deadline: soon(), ...more });

async function bodyOf(tier: RemoteTier, key = KEY): Promise<string | null> {
  const read = await tier.read(key, soon());
  if (read.outcome === 'unavailable') throw new Error(`unavailable: ${read.reason}`);
  return read.outcome === 'miss' ? null : (read.bytes.toString().split('\n')[1] ?? '');
}

async function store(tier: RemoteTier, body: string, key = KEY): Promise<void> {
  await tier.acquire(key, 'store', lease({ replace: true }));
  expect(await tier.fill(key, 'store', entry(body))).toBe('stored');
}

async function elapsed(work: Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work;
  return performance.now() - from;
}

/** What holds for every remote tier. */
export function describeRemoteTier(name: string, openWorld: () => Promise<RemoteWorld>): void {
  describe(name, () => {
    let world: RemoteWorld;
    let a: RemoteTier;
    let b: RemoteTier;

    beforeEach(async () => {
      world = await openWorld();
      [a, b] = await Promise.all([world.open({ confirmMs: 300 }), world.open()]);
    });
    afterEach(async () => {
      world.thaw();
      await world.close();
    });

    describe('values and leases', () => {
      it('a key that is not there is a miss; one that was filled is found by everyone, byte for byte, with the server clock', async () => {
        expect(await a.read(KEY, soon())).toEqual({ outcome: 'miss' });
        const body = Buffer.from([0, 255, 10, 13, 128, 0xc3, 0x28]);
        await a.acquire(KEY, 'token', lease());
        const before = Date.now();
        expect(await a.fill(KEY, 'token', entry(body, 60_000, 1000))).toBe('stored');
        const read = await b.read(KEY, soon());
        if (read.outcome !== 'found') throw new Error(read.outcome);
        const [, loadedAt] = read.bytes.toString('latin1').split(' ');
        expect(read.bytes).toEqual(Buffer.concat([Buffer.from(`head ${loadedAt} tail\n`), body]));
        expect(read.serverNow - Number(loadedAt)).toBeGreaterThanOrEqual(1000);
        expect(read.serverNow - Number(loadedAt)).toBeLessThan(1000 + 5000);
        expect(Math.abs(read.serverNow - before)).toBeLessThan(5000);
        expect(await world.pttl(KEY)).toBeGreaterThan(50_000);
      });

      it('reads of one turn, far more than one MGET holds, each get their own answer', async () => {
        await store(a, 'three', 'f:{3}');
        const reads = await Promise.all(Array.from({ length: 100 }, (_, i) => bodyOf(b, `f:{${i}}`)));
        expect(reads.flatMap((body, i) => (body === null ? [] : [[i, body]]))).toEqual([[3, 'three']]);
      });

      it('the first who asks is granted the lease, the next is told that it is held, and people can see by whom', async () => {
        expect(await a.acquire(KEY, 'one', lease())).toEqual({ outcome: 'granted' });
        expect(await b.acquire(KEY, 'two', lease())).toEqual({ outcome: 'held' });
        const holder = await b.holder(KEY);
        expect(holder?.holder).toBe('one');
        expect(holder?.leftMs).toBeGreaterThan(1000);
        expect(await b.holder('f:{other}')).toBeNull();
      });

      it('who asks for the lease is handed a value that has come, unless it is known to be of no use', async () => {
        await store(a, 'new');
        expect(await b.acquire(KEY, 'two', lease())).toMatchObject({
          outcome: 'found',
          bytes: expect.any(Buffer),
          serverNow: expect.any(Number),
        });
        expect(await b.acquire(KEY, 'two', lease({ replace: true }))).toEqual({ outcome: 'granted' });
      });

      it('a lease ends by itself, and then its holder may not fill any more', async () => {
        await a.acquire(KEY, 'one', lease({ leaseMs: 30 }));
        await vi.waitFor(async () => expect(await b.acquire(KEY, 'two', lease())).toEqual({ outcome: 'granted' }), {
          timeout: 5000,
          interval: 5,
        });
        expect(await a.fill(KEY, 'one', entry('old'))).toBe('refused');
        expect(await b.fill(KEY, 'two', entry('new'))).toBe('stored');
        expect(await bodyOf(a)).toBe('new');
      });

      it.each([
        ['with another token', async () => {}, 'other'],
        ['after an invalidation', () => b.invalidate(change({ keys: [KEY] })), 'token'],
        ['after the lease was evicted', () => world.unlink(`${KEY}:lease`), 'token'],
        ['after everything was lost', () => world.flush(), 'token'],
        ['after somebody else put a value', () => b.put(KEY, entry('put')), 'token'],
      ])('a fill %s is refused', async (_, meanwhile: () => Promise<unknown>, token) => {
        await a.acquire(KEY, 'token', lease());
        await meanwhile();
        expect(await a.fill(KEY, token, entry('old'))).toBe('refused');
        expect(await bodyOf(a)).not.toBe('old');
      });

      it('a lease that is given back is free at once and stores nothing; only its holder can give it back', async () => {
        await a.acquire(KEY, 'one', lease());
        await b.fill(KEY, 'two', null);
        expect(await b.acquire(KEY, 'two', lease())).toEqual({ outcome: 'held' });
        await a.fill(KEY, 'one', null);
        expect(await bodyOf(a)).toBeNull();
        expect(await b.acquire(KEY, 'two', lease())).toEqual({ outcome: 'granted' });
      });

      it('a value goes when its time is over', async () => {
        await a.acquire(KEY, 'one', lease());
        await a.fill(KEY, 'one', entry('short', 30));
        await vi.waitFor(async () => expect(await bodyOf(b)).toBeNull(), { timeout: 5000, interval: 5 });
      });

      it('a put replaces the value, takes the lease away and tells the others', async () => {
        const heard: string[][] = [];
        b.listen({ onInvalidated: (keys) => heard.push([...keys]), onTagsChanged: () => {}, onGap: () => {} });
        await a.acquire(KEY, 'one', lease());
        expect(await a.put(KEY, entry('put'))).toBe('applied');
        expect(await bodyOf(b)).toBe('put');
        expect(await world.get(`${KEY}:lease`)).toBeNull();
        await vi.waitFor(() => expect(heard).toEqual([[KEY]]));
      });

      it.each([
        ['nothing', ''],
        ['noise', '\0\u{1f}ÿ'],
      ])('bytes that are not ours (%s) are handed over as they are', async (_, text) => {
        await world.set(KEY, Buffer.from(text));
        expect(await a.read(KEY, soon())).toMatchObject({ outcome: 'found', bytes: Buffer.from(text) });
      });

      it('a server that forgot its scripts is given them again', async () => {
        await store(a, 'one');
        await world.forgetScripts();
        expect(await Promise.all([a.acquire(KEY, 't', lease()), a.invalidate(change({ keys: [KEY], buckets: T }))])).toMatchObject([
          { outcome: 'found' },
          'applied',
        ]);
        expect(await bodyOf(b)).toBeNull();
      });
    });

    describe('invalidation', () => {
      it('deletes value and lease of every key, more of them than fit into one script call', async () => {
        const keys = Array.from({ length: 1200 }, (_, i) => `f:{${i}}`);
        await store(a, 'first', 'f:{0}');
        await store(a, 'last', 'f:{1199}');
        await a.acquire('f:{600}', 'x', lease());
        expect(await b.invalidate(change({ keys }))).toBe('applied');
        expect(await Promise.all([bodyOf(a, 'f:{0}'), bodyOf(a, 'f:{1199}'), world.get('f:{600}:lease')])).toEqual([null, null, null]);
      });

      it('deployments with different prefixes on one server do not touch each other', async () => {
        const [c, d] = await Promise.all([world.open({ keyPrefix: 'x:' }), world.open({ keyPrefix: 'y:' })]);
        const heard: unknown[] = [];
        for (const tier of [a, d])
          tier.listen({ onInvalidated: (keys) => heard.push(keys), onTagsChanged: () => heard.push('tags'), onGap: () => {} });
        await store(c, 'x');
        await store(d, 'y');
        await Promise.all([bodyOf(a), bodyOf(d)]);
        const { point } = d.tags;
        expect(await c.invalidate(change({ keys: [KEY], buckets: T }))).toBe('applied');
        expect(await Promise.all([bodyOf(c), bodyOf(d), bodyOf(a)])).toEqual([null, 'y', null]);
        expect(await world.get(`y:${KEY}`)).not.toBeNull();
        expect(d.tags.isGood(point, T)).toBe(true);
        // A message that was to come would have come before this one.
        await d.invalidate(change({ keys: ['f:{own}'] }));
        const e = await world.open({ keyPrefix: 'y:' });
        await e.invalidate(change({ keys: ['f:{mark}'] }));
        await vi.waitFor(() => expect(heard).toEqual([['f:{mark}']]));
      });
    });

    describe('tags', () => {
      it('nothing is known before the first answered read, and an entry without tags is good from then on', async () => {
        await bodyOf(a);
        expect(a.tags.point.generation).not.toBe('');
        expect(a.tags.isGood(a.tags.point, [...T, ...U])).toBe(true);
      });

      it('an invalidated tag bars entries loaded before, of this tag only, here at once and elsewhere with the message', async () => {
        await Promise.all([bodyOf(a), bodyOf(b)]);
        const before = a.tags.point;
        expect(await a.invalidate(change({ buckets: T }))).toBe('applied');
        expect(a.tags.isGood(before, T)).toBe(false);
        expect(a.tags.isGood(before, U)).toBe(true);
        expect(a.tags.isGood(a.tags.point, T)).toBe(true);
        expect(a.tags.point.stamp).toBeGreaterThan(before.stamp);
        await vi.waitFor(() => expect(b.tags.point).toEqual(a.tags.point));
        expect(b.tags.isGood(before, T)).toBe(false);
        expect(b.tags.isGood(before, U)).toBe(true);
      });

      it('stamps only grow, however fast tags are invalidated and by whomever', async () => {
        await Promise.all([bodyOf(a), bodyOf(b)]);
        const stamps: number[] = [];
        for (let i = 0; i < 50; i += 1) {
          const tier = i % 2 === 0 ? a : b;
          await tier.invalidate(change({ buckets: T }));
          await bodyOf(tier);
          stamps.push(tier.tags.point.stamp);
        }
        expect(stamps).toEqual(stamps.toSorted((x, y) => x - y));
        expect(new Set(stamps).size).toBe(50);
      });

      it('who missed a message says nothing of any entry until a read has brought the table', async () => {
        await bodyOf(b);
        const before = b.tags.point;
        const gap = Promise.withResolvers<void>();
        b.listen({ onInvalidated: () => {}, onTagsChanged: () => {}, onGap: () => gap.resolve() });
        await world.cutBus();
        await a.invalidate(change({ buckets: U }));
        await gap.promise;
        await a.invalidate(change({ buckets: T }));
        await vi.waitFor(() => expect(b.tags.isGood(before, T)).toBe(false));
        await bodyOf(b);
        expect(b.tags.behind).toBe(false);
        expect([b.tags.isGood(before, T), b.tags.isGood(before, U), b.tags.isGood(b.tags.point, [...T, ...U])]).toEqual([
          false,
          false,
          true,
        ]);
      });

      it.each([
        ['is lost', (table: string) => world.unlink(table)],
        [
          'is replaced by something of another type',
          (table: string) => world.unlink(table).then(() => world.set(table, Buffer.from('foreign'))),
        ],
      ])('when the table %s, all that was loaded before is barred, and reads go on', async (_, damage) => {
        await bodyOf(a);
        const before = a.tags.point;
        await damage('forebay:tags');
        expect(await bodyOf(a)).toBeNull();
        expect(a.tags.point.generation).not.toBe(before.generation);
        expect(a.tags.isGood(before, [])).toBe(false);
        expect(a.tags.isGood(a.tags.point, T)).toBe(true);
      });

      it('a tag that is invalidated when the table is lost makes a new one, and bars all that was loaded before, everywhere', async () => {
        await Promise.all([bodyOf(a), bodyOf(b)]);
        const before = b.tags.point;
        await world.unlink('forebay:tags');
        expect(await a.invalidate(change({ buckets: T }))).toBe('applied');
        expect(a.tags.isGood(before, [])).toBe(false);
        await vi.waitFor(() => expect(b.tags.isGood(before, [])).toBe(false));
      });

      it('`all` bars everything that was loaded before, for everyone', async () => {
        await Promise.all([bodyOf(a), bodyOf(b)]);
        const before = a.tags.point;
        expect(await a.invalidate(change({ all: true }))).toBe('applied');
        await Promise.all([bodyOf(a), vi.waitFor(() => expect(b.tags.isGood(before, [])).toBe(false))]);
        expect(a.tags.isGood(before, [])).toBe(false);
        await bodyOf(b);
        expect(b.tags.point).toEqual(a.tags.point);
      });
    });

    describe('a server that is away', () => {
      it('what could not be confirmed is queued in time; until it was applied nothing is read, and then it was applied', async () => {
        await store(a, 'old');
        await bodyOf(a);
        const before = a.tags.point;
        world.freeze();
        const wait = elapsed(a.invalidate(change({ keys: [KEY], buckets: T })).then((state) => expect(state).toBe('queued')));
        expect(await wait).toBeLessThan(300 + TOLERANCE_MS);
        // Whether the tag got its stamp is not known, so nothing may be said of any entry: other caches on this tier rely on that.
        expect(a.tags.isGood(before, U)).toBe(false);
        const unverified = { outcome: 'unavailable', reason: 'unverified' };
        expect(await a.read(KEY, soon())).toEqual(unverified);
        expect(await a.acquire(KEY, 't', { ...lease(), deadline: performance.now() + 20 })).toMatchObject({ outcome: 'unavailable' });
        world.thaw();
        await vi.waitFor(async () => expect(await bodyOf(a)).toBeNull(), { timeout: 5000, interval: 5 });
        expect(await bodyOf(b)).toBeNull();
      });

      it('a frozen server makes no read, lease or fill wait longer than its deadline, and nothing rejects', async () => {
        world.freeze();
        const deadline = performance.now() + 40;
        const reads = Array.from({ length: 40 }, (_, i) => a.read(`f:{${i}}`, deadline));
        const leases = Array.from({ length: 40 }, (_, i) => a.acquire(`f:{${i}}`, 't', { leaseMs: 1000, replace: false, deadline }));
        const replies = Promise.all([...reads, ...leases]);
        expect(await elapsed(replies)).toBeLessThan(40 + TOLERANCE_MS);
        expect(new Set((await replies).map((reply) => JSON.stringify(reply)))).toEqual(
          new Set(['{"outcome":"unavailable","reason":"budget"}']),
        );
        expect(await elapsed(a.fill(KEY, 't', entry()))).toBeLessThan(1000 + TOLERANCE_MS);
      });

      it('each read of a turn keeps its own deadline', async () => {
        world.freeze();
        const now = performance.now();
        const long = a.read('f:{long}', now + 1500);
        expect(await elapsed(a.read('f:{short}', now + 40))).toBeLessThan(40 + TOLERANCE_MS);
        world.thaw();
        expect(await long).toEqual({ outcome: 'miss' });
      });

      it('a killed server is unavailable at once; when it is back, empty, on the same address, work goes on', async () => {
        await store(a, 'old');
        await bodyOf(b);
        const before = b.tags.point;
        await world.kill();
        await vi.waitFor(() => expect(a.state()).toBe('down'));
        const replies = Promise.all([
          a.read(KEY, soon()),
          a.acquire(KEY, 't', lease()),
          a.fill(KEY, 't', null),
          a.put(KEY, entry()),
          a.holder(KEY),
        ]);
        expect(await elapsed(replies)).toBeLessThan(TOLERANCE_MS);
        expect(await replies).toMatchObject([{ outcome: 'unavailable' }, { outcome: 'unavailable' }, 'unavailable', 'queued', null]);
        expect(await a.invalidate(change({ keys: [KEY], buckets: T }))).toBe('queued');
        await world.start();
        await vi.waitFor(async () => expect(await bodyOf(a)).toBeNull(), { timeout: 10_000, interval: 10 });
        await vi.waitFor(async () => expect(await bodyOf(b)).toBeNull(), { timeout: 10_000, interval: 10 });
        expect(b.tags.isGood(before, [])).toBe(false);
        await store(a, 'new');
        expect(await bodyOf(b)).toBe('new');
      });

      it('closing settles every call under way, and later ones are unavailable', async () => {
        await store(a, 'old');
        world.freeze();
        const calls = Promise.all([
          a.read(KEY, soon()),
          a.acquire(KEY, 't', lease()),
          a.fill(KEY, 't', null),
          a.invalidate(change({ keys: [KEY] })),
          a.holder(KEY),
        ]);
        await a.close();
        expect(await calls).toMatchObject([{ outcome: 'unavailable' }, { outcome: 'unavailable' }, 'unavailable', 'queued', null]);
        expect(await a.read(KEY, soon())).toMatchObject({ outcome: 'unavailable' });
        await a.close();
      });
    });
  });
}
