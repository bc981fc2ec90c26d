import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tagBuckets } from '../../src/cache/tags.ts';
import type { Follows } from './log-store.follows.ts';
import { apply, bodyOf, elapsed, EPOCH, fill, follow, HEAD, KEY, lease, loaded, logEntry, soon, TABLE } from './log-store.follows.ts';
import type { RemoteWorld } from './remote-tier.world.ts';

/** Timers and a busy machine may add so much to a wait that has a limit. */
const TOLERANCE_MS = 250;
const T = tagBuckets(['t']);
const U = tagBuckets(['u']);

/** What may become of the table, besides being lost. */
const DAMAGES: readonly [string, (world: RemoteWorld) => Promise<void>][] = [
  ['is gone, and its head with it', (world) => world.unlink(TABLE).then(() => world.unlink(HEAD))],
  [
    'is of another type, as is its head',
    async (world) => {
      for (const key of [TABLE, HEAD]) await world.unlink(key);
      await world.set(TABLE, Buffer.from('foreign'));
      await world.set(HEAD, Buffer.from('e1 0'));
    },
  ],
  ['went with everything', (world) => world.flush()],
];

/** What holds for every store that follows a log. */
export function describeLogStore(name: string, openWorld: () => Promise<RemoteWorld>): void {
  describe(name, () => {
    let world: RemoteWorld;
    let a: Follows;
    let b: Follows;

    beforeEach(async () => {
      world = await openWorld();
      [a, b] = await Promise.all([follow(world, 0), follow(world, 0)]);
    });
    afterEach(async () => {
      world.thaw();
      await world.close();
    });

    describe('entries', () => {
      it('are applied once and in order: one that comes again, and one that comes too early, change nothing and say where the fence is', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('kept', 1));
        expect(await a.whole.apply(EPOCH, logEntry(1, { keys: [KEY] }), soon())).toEqual({ outcome: 'ahead', fence: 1 });
        expect(await b.whole.apply(EPOCH, logEntry(3, { keys: [KEY], all: true }), soon())).toEqual({ outcome: 'behind', fence: 1 });
        expect(await bodyOf(b)).toBe('kept');
        await apply(b, logEntry(2));
        expect(await a.whole.fence(EPOCH, soon())).toBe(2);
      });

      it('delete value and lease of each key, 3,000 of them in one; a fill under the old lease is refused', async () => {
        await apply(a, logEntry(1));
        const keys = Array.from({ length: 3000 }, (_, i) => `f:{${i}}`);
        await fill(a, loaded('first', 1), 'f:{0}');
        await fill(a, loaded('last', 1), 'f:{2999}');
        await fill(a, loaded('other', 1), 'f:{other}');
        await a.store.acquire('f:{1500}', 'slow', lease());
        await apply(b, logEntry(2, { keys }));
        expect(await Promise.all([bodyOf(a, 'f:{0}'), bodyOf(a, 'f:{2999}'), world.get('f:{1500}:lease')])).toEqual([null, null, null]);
        expect(await a.store.fill('f:{1500}', 'slow', loaded('old', 1))).toBe('refused');
        expect(await bodyOf(a, 'f:{other}')).toBe('other');
      });

      it('a server that forgot its scripts is given them again', async () => {
        await apply(a, logEntry(1));
        await world.forgetScripts();
        await apply(a, logEntry(2));
        await world.forgetScripts();
        expect(await bodyOf(a)).toBeNull();
      });

      it('deployments with different prefixes on one server do not touch each other', async () => {
        const [c, d] = await Promise.all([follow(world, 0, { keyPrefix: 'x:' }), follow(world, 0, { keyPrefix: 'y:' })]);
        await Promise.all([apply(c, logEntry(1)), apply(d, logEntry(1))]);
        await Promise.all([fill(c, loaded('x', 1)), fill(d, loaded('y', 1))]);
        await apply(c, logEntry(2, { keys: [KEY] }));
        expect(await Promise.all([bodyOf(c), bodyOf(d), bodyOf(a)])).toEqual([null, 'y', null]);
        expect(await Promise.all([c, d].map(({ whole }) => whole.fence(EPOCH, soon())))).toEqual([2, 1]);
        expect([...a.told, ...d.told].filter((one) => typeof one === 'object' && one.entry.number === 2)).toEqual([]);
      });
    });

    describe('the table', () => {
      it.each(DAMAGES)('that %s is made anew by the entry that comes next, whatever its number: its base is there', async (_, damage) => {
        await apply(a, logEntry(1), logEntry(2));
        await fill(a, loaded('old', 2));
        await damage(world);
        await apply(b, logEntry(9));
        expect(await a.whole.fence(EPOCH, soon())).toBe(9);
        expect(await bodyOf(a)).toBeNull();
        await fill(a, loaded('new', 9));
        expect(await bodyOf(a)).toBe('new');
      });

      it.each(DAMAGES)(
        'that %s is made anew by a read, at its own place in the log: what was loaded before does not count',
        async (_, damage) => {
          await apply(a, logEntry(1), logEntry(2));
          await fill(a, loaded('old', 2));
          await damage(world);
          a.position.number = 7;
          expect(await bodyOf(a)).toBeNull();
          expect(await a.whole.fence(EPOCH, soon())).toBe(7);
          await fill(a, loaded('new', 7));
          expect(await bodyOf(a)).toBe('new');
        },
      );

      it('of another epoch is none: it is made anew by a read, and by an entry', async () => {
        await apply(a, logEntry(1), logEntry(2));
        await fill(a, loaded('old', 2));
        expect(await a.whole.fence('e2', soon())).toBe('none');
        a.position = { epoch: 'e2', number: 1 };
        expect(await bodyOf(a)).toBeNull();
        expect(await a.whole.fence('e2', soon())).toBe(1);
        expect(await b.whole.apply('e3', logEntry(1), soon())).toEqual({ outcome: 'applied' });
        expect(await a.whole.fence('e2', soon())).toBe('none');
        expect(await a.whole.fence('e3', soon())).toBe(1);
      });

      it.each([
        ['before the base', loaded('old', 4), null],
        ['at the base', loaded('good', 5), 'good'],
        ['after the base', loaded('good', 6), 'good'],
        ['of another epoch', loaded('old', 9, { epoch: 'e0' }), null],
      ])('values loaded %s', async (_, payload, body) => {
        await apply(a, logEntry(5), logEntry(6));
        await fill(a, payload);
        expect(await bodyOf(b)).toBe(body);
      });

      it('begins anew with an entry of everything, which keeps the fence going', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('old', 1));
        await apply(a, logEntry(2, { all: true }));
        expect(await bodyOf(b)).toBeNull();
        await apply(a, logEntry(3));
        await fill(a, loaded('new', 2));
        expect(await bodyOf(b)).toBe('new');
      });

      it('without a head is as it was: its head is written again by the next read', async () => {
        await apply(a, logEntry(1), logEntry(2));
        await fill(a, loaded('kept', 1));
        await world.unlink(HEAD);
        // What was read without a head is not believed, but for what was loaded at the reader's own place.
        a.position.number = 2;
        expect(await bodyOf(a)).toBeNull();
        expect(await bodyOf(a)).toBe('kept');
      });

      it('that is gone under its head serves those who know it; whoever does not makes it anew', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('kept', 1));
        a.position.number = 1;
        await bodyOf(a);
        await world.unlink(TABLE);
        expect(await bodyOf(a)).toBe('kept');
        const c = await follow(world, 1);
        expect(await bodyOf(c)).toBe('kept');
        expect(await c.whole.fence(EPOCH, soon())).toBe(1);
        await world.unlink(TABLE);
        await apply(a, logEntry(9));
        expect(await bodyOf(a)).toBeNull();
      });

      it('restarts only from the fence that was seen', async () => {
        await apply(a, logEntry(1), logEntry(2));
        await fill(a, loaded('kept', 2));
        expect(await a.whole.restart(EPOCH, 8, 1, soon())).toBe(true);
        expect(await a.whole.restart(EPOCH, 8, 'none', soon())).toBe(true);
        expect(await a.whole.fence(EPOCH, soon())).toBe(2);
        expect(await bodyOf(a)).toBe('kept');
        expect(await a.whole.restart(EPOCH, 8, 2, soon())).toBe(true);
        expect(await a.whole.fence(EPOCH, soon())).toBe(8);
        expect(await bodyOf(a)).toBeNull();
        await world.unlink(TABLE);
        expect(await a.whole.restart(EPOCH, 9, 'none', soon())).toBe(true);
        expect(await a.whole.fence(EPOCH, soon())).toBe(9);
      });

      it('with a fence that is no number is none', async () => {
        const damage = (): Promise<void> => world.unlink(HEAD).then(() => world.damageLog({ e: EPOCH, b: '0', f: 'far' }));
        await damage();
        expect(await a.whole.fence(EPOCH, soon())).toBe('none');
        await fill(a, loaded('old', 3));
        a.position.number = 5;
        expect(await bodyOf(a)).toBeNull();
        expect(await a.whole.fence(EPOCH, soon())).toBe(5);
        await damage();
        await apply(b, logEntry(9));
        expect(await a.whole.fence(EPOCH, soon())).toBe(9);
      });
    });

    describe('reads', () => {
      it('of a process that has followed the log further than the store say nothing, and tell that the store is behind', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('old', 1));
        await bodyOf(b);
        b.position.number = 2;
        expect(await bodyOf(b)).toBe('unverified');
        expect(b.told.filter((one) => one === 'behind')).toHaveLength(1);
        expect(await b.store.acquire(KEY, 't', lease())).toEqual({ outcome: 'unavailable', reason: 'unverified' });
        await apply(a, logEntry(2));
        expect(await bodyOf(b)).toBe('old');
      });

      it('of a process that does not follow the log yet say nothing', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('value', 1));
        b.position = { epoch: '', number: 0 };
        expect(await bodyOf(b)).toBe('unverified');
      });

      it('hand over damaged bytes, for the reader to count', async () => {
        await apply(a, logEntry(1));
        await world.set(KEY, Buffer.from('noise'));
        expect(await a.store.read(KEY, soon())).toMatchObject({ outcome: 'found', bytes: Buffer.from('noise') });
      });

      it('who asks for the lease is handed a value that counts; one that does not is replaced', async () => {
        await apply(a, logEntry(5));
        await fill(a, loaded('new', 5));
        expect(await b.store.acquire(KEY, 't', lease())).toMatchObject({ outcome: 'found', serverNow: expect.any(Number) });
        await fill(a, loaded('old', 4));
        expect(await b.store.acquire(KEY, 't', lease())).toEqual({ outcome: 'granted' });
        expect(await a.store.acquire(KEY, 'u', lease({ replace: true }))).toEqual({ outcome: 'held' });
        expect(await a.store.holder(KEY)).toMatchObject({ holder: 't' });
      });
    });

    describe('tags', () => {
      it('stamps of before this process followed the log come from the table, and only from there', async () => {
        await apply(a, logEntry(1), logEntry(2, { buckets: T }), logEntry(3));
        const c = await follow(world, 3);
        const before = { generation: EPOCH, stamp: 1 };
        await bodyOf(c);
        expect([c.tags.isGood(before, T), c.tags.isGood(before, U), c.tags.isGood({ ...before, stamp: 2 }, T)]).toEqual([
          false,
          true,
          true,
        ]);
      });

      it('stamps are read again when the base is another one', async () => {
        await apply(a, logEntry(1));
        await bodyOf(b);
        await world.flush();
        await apply(a, logEntry(2), logEntry(3, { buckets: U }));
        // This process has followed the log without hearing of the stamps.
        b.position.number = 3;
        await bodyOf(b);
        expect(b.tags.isGood({ generation: EPOCH, stamp: 2 }, U)).toBe(false);
      });

      it('stamps that the store did not have yet when it was first read are read once it has', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('old', 1, { buckets: T }));
        // Begins after an entry that the store has not applied.
        const c = await follow(world, 2);
        expect(await bodyOf(c)).toBe('unverified');
        await apply(a, logEntry(2, { buckets: T }));
        expect(await bodyOf(c)).toBe('old');
        expect(c.tags.isGood({ generation: EPOCH, stamp: 1 }, T)).toBe(false);
      });
    });

    describe('messages', () => {
      it('everyone hears of each applied entry, whoever applied it, and of no other', async () => {
        const entries = [
          logEntry(1, { keys: ['f:{1}', 'f:{"\\u00e9\n}'] }),
          logEntry(2, { buckets: [0, 4095], purge: true }),
          logEntry(3, { all: true }),
        ];
        await apply(a, ...entries);
        await a.whole.apply(EPOCH, logEntry(3), soon());
        await a.whole.apply(EPOCH, logEntry(9), soon());
        const expected = entries.map((entry) => ({ epoch: EPOCH, entry }));
        await vi.waitFor(() => expect([a.told, b.told]).toEqual([expected, expected]));
      });

      it('an entry is told after it was applied: whoever hears of it finds nothing old', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('old', 1));
        const heard = Promise.withResolvers<string | null>();
        b.store.listen(
          {
            onEntry: () => heard.resolve(bodyOf(b)),
            onGap: () => {},
            onUnreadable: () => {},
            onBehind: () => {},
            onWake: () => {},
            onAnew: () => {},
            onUp: () => {},
          },
          () => ({ epoch: EPOCH, number: 2 }),
        );
        await apply(a, logEntry(2, { keys: [KEY] }));
        expect(await heard.promise).toBeNull();
      });

      it('a wake-up is heard by everyone', async () => {
        a.store.wake();
        await vi.waitFor(() => expect([a.told, b.told]).toEqual([['wake'], ['wake']]));
      });

      it.each([
        ['of an older version', '{"v":1,"e":"e1","n":1,"k":[],"b":[],"a":0,"x":0}'],
        ['of a newer version', '{"v":3,"e":"e1","n":1,"k":[],"b":[],"a":0,"x":0}'],
        ['that is no JSON', 'invalidate everything'],
        ['with keys that are no texts', '{"v":2,"e":"e1","n":1,"k":[1],"b":[],"a":0,"x":0}'],
        ['with buckets that are no numbers', '{"v":2,"e":"e1","n":1,"k":[],"b":["1"],"a":0,"x":0}'],
        ['without a number', '{"v":2,"e":"e1","k":[],"b":[],"a":0,"x":0}'],
        ['that is null', 'null'],
      ])('a message %s is told to be one that cannot be read', async (_, text) => {
        await world.publish(TABLE, text);
        await vi.waitFor(() => expect(b.told).toEqual(['unreadable']));
      });

      it('a lost subscription is a gap, told once it is back: what was sent in between was missed, what is sent after is heard', async () => {
        await world.cutBus();
        await apply(a, logEntry(1));
        await vi.waitFor(() => expect(b.told).toContain('gap'), { timeout: 10_000, interval: 5 });
        expect(b.store.hears).toBe(true);
        await apply(a, logEntry(2));
        await vi.waitFor(() => expect(b.told.at(-1)).toEqual({ epoch: EPOCH, entry: logEntry(2) }), { timeout: 10_000, interval: 5 });
      });
    });

    describe('a server that is away', () => {
      it('a frozen server makes no call wait longer than its deadline, and nothing rejects', async () => {
        await bodyOf(a);
        world.freeze();
        const deadline = performance.now() + 40;
        const replies = Promise.all([
          a.store.read(KEY, deadline),
          a.store.acquire(KEY, 't', lease({ deadline })),
          a.whole.apply(EPOCH, logEntry(1), deadline),
          a.whole.fence(EPOCH, deadline),
          a.whole.restart(EPOCH, 1, 0, deadline),
        ]);
        a.store.wake();
        expect(await elapsed(replies)).toBeLessThan(40 + TOLERANCE_MS);
        const budget = { outcome: 'unavailable', reason: 'budget' };
        expect(await replies).toEqual([budget, budget, { outcome: 'unavailable' }, null, false]);
        expect(await elapsed(a.store.fill(KEY, 't', null))).toBeLessThan(1000 + TOLERANCE_MS);
      });

      it('a killed server is unavailable at once; when it is back, empty, work goes on at the reader’s place', async () => {
        await apply(a, logEntry(1));
        await fill(a, loaded('old', 1));
        await world.kill();
        await vi.waitFor(() => expect([a.store.state(), b.store.hears]).toEqual(['down', false]));
        const replies = Promise.all([
          a.store.read(KEY, soon()),
          a.whole.apply(EPOCH, logEntry(2), soon()),
          a.whole.fence(EPOCH, soon()),
          a.whole.restart(EPOCH, 2, 1, soon()),
          a.store.holder(KEY),
        ]);
        a.store.wake();
        expect(await elapsed(replies)).toBeLessThan(TOLERANCE_MS);
        expect(await replies).toMatchObject([{ outcome: 'unavailable' }, { outcome: 'unavailable' }, null, false, null]);
        await world.start();
        await vi.waitFor(() => expect(a.told).toContain('up'), { timeout: 10_000, interval: 5 });
        expect(await a.whole.fence(EPOCH, soon())).toBe('none');
        await vi.waitFor(async () => expect(await bodyOf(a)).toBeNull(), { timeout: 10_000, interval: 5 });
        expect(await a.whole.fence(EPOCH, soon())).toBe(0);
      });

      it('closing settles every call under way, and later ones are unavailable', async () => {
        await bodyOf(a);
        world.freeze();
        const calls = Promise.all([
          a.store.read(KEY, soon()),
          a.store.acquire(KEY, 't', lease()),
          a.whole.apply(EPOCH, logEntry(1), soon()),
          a.whole.fence(EPOCH, soon()),
          a.whole.restart(EPOCH, 1, 0, soon()),
          a.store.holder(KEY),
        ]);
        await a.store.close();
        expect(await calls).toMatchObject([
          { outcome: 'unavailable' },
          { outcome: 'unavailable' },
          { outcome: 'unavailable' },
          null,
          false,
          null,
        ]);
        expect(await a.whole.fence(EPOCH, soon())).toBeNull();
        a.store.wake();
        await a.store.close();
      });
    });
  });
}
