import { describe, expect, test } from 'vitest';
import { PACING, Pacer } from '../../../src/cache/pacer.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A pacer of a process that has been calm for long enough, with calls that took so many ms in each second. */
function open({ calmLoad = 20, calmMs = 2 * PACING.knownAfterMs }: { calmLoad?: number; calmMs?: number } = {}) {
  const clock = new FakeClock();
  const world = { up: true };
  const pacer = new Pacer({ clock, isUp: () => world.up });
  const load = (perSecond: number, ms: number, keys = 1): void => {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(100);
      pacer.note(perSecond / 10, keys, 0);
    }
  };
  load(calmLoad, calmMs);
  return { clock, world, pacer, load };
}

describe('the calm mean', () => {
  test('is what calls took in each second, and is not known before a minute', () => {
    expect(open({ calmMs: PACING.knownAfterMs - 100 }).pacer.calmMean).toBeNull();
    const { pacer } = open({ calmLoad: 20 });
    expect(pacer.calmMean).toBeCloseTo(20, 0);
    expect(pacer.aim).toBeCloseTo(50, 0);
  });

  test('learns nothing of the time in which it recovers or Redis is away', () => {
    const { pacer, load, world } = open();
    pacer.begin();
    load(400, 20_000, 5);
    world.up = false;
    load(800, 20_000, 5);
    expect(pacer.calmMean).toBeCloseTo(20, 0);
  });

  test('follows a load that has changed for good', () => {
    const { pacer, load } = open();
    load(60, 2 * PACING.meanHalfLifeMs);
    expect(pacer.calmMean).toBeGreaterThan(45);
  });

  test('of an idle process is not nothing', () => {
    expect(open({ calmLoad: 0 }).pacer.calmMean).toBe(PACING.least);
  });
});

describe('a recovery', () => {
  test('begins when Redis is away, and when it was found empty', () => {
    const { pacer, world } = open();
    expect(pacer.recovering).toBe(false);
    world.up = false;
    expect(pacer.recovering).toBe(true);
    const other = open().pacer;
    other.begin();
    other.begin();
    expect([other.recovering, other.counts.recoveries]).toEqual([true, 1]);
  });

  test('ends once few keys have been loaded for a while, and not while Redis is away', () => {
    const { pacer, clock, load, world } = open();
    world.up = false;
    load(20, 60_000);
    expect(pacer.recovering).toBe(true);
    world.up = true;
    // However quick their calls are.
    load(5, 10_000, 3);
    expect(pacer.recovering).toBe(true);
    load(20, PACING.calmAfterMs - 2000);
    expect(pacer.recovering).toBe(true);
    load(20, 6000);
    expect(pacer.recovering).toBe(false);
    pacer.begin();
    clock.advance(PACING.calmAfterMs);
    expect(pacer.recovering).toBe(false);
  });

  test('ends after ten minutes though more is loaded than before: that is then the calm', () => {
    const { pacer, load } = open();
    pacer.begin();
    load(100, PACING.maxRecoveryMs, 5);
    expect([pacer.recovering, Math.round(pacer.calmMean ?? 0)]).toEqual([true, 20]);
    load(100, PACING.calmAfterMs + PACING.meanHalfLifeMs, 5);
    expect(pacer.recovering).toBe(false);
    expect(pacer.calmMean).toBeGreaterThan(50);
  });

  test('goes on while something is warmed', () => {
    const { pacer, clock } = open();
    pacer.begin();
    for (let i = 0; i < 10; i += 1) {
      clock.advance(PACING.calmAfterMs - 1);
      pacer.note(1, 1, 1);
    }
    expect(pacer.recovering).toBe(true);
  });
});

