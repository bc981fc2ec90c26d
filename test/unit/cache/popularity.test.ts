import { describe, expect, test } from 'vitest';
import type { PopularKey } from '../../../src/cache/popular.ts';
import type { PopularStore } from '../../../src/cache/popular-store.ts';
import { Popularity, RECORDING } from '../../../src/cache/popularity.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type Tell = (keys: readonly PopularKey[]) => void;

/** A record of one cache's popular keys over a store whose answers the test gives. */
function open({ maxRows = 1000 }: { maxRows?: number } = {}) {
  const clock = new FakeClock();
  const written: (readonly PopularKey[])[] = [];
  const world = { fails: false, hangs: false, isNew: true, rows: 0, trims: 0 };
  const store: PopularStore = {
    add: async (_cache, keys, call) => {
      if (world.hangs)
        await new Promise((_, reject) => call?.signal?.addEventListener('abort', () => reject(call.signal?.reason as Error)));
      if (world.fails) throw new Error('away');
      written.push(keys);
      if (world.isNew) world.rows += keys.length;
      return world.isNew ? keys.length : 0;
    },
    top: () => Promise.resolve([]),
    size: () => Promise.resolve(0),
    trim: (most) => {
      world.trims += 1;
      const removed = Math.max(0, Math.min(world.rows - most, 400));
      world.rows -= removed;
      return Promise.resolve({ kept: world.rows, removed });
    },
  };
  let tell: Tell = () => {};
  const on = (_event: 'popular', listener: (told: { keys: readonly PopularKey[] }) => void): void => {
    tell = (keys) => listener({ keys });
  };
  const popularity = new Popularity({ store, caches: [{ name: 'a', on }], maxRows, clock, random: () => 0.5 });
  return { clock, world, written, popularity, tell: ((keys) => tell(keys)) as Tell };
}

const keys = (count: number, from = 0): PopularKey[] => Array.from({ length: count }, (_, i) => ({ key: `k${from + i}`, reads: 2 + i }));

describe('counts', () => {
  test('of all periods of a minute are added up and written together', async () => {
    const { clock, tell, written } = open();
    tell([{ key: 'x', reads: 2 }]);
    tell([
      { key: 'x', reads: 3 },
      { key: 'y', reads: 9 },
    ]);
    await clock.pass(RECORDING.everyMs - 1);
    expect(written).toEqual([]);
    await clock.pass(1);
    expect(written).toEqual([
      [
        { key: 'y', reads: 9 },
        { key: 'x', reads: 5 },
      ],
    ]);
    await clock.pass(RECORDING.everyMs);
    expect(written).toHaveLength(1);
  });

  test('are written in bounded statements, the most read ones, and the rest is dropped and counted', async () => {
    const { clock, tell, written, popularity } = open();
    tell(keys(RECORDING.maxWritten + 300));
    await clock.pass(RECORDING.everyMs);
    expect(written.map((batch) => batch.length)).toEqual(Array.from({ length: 10 }, () => RECORDING.batch));
    expect(written[0]?.[0]?.reads).toBe(RECORDING.maxWritten + 301);
    expect(popularity.stats).toMatchObject({ written: RECORDING.maxWritten, dropped: 300, failed: 0 });
  });

  test('wait for the writing in bounded number', () => {
    const { tell, popularity } = open();
    tell(keys(RECORDING.maxKeys));
    tell(keys(10, RECORDING.maxKeys));
    tell(keys(5));
    expect(popularity.stats.dropped).toBe(10);
  });

  test('that cannot be written are dropped, whatever the store does, and the next minute is written', async () => {
    const { clock, tell, world, written, popularity } = open();
    world.fails = true;
    tell(keys(2));
    await clock.pass(RECORDING.everyMs);
    world.fails = false;
    world.hangs = true;
    tell(keys(3));
    await clock.pass(RECORDING.everyMs + RECORDING.limitMs);
    expect(popularity.stats).toMatchObject({ written: 0, dropped: 5, failed: 2 });
    world.hangs = false;
    tell(keys(4));
    await clock.pass(RECORDING.everyMs);
    expect(written).toEqual([keys(4).toReversed()]);
  });
});

describe('the table', () => {
  test('is trimmed in pieces at first, and then when this process has added a hundredth of its limit', async () => {
    const { clock, tell, world, popularity } = open({ maxRows: 1000 });
    world.rows = 1900;
    tell(keys(5));
    await clock.pass(RECORDING.everyMs);
    expect(popularity.stats).toMatchObject({ rows: 1000, trimmed: 905 });
    const { trims } = world;
    tell(keys(5));
    await clock.pass(RECORDING.everyMs);
    expect(world.trims).toBe(trims);
    tell(keys(6));
    await clock.pass(RECORDING.everyMs);
    expect([world.trims > trims, world.rows]).toEqual([true, 1000]);
    world.isNew = false;
    const { trims: after } = world;
    tell(keys(500));
    await clock.pass(RECORDING.everyMs);
    expect(world.trims).toBe(after);
  });
});

describe('the end', () => {
  test('writes what was counted, leaves no timer, and counts nothing after', async () => {
    const { clock, tell, written, popularity } = open();
    tell(keys(2));
    await popularity.close();
    expect(written).toEqual([keys(2).toReversed()]);
    tell(keys(2));
    await popularity.close();
    expect([written.length, clock.timers]).toEqual([1, 0]);
  });

  test('waits for a store that does not answer for two seconds at most', async () => {
    const { clock, tell, world, popularity } = open();
    world.hangs = true;
    tell(keys(2));
    await clock.pass(RECORDING.everyMs);
    tell(keys(2));
    let closed = false;
    const closing = popularity.close().then(() => (closed = true));
    await clock.pass(2 * RECORDING.lastLimitMs);
    expect(closed).toBe(true);
    await closing;
    expect(clock.timers).toBe(0);
  });
});
