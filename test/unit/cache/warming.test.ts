import { describe, expect, test } from 'vitest';
import type { WarmResult } from '../../../src/cache/cache-types.ts';
import { noRemoteTier } from '../../../src/cache/no-remote-tier.ts';
import { Pacer } from '../../../src/cache/pacer.ts';
import type { LeaseReply, RemoteTier } from '../../../src/cache/remote-tier.ts';
import type { WarmProgress } from '../../../src/cache/warming.ts';
import { Warmer, WARMING } from '../../../src/cache/warming.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A fleet of warmers on one remote tier, whose one lease is kept here. */
function open({ popular = 1200 }: { popular?: number } = {}) {
  const clock = new FakeClock();
  const world = {
    holder: null as string | null,
    heldUntil: 0,
    done: false,
    remote: 'up' as 'off' | 'up' | 'away' | 'slow' | 'mute',
    lists: 0,
    pages: [] as number[],
  };
  const batches: { by: string; size: number }[] = [];
  const answer: { of: (size: number) => Partial<WarmResult> | Promise<Partial<WarmResult>> } = {
    of: (size) => ({ present: size, loaded: size }),
  };

  const acquire = (token: string, leaseMs: number, replace: boolean): LeaseReply => {
    if (world.remote === 'off' || world.remote === 'away') return { outcome: 'unavailable', reason: 'disconnected' };
    if (world.done && !replace) return { outcome: 'found', bytes: Buffer.from('1'), serverNow: 0 };
    if (world.holder !== null && clock.now() < world.heldUntil) return { outcome: 'held' };
    world.holder = token;
    world.heldUntil = clock.now() + leaseMs;
    return world.remote === 'up' ? { outcome: 'granted' } : { outcome: 'unavailable', reason: 'budget' };
  };
  const openOne = (name: string): Warmer => {
    let tokens = 0;
    const remote: RemoteTier = {
      ...noRemoteTier({ alone: false }),
      state: () => (world.remote === 'away' ? 'down' : world.remote === 'off' ? 'off' : 'up'),
      acquire: (_key, token, { leaseMs, replace }) => Promise.resolve(acquire(token, leaseMs, replace)),
      fill: (_key, token, payload) => {
        if (world.remote === 'mute') return Promise.resolve('unavailable');
        if (world.holder !== token) return Promise.resolve('refused');
        world.holder = null;
        world.done ||= payload !== null;
        return Promise.resolve('stored');
      },
    };
    const warm = async (keys: readonly string[]): Promise<WarmResult> => {
      if (keys.length > 0) batches.push({ by: name, size: keys.length });
      return { present: 0, absent: 0, failed: 0, loaded: 0, ...(keys.length === 0 ? {} : await answer.of(keys.length)) };
    };
    return new Warmer({
      store: {
        add: () => Promise.resolve(0),
        trim: () => Promise.resolve({ kept: 0, removed: 0 }),
        size: () => Promise.resolve(popular),
        top: (_caches, most, after) => {
          if (after === null) world.lists += 1;
          world.pages.push(most);
          const all = Array.from({ length: popular }, (_, i) => ({ cache: i % 3 === 0 ? 'b' : 'a', key: `k${i}`, heat: -i }));
          return Promise.resolve(all.filter(({ heat }) => after === null || heat < after.heat).slice(0, most));
        },
      },
      targets: [
        { name: 'a', warm },
        { name: 'b', warm },
      ],
      remote,
      pacer: new Pacer({ clock, isUp: () => world.remote !== 'away' }),
      maxKeys: 100_000,
      clock,
      random: () => 0.5,
      uniqueId: () => `${name} ${(tokens += 1)}`,
      logger: silentLogger,
    });
  };
  return { clock, world, batches, answer, openOne };
}