describe('calls of callers', () => {
  test('are held back only while recovering, only beyond the aim, and never for longer than 50 ms', () => {
    const { pacer, clock } = open();
    pacer.note(100, 1, 0);
    expect(pacer.holdMs(0, 0)).toBe(0);
    pacer.begin();
    expect(pacer.holdMs(0, 0)).toBe(0);
    pacer.note(2.25, 1, 0);
    // 50 ms a second are aimed at: 1 ms is earned in 20.
    const heldMs = pacer.holdMs(0, 0);
    expect(heldMs).toBeGreaterThan(42);
    expect(heldMs).toBeLessThan(47);
    clock.advance(25);
    expect(pacer.holdMs(25, 0)).toBe(heldMs - 25);
    clock.advance(heldMs - 25);
    expect(pacer.holdMs(heldMs, 0)).toBe(0);
    pacer.note(500, 1, 0);
    expect(pacer.holdMs(0, 0)).toBe(PACING.maxHoldMs);
    expect(pacer.holdMs(30, 0)).toBe(PACING.maxHoldMs - 30);
    expect(pacer.holdMs(PACING.maxHoldMs, 0)).toBe(0);
    expect(pacer.counts.held).toBe(2);
  });

  test('are held back for their number too, however little time they take', () => {
    const { pacer, clock } = open();
    pacer.begin();
    // Ten calls a second while it was calm.
    for (let calls = 0; calls < 4; calls += 1) pacer.note(0, 1, 0);
    expect(pacer.holdMs(0, 0)).toBe(PACING.maxHoldMs);
    clock.advance(120);
    expect(pacer.holdMs(0, 0)).toBeGreaterThan(30);
    clock.advance(41);
    expect(pacer.holdMs(0, 0)).toBe(0);
  });

  test('are held back while as many are under way as the aim needs, until one of them ends', () => {
    const { pacer } = open();
    expect(pacer.holdMs(0, 16)).toBe(0);
    pacer.begin();
    expect(pacer.holdMs(0, PACING.leastLanes - 1)).toBe(0);
    expect(pacer.holdMs(0, PACING.leastLanes)).toBe(PACING.maxHoldMs);
    expect(pacer.holdMs(20, PACING.leastLanes)).toBe(PACING.maxHoldMs - 20);
    expect(pacer.holdMs(20, PACING.leastLanes - 1)).toBe(0);
    expect(pacer.holdMs(PACING.maxHoldMs, 16)).toBe(0);
  });

  test('of a source that is slow are as many at once as the aim needs', () => {
    const { pacer, clock } = open({ calmMs: 0 });
    // Two calls under way all the time: five are aimed at.
    for (let ms = 0; ms < PACING.knownAfterMs; ms += 100) {
      clock.advance(100);
      pacer.note(200, 1, 0);
    }
    pacer.begin();
    expect(pacer.holdMs(0, 19)).toBe(0);
    expect(pacer.holdMs(0, 21)).toBe(PACING.maxHoldMs);
  });

  test('are not held back while no mean is known', () => {
    const { pacer } = open({ calmMs: 0 });
    pacer.begin();
    pacer.note(500, 1, 0);
    expect(pacer.holdMs(0, 0)).toBe(0);
  });

  test('that were few do not save up for a rush', () => {
    const { pacer, clock } = open();
    pacer.begin();
    clock.advance(PACING.calmAfterMs - 1);
    pacer.note(10, 1, 0);
    expect(pacer.holdMs(0, 0)).toBeGreaterThan(0);
  });
});

describe('warming', () => {
  /** Batches of so many ms warmed in a time in which callers load so much per second. */
  async function warmed({ pacer, clock }: ReturnType<typeof open>, { batchMs = 5, callers = 0, forMs = 10_000 }): Promise<number> {
    const stop = new AbortController();
    let busyMs = 0;
    const warming = (async () => {
      for (;;) {
        await pacer.turn(stop.signal);
        busyMs += batchMs;
        pacer.note(batchMs, 1, 1);
        await new Promise<void>((resolve) => void clock.schedule(1, resolve));
      }
    })().catch((reason: unknown) => reason);
    for (let at = 0; at < forMs; at += 50) {
      pacer.note(callers / 20, 1, 0);
      await clock.pass(50);
    }
    stop.abort();
    await clock.pass(1);
    await warming;
    return (busyMs / forMs) * 1000;
  }

  test('takes what callers leave of two and a half calm means', async () => {
    expect(await warmed(open(), {})).toBeCloseTo(50, -1);
    expect(await warmed(open(), { callers: 25 })).toBeCloseTo(25, -1);
  });

  test('gets a share of one calm mean however much callers load', async () => {
    const share = await warmed(open(), { callers: 1000 });
    expect(share).toBeGreaterThan(17);
    expect(share).toBeLessThan(24);
  });

  test('takes a tenth of one connection while no mean is known: few batches of a slow source, many of a quick one', async () => {
    for (const batchMs of [5, 200]) {
      const load = await warmed(open({ calmMs: 0 }), { batchMs });
      expect(load).toBeGreaterThan(80);
      expect(load).toBeLessThan(125);
    }
  });

  test('of an idle process goes on at a hundredth of one connection', async () => {
    const load = await warmed(open({ calmLoad: 0 }), {});
    expect(load).toBeGreaterThan(8);
    expect(load).toBeLessThan(13);
  });

  test('ends its wait when it is told to', async () => {
    const { pacer, clock } = open();
    const stop = new AbortController();
    pacer.begin();
    pacer.note(500, 1, 1);
    const turn = pacer.turn(stop.signal);
    await clock.pass(100);
    stop.abort(new Error('enough'));
    await expect(turn).rejects.toThrow('enough');
    expect(clock.timers).toBe(0);
    await expect(pacer.turn(stop.signal)).rejects.toThrow('enough');
  });
});
