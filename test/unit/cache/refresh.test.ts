import { describe, expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import type { CacheOptions } from '../../../src/cache/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const TTL_MS = 10_000;

/** A cache whose source answers with what `rows` holds when it is asked, at once or, while `held`, when `release` is called. */
function open(options: Partial<CacheOptions<string, string>> = {}) {
  const clock = new FakeClock();
  const rows = new Map<string, string>();
  const calls: (readonly string[])[] = [];
  const source = { held: false, failing: false, release: (): void => {} };
  const cache = createCache<string, string>({
    name: 'test',
    clock,
    random: () => 0.5,
    ttl: () => TTL_MS,
    graceMs: 5000,
    describe: (value) => ({ tags: [`tag ${value[0]}`] }),
    source: {
      loadMany: async (keys) => {
        calls.push(keys);
        const read = new Map(keys.map((key) => [key, rows.get(key) ?? null]));
        if (source.failing) throw new Error('away');
        if (source.held) {
          await new Promise<void>((resolve) => {
            const before = source.release;
            source.release = () => {
              before();
              resolve();
            };
          });
        }
        return read;
      },
    },
    ...options,
  });
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    await clock.settle();
    return work;
  };
  return { cache, clock, rows, calls, source, get: (key: string) => settled(cache.get(key)), settled };
}

describe('a refresh', () => {
  test('begins in the last tenth of the TTL and not before', async () => {
    const { clock, rows, calls, get } = open();
    rows.set('a', 'a1');
    await get('a');
    await clock.pass(TTL_MS * 0.9 - 1);
    await get('a');
    expect(calls).toHaveLength(1);
    await clock.pass(1);
    await get('a');
    expect(calls).toHaveLength(2);
  });

  test('that takes long is not begun again while it is up, and its value lives from when it was asked for', async () => {
    const { cache, clock, rows, calls, source, get, settled } = open({ hardTimeoutMs: 60_000 });
    rows.set('a', 'a1');
    await get('a');
    await clock.pass(9000);
    source.held = true;
    rows.set('a', 'a2');
    expect(await get('a')).toBe('a1');
    await clock.pass(950);
    expect(await get('a')).toBe('a1');
    await clock.pass(49);
    expect(await get('a')).toBe('a1');
    expect(calls).toHaveLength(2);
    source.release();
    await clock.settle();
    expect(await settled(cache.lookup('a'))).toMatchObject({ outcome: 'hit', value: 'a2', ttlLeftMs: TTL_MS - 999 });
  });

  test('that is up longer than the pause between tries is still the only one', async () => {
    const { clock, rows, calls, source, get } = open({ refreshAhead: 0.5 });
    rows.set('a', 'a1');
    await get('a');
    await clock.pass(5000);
    source.held = true;
    for (let i = 0; i < 4; i += 1) {
      expect(await get('a')).toBe('a1');
      await clock.pass(1100);
    }
    expect(calls).toHaveLength(2);
  });

  test('that fails is tried again after a second and not at every read; the entry is served meanwhile', async () => {
    const { clock, rows, calls, source, get } = open({ refreshAhead: 0.5 });
    rows.set('a', 'a1');
    await get('a');
    await clock.pass(5000);
    source.failing = true;
    for (let i = 0; i < 10; i += 1) {
      expect(await get('a')).toBe('a1');
      await clock.pass(99);
    }
    expect(calls).toHaveLength(2);
    await clock.pass(10);
    expect(await get('a')).toBe('a1');
    expect(calls).toHaveLength(3);
  });

  test('never begins when refreshAhead is 0, nor for an absent entry', async () => {
    const { clock, rows, calls, get } = open({ refreshAhead: 0, absentTtlMs: TTL_MS });
    rows.set('a', 'a1');
    for (const key of ['a', 'none']) await get(key);
    await clock.pass(TTL_MS - 1);
    for (const key of ['a', 'none']) await get(key);
    expect(calls).toHaveLength(2);
  });
});

describe('what changes between being there and not', () => {
  test('a record that is gone when its entry expired is remembered as absent', async () => {
    const { cache, clock, rows, calls, get } = open();
    rows.set('a', 'a1');
    await get('a');
    rows.delete('a');
    await clock.pass(TTL_MS + 6000);
    expect([await get('a'), await get('a'), cache.peek('a'), calls.length]).toEqual([null, null, null, 2]);
    expect(cache.stats().local).toMatchObject({ entries: 0, absentEntries: 1 });
  });

  test('a record that is there when its absent entry expired is served from then on', async () => {
    const { cache, clock, rows, calls, get } = open({ absentTtlMs: 1000 });
    await get('a');
    rows.set('a', 'a1');
    await clock.pass(1001);
    expect([await get('a'), await get('a'), calls.length]).toEqual(['a1', 'a1', 2]);
    expect(cache.stats().local).toMatchObject({ entries: 1, absentEntries: 0 });
  });
});

describe('warming', () => {
  test('gives half to one and a half of the TTL; a get gives nine to eleven tenths', async () => {
    for (const [random, warmed, filled] of [
      [0, 5000, 9000],
      [0.999_999, 15_000, 11_000],
    ] as const) {
      const { cache, rows, get, settled } = open({ random: () => random });
      for (const key of ['a', 'b']) rows.set(key, key);
      await settled(cache.warm(['a']));
      await get('b');
      const left = await Promise.all(['a', 'b'].map(async (key) => (await cache.inspect(key)).local));
      expect(left).toMatchObject([{ ttlLeftMs: warmed }, { ttlLeftMs: filled }]);
    }
  });

  test('asks for 500 keys at a time, and ends between two such rounds when its caller leaves', async () => {
    const { cache, calls, clock, source } = open();
    source.held = true;
    const leaver = new AbortController();
    const warming = cache.warm(
      Array.from({ length: 1200 }, (_, i) => `k${i}`),
      { signal: leaver.signal },
    );
    const ended = warming.catch((reason: unknown) => reason);
    await clock.settle();
    expect(calls.map((keys) => keys.length)).toEqual([500]);
    leaver.abort(new Error('enough'));
    source.release();
    await clock.settle();
    expect(await ended).toEqual(new Error('enough'));
    expect(calls).toHaveLength(1);
  });
});

describe('an invalidation while a batch is loaded', () => {
  test.each([
    ['by key', { keys: ['b'] }, ['a', 'c']],
    ['by tag', { tags: ['tag b'] }, ['a', 'c']],
    ['of all', { all: true }, []],
  ])('%s keeps out the old values that it is about, and only those', async (_name, targets, kept) => {
    const { cache, clock, rows, source, get } = open();
    for (const key of ['a', 'b', 'c']) rows.set(key, `${key}1`);
    source.held = true;
    const reading = cache.getMany(['a', 'b', 'c']);
    await clock.settle();
    for (const key of ['a', 'b', 'c']) rows.set(key, `${key}2`);
    await cache.invalidate(targets);
    source.release();
    await clock.settle();
    // Who asked before gets what was true then.
    expect([...(await reading).values()]).toEqual(['a1', 'b1', 'c1']);
    expect(['a', 'b', 'c'].filter((key) => cache.peek(key) !== undefined)).toEqual(kept);
    source.held = false;
    expect(await get('b')).toBe('b2');
  });
});