describe('a warming', () => {
  test('goes through all popular keys, 500 at a time over all caches, and tells of each round', async () => {
    const { openOne, batches } = open();
    const told: WarmProgress[] = [];
    const report = await openOne('one').run({ onProgress: (progress) => told.push(progress) });
    expect(report).toMatchObject({ outcome: 'done', popular: 1200, loaded: 1200, found: 0, absent: 0, failed: 0 });
    expect(batches.map(({ size }) => size)).toEqual([333, 167, 333, 167, 134, 66]);
    expect(told.map(({ done }) => done)).toEqual([500, 1000, 1200]);
    expect(told.map(({ popular }) => popular)).toEqual([1200, 1200, 1200]);
  });

  test('asks for the list page by page as it is used, the first one small, and for none that nobody wants', async () => {
    const { openOne, world, clock } = open({ popular: 12_000 });
    const stop = new AbortController();
    const ending = openOne('one').run({ signal: stop.signal, onProgress: ({ done }) => done === 500 && stop.abort() });
    await clock.pass(1000);
    expect(await ending).toMatchObject({ outcome: 'stopped', loaded: 500 });
    expect(world.pages).toEqual([500]);
    const whole = openOne('two').run({ limit: 7000 });
    await clock.pass(60_000);
    expect(await whole).toMatchObject({ outcome: 'done', popular: 7000, loaded: 7000 });
    expect(world.pages).toEqual([500, 500, 5000, 1500]);
  });

  test('says what was there, what is gone, and takes no more keys than asked for', async () => {
    const { openOne, answer } = open();
    answer.of = (size) => ({ present: size - 1, absent: 1, loaded: 10 });
    expect(await openOne('one').run({ limit: 400 })).toMatchObject({ popular: 400, loaded: 20, found: 378, absent: 2 });
  });

  test('comes back to rounds of which something failed, once leases have ended, in smaller ones', async () => {
    const { openOne, answer, batches, clock } = open();
    let firstPass = true;
    answer.of = (size) => (firstPass ? { present: size - 1, loaded: size - 1, failed: 1 } : { present: size, loaded: 1 });
    const ending = openOne('one').run();
    await clock.pass(WARMING.betweenPassesMs - 1);
    const { length } = batches;
    expect(Math.min(...batches.slice(0, -2).map(({ size }) => size))).toBeGreaterThan(10);
    firstPass = false;
    await clock.pass(10_000);
    expect(batches.slice(length).reduce((sum, { size }) => sum + size, 0)).toBe(1200);
    const report = await ending;
    expect(report).toMatchObject({ outcome: 'done', popular: 1200, failed: 0 });
    expect(report.loaded + report.found).toBe(1200);
    expect(clock.timers).toBe(0);
  });

  test('ends after three passes with what could not be brought in, and gives up sooner when nothing can', async () => {
    const { openOne, answer, clock } = open();
    answer.of = (size) => ({ present: size - 1, failed: 1 });
    const ending = openOne('one').run();
    await clock.pass(3 * WARMING.betweenPassesMs);
    const report = await ending;
    expect(report).toMatchObject({ outcome: 'done', popular: 1200 });
    expect(report.failed).toBeGreaterThan(2);
    answer.of = (size) => ({ failed: size });
    const failing = openOne('two').run();
    await clock.pass(60_000);
    expect(await failing).toMatchObject({ outcome: 'failed', loaded: 0 });
    expect(clock.timers).toBe(0);
  });

  test('ends between two rounds when it is told to, or closed', async () => {
    const { openOne, answer } = open();
    const stop = new AbortController();
    answer.of = (size) => {
      stop.abort(new Error('enough'));
      return { present: size, loaded: size };
    };
    expect(await openOne('one').run({ signal: stop.signal })).toMatchObject({ outcome: 'stopped', loaded: 500 });
    const two = openOne('two');
    answer.of = async (size) => {
      void two.close();
      return { present: size };
    };
    expect(await two.run()).toMatchObject({ outcome: 'stopped', found: 500 });
  });

  test('is joined by whoever asks for one while it is under way', async () => {
    const { openOne, world } = open();
    const one = openOne('one');
    expect(await Promise.all([one.run(), one.run()])).toMatchObject([{ outcome: 'done' }, { outcome: 'done' }]);
    expect(world.lists).toBe(1);
  });

  test('begins anew when the remote tier has begun anew meanwhile', async () => {
    const { openOne, answer, world } = open();
    const one = openOne('one');
    let rounds = 0;
    answer.of = (size) => {
      rounds += 1;
      if (rounds === 4) {
        world.holder = null;
        void one.onAnew(true);
      }
      return { present: size, loaded: size };
    };
    expect(await one.run()).toMatchObject({ outcome: 'done', popular: 1200, loaded: 1200 });
    expect([rounds, one.counts.loaded, world.lists]).toEqual([10, 2200, 2]);
  });
});

describe('of a fleet', () => {
  test('one instance warms, and nobody again for ten minutes unless asked to', async () => {
    const { openOne, batches, world } = open();
    const [one, two, three] = [openOne('one'), openOne('two'), openOne('three')];
    const reports = await Promise.all([one.runOnce(), two.runOnce()]);
    expect(reports.map((report) => report?.outcome)).toEqual(['done', 'elsewhere']);
    expect(await three.runOnce()).toMatchObject({ outcome: 'elsewhere' });
    expect(world.lists).toBe(1);
    expect(new Set(batches.map(({ by }) => by))).toEqual(new Set(['one']));
    expect(await three.run()).toMatchObject({ outcome: 'done' });
  });

  test('another one takes over after the one that warms was killed', async () => {
    const { openOne, answer, batches, clock } = open();
    const killed = openOne('killed');
    const other = openOne('other');
    answer.of = () => new Promise(() => {});
    void killed.onAnew(true);
    const taking = other.onAnew(false);
    await clock.settle();
    answer.of = (size) => ({ present: size });
    await clock.pass(1.5 * WARMING.leaseMs);
    await taking;
    expect(batches.filter(({ by }) => by === 'other').reduce((sum, { size }) => sum + size, 0)).toBe(1200);
    expect(clock.timers).toBe(0);
  });

  test('one that warms for long keeps the permission', async () => {
    const { openOne, answer, clock, world } = open({ popular: 5000 });
    answer.of = async (size) => {
      await new Promise<void>((resolve) => void clock.schedule(9000, resolve));
      return { present: size };
    };
    const warming = openOne('one').run();
    const other = openOne('other');
    for (let i = 0; i < 8; i += 1) {
      await clock.pass(10_000);
      expect(await other.run()).toMatchObject({ outcome: 'elsewhere' });
    }
    await clock.pass(60_000);
    expect(await warming).toMatchObject({ outcome: 'done' });
    expect([world.holder, world.done]).toEqual([null, true]);
  });
});

describe('without Redis', () => {
  test('each process warms its own memory; with one that is away, none does', async () => {
    const { openOne, world } = open();
    world.remote = 'off';
    expect(await Promise.all([openOne('one').runOnce(), openOne('two').runOnce()])).toMatchObject([
      { outcome: 'done' },
      { outcome: 'done' },
    ]);
    world.remote = 'away';
    expect(await openOne('three').run()).toMatchObject({ outcome: 'no_remote', popular: 0 });
  });

  test('one that got no answer in time gives back what it may have been given, and is tried again', async () => {
    const { clock, world, openOne } = open();
    const one = openOne('one');
    world.remote = 'slow';
    expect(await one.runOnce()).toMatchObject({ outcome: 'no_remote' });
    expect(world.holder).toBeNull();
    world.remote = 'up';
    await clock.pass(2 * (WARMING.againMs[0] ?? 0));
    expect(one.counts.runs).toMatchObject({ no_remote: 1, elsewhere: 0, done: 1 });
  });

  test('one that cannot give it back is tried again when it has ended', async () => {
    const { clock, world, openOne } = open();
    const one = openOne('one');
    world.remote = 'mute';
    await one.runOnce();
    expect(world.holder).not.toBeNull();
    await clock.pass(2 * (WARMING.againMs[0] ?? 0));
    world.remote = 'up';
    await clock.pass(2 * (WARMING.againMs[1] ?? 0));
    expect(one.counts.runs).toMatchObject({ no_remote: 2, elsewhere: 0, done: 1 });
  });

  test('one that never gets an answer is given up', async () => {
    const { clock, world, openOne } = open();
    const one = openOne('one');
    world.remote = 'mute';
    await one.runOnce();
    await clock.pass(600_000);
    expect(one.counts.runs).toMatchObject({ no_remote: 1 + WARMING.againMs.length, done: 0 });
  });

  test('one that is closed is not tried again', async () => {
    const { clock, world, openOne } = open();
    const one = openOne('one');
    world.remote = 'slow';
    await one.runOnce();
    await one.close();
    world.remote = 'up';
    await clock.pass(600_000);
    expect(one.counts.runs).toMatchObject({ no_remote: 1, done: 0, stopped: 0 });
  });

  test('one that is away is not asked again while it is, and no failure is counted of it', async () => {
    const { clock, world, openOne } = open();
    const one = openOne('one');
    world.remote = 'away';
    await one.runOnce();
    await clock.pass(2 * (WARMING.againMs[0] ?? 0));
    expect(one.counts.runs).toMatchObject({ no_remote: 1 });
    world.remote = 'up';
    await clock.pass(2 * (WARMING.againMs[1] ?? 0));
    expect(one.counts.runs).toMatchObject({ no_remote: 1, done: 1 });
  });

  test('one that is tried again joins what somebody has asked for, and does not make it begin anew', async () => {
    const { clock, world, openOne, answer, batches } = open();
    const one = openOne('one');
    world.remote = 'slow';
    await one.runOnce();
    world.remote = 'up';
    const held = Promise.withResolvers<void>();
    answer.of = async (size) => {
      await held.promise;
      return { present: size, loaded: size };
    };
    const asked = one.run();
    await clock.pass(2 * (WARMING.againMs[0] ?? 0));
    held.resolve();
    expect(await asked).toMatchObject({ outcome: 'done', loaded: 1200 });
    await clock.pass(2 * (WARMING.againMs[1] ?? 0));
    expect(batches.reduce((sum, { size }) => sum + size, 0)).toBe(1200);
    expect(one.counts.runs).toMatchObject({ no_remote: 1, done: 1, elsewhere: 0 });
  });
});
