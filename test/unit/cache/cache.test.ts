import { describe, expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import type { Cache } from '../../../src/cache/cache-types.ts';
import type { CacheOptions } from '../../../src/cache/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** The engine without a remote tier, on a clock turned by hand, with a source whose every call the test answers. */
interface Row {
  readonly version: number;
  readonly tags?: readonly string[];
}

interface Call {
  readonly keys: readonly string[];
  readonly signal: AbortSignal;
  answer(rows: Readonly<Record<string, Row | null>>): Promise<void>;
  fail(error: Error): Promise<void>;
}

function open(options: Partial<CacheOptions<string, Row>> = {}): { cache: Cache<string, Row>; clock: FakeClock; calls: Call[] } {
  const clock = new FakeClock();
  const calls: Call[] = [];
  const cache = createCache<string, Row>({
    name: 'test',
    clock,
    random: () => 0.5,
    source: {
      loadMany: (keys, { signal }) =>
        new Promise((resolve, reject) => {
          calls.push({
            keys,
            signal,
            answer: (rows) => {
              resolve(new Map(Object.entries(rows)));
              return clock.settle();
            },
            fail: (error) => {
              reject(error);
              return clock.settle();
            },
          });
        }),
    },
    describe: ({ version, tags = [] }) => ({ version, tags }),
    ttl: () => 10_000,
    graceMs: 5000,
    maxStalenessMs: 1000,
    ...options,
  });
  return { cache, clock, calls };
}

/** The last call of the source. */
const last = (calls: readonly Call[]): Call => calls.at(-1) ?? expect.fail('the source was not called');

async function load(opened: ReturnType<typeof open>, key: string, row: Row | null): Promise<void> {
  const reading = opened.cache.get(key);
  await opened.clock.settle();
  await last(opened.calls).answer({ [key]: row });
  await reading;
}

test('1,000 gets at once cost one call of the source, and keys of one turn travel in one', async () => {
  const { cache, clock, calls } = open();
  const gets = Promise.all(Array.from({ length: 1000 }, (_, i) => cache.get(i % 2 === 0 ? 'a' : 'b')));
  await clock.settle();
  expect(calls.map(({ keys }) => keys)).toEqual([['a', 'b']]);
  await last(calls).answer({ a: { version: 1 }, b: null });
  expect((await gets).slice(0, 2)).toEqual([{ version: 1 }, null]);
  expect(cache.stats().counts).toMatchObject({ joined: 998, lookups: { loaded: 500, sourceAbsent: 500 } });
});

test('all waiters get the one error of a failed load, and the next get asks again', async () => {
  const { cache, clock, calls } = open();
  const gets = Promise.allSettled(Array.from({ length: 50 }, () => cache.get('a')));
  await clock.settle();
  await last(calls).fail(new Error('no connection'));
  const errors = new Set((await gets).map((result) => (result.status === 'rejected' ? (result.reason as unknown) : null)));
  expect(errors.size).toBe(1);
  expect([...errors][0]).toMatchObject({ code: 'LOAD_FAILED', message: expect.stringContaining('no connection') });
  await load({ cache, clock, calls }, 'a', { version: 1 });
  expect(calls).toHaveLength(2);
});

describe('a caller that leaves', () => {
  test("does not end the others' wait", async () => {
    const { cache, clock, calls } = open();
    const leaver = new AbortController();
    const left = cache.get('a', { signal: leaver.signal }).catch((reason: unknown) => reason);
    const stays = cache.get('a', { signal: new AbortController().signal });
    await clock.settle();
    leaver.abort(new Error('gone'));
    expect(await left).toEqual(new Error('gone'));
    expect(last(calls).signal.aborted).toBe(false);
    await last(calls).answer({ a: { version: 1 } });
    expect(await stays).toEqual({ version: 1 });
  });

  test('as the last one, tells the load, and who asks next begins a new one', async () => {
    const { cache, clock, calls } = open();
    const leavers = [new AbortController(), new AbortController()];
    const left = leavers.map(({ signal }) => cache.get('a', { signal }).catch(() => 'left'));
    await clock.settle();
    for (const leaver of leavers) leaver.abort();
    expect(await Promise.all(left)).toEqual(['left', 'left']);
    await clock.settle();
    expect(last(calls).signal.aborted).toBe(true);
    await load({ cache, clock, calls }, 'a', { version: 1 });
    expect(calls).toHaveLength(2);
    expect(cache.stats().counts.lookups).toMatchObject({ aborted: 2, loaded: 1 });
  });

  test('before it came is turned away', async () => {
    const { cache } = open();
    await expect(cache.get('a', { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
  });
});

describe('time', () => {
  test('past the TTL makes the next get load, and one that takes longer than the soft timeout is answered with the expired entry', async () => {
    const { cache, clock, calls } = open({ softTimeoutMs: 100 });
    await load({ cache, clock, calls }, 'a', { version: 1 });
    await clock.pass(10_001);
    const stale = cache.lookup('a');
    await clock.pass(100);
    expect(await stale).toMatchObject({ outcome: 'stale', tier: 'local', version: 1 });
    // Who asks now need not wait for the soft timeout again.
    expect(await cache.lookup('a')).toMatchObject({ outcome: 'stale' });
    await last(calls).answer({ a: { version: 2 } });
    expect(await cache.lookup('a')).toMatchObject({ outcome: 'hit', version: 2 });
    expect(calls).toHaveLength(2);
  });

  test('past TTL and grace leaves nothing to fall back on', async () => {
    const { cache, clock, calls } = open();
    await load({ cache, clock, calls }, 'a', { version: 1 });
    await clock.pass(15_001);
    const reading = cache.lookup('a');
    await clock.settle();
    await last(calls).fail(new Error('away'));
    expect(await reading).toMatchObject({ outcome: 'unavailable' });
  });

  test('within the grace a failed load is answered with the expired entry', async () => {
    const { cache, clock, calls } = open();
    await load({ cache, clock, calls }, 'a', { version: 1 });
    await clock.pass(12_000);
    const reading = cache.lookup('a');
    await clock.settle();
    await last(calls).fail(new Error('away'));
    expect(await reading).toMatchObject({ outcome: 'stale', version: 1 });
  });

  test('past the hard timeout fails the load, tells it, and frees its place', async () => {
    const { cache, clock, calls } = open({ hardTimeoutMs: 300, maxConcurrentLoads: 1 });
    const hangs = cache.lookup('a');
    await clock.pass(300);
    expect(await hangs).toMatchObject({ outcome: 'unavailable', error: { code: 'LOAD_TIMEOUT' } });
    expect(last(calls).signal.aborted).toBe(true);
    expect(cache.stats().loading).toMatchObject({ running: 0, abandoned: 1 });
    const next = cache.get('b');
    await clock.settle();
    await last(calls).answer({ b: { version: 1 } });
    expect(await next).toEqual({ version: 1 });
    await calls[0]?.answer({});
    expect(cache.stats().loading.abandoned).toBe(0);
  });

  test('near the end of the TTL a get is served and refreshes once in the background', async () => {
    const { cache, clock, calls } = open({ refreshAhead: 0.1 });
    await load({ cache, clock, calls }, 'a', { version: 1 });
    await clock.pass(9100);
    for (let i = 0; i < 5; i += 1) expect(await cache.lookup('a')).toMatchObject({ outcome: 'hit', version: 1 });
    await clock.settle();
    expect(calls).toHaveLength(2);
    await last(calls).answer({ a: { version: 2 } });
    expect(cache.peek('a')).toEqual({ version: 2 });
    expect(cache.stats().counts.refreshes).toBe(1);
  });

  test('absent entries have a TTL and a room of their own', async () => {
    const { cache, clock, calls } = open({ absentTtlMs: 500, maxAbsentEntries: 2 });
    for (const key of ['x', 'y', 'z']) await load({ cache, clock, calls }, key, null);
    expect(cache.stats().local).toMatchObject({ absentEntries: 2, entries: 0 });
    expect(await cache.lookup('z')).toMatchObject({ outcome: 'absent', tier: 'local' });
    await clock.pass(501);
    expect(cache.peek('z')).toBeUndefined();
  });
});

describe('an invalidation during a load', () => {
  const ways = [
    ['by key', { keys: ['a'] }],
    ['by tag', { tags: ['blue'] }],
    ['of all', { all: true }],
  ] as const;
  test.each(ways)('%s keeps the old value out, and who asks after it is not given it', async (_name, targets) => {
    const { cache, clock, calls } = open();
    const before = cache.get('a');
    await clock.settle();
    await cache.invalidate(targets);
    const after = cache.get('a');
    await clock.settle();
    expect(calls).toHaveLength(2);
    await calls[0]?.answer({ a: { version: 1, tags: ['blue'] } });
    expect(await before).toMatchObject({ version: 1 });
    expect(cache.peek('a')).toBeUndefined();
    await calls[1]?.answer({ a: { version: 2, tags: ['blue'] } });
    expect(await after).toMatchObject({ version: 2 });
    expect(cache.peek('a')).toMatchObject({ version: 2 });
  });

  test.each(ways)('%s keeps the old value of a refresh out', async (_name, targets) => {
    const { cache, clock, calls } = open();
    await load({ cache, clock, calls }, 'a', { version: 1, tags: ['blue'] });
    await clock.pass(9500);
    await cache.get('a');
    await clock.settle();
    await cache.invalidate(targets);
    await last(calls).answer({ a: { version: 1, tags: ['blue'] } });
    expect(cache.peek('a')).toBeUndefined();
  });

  test('may still be followed by a stale answer to those who asked before; a purge may not', async () => {
    for (const how of ['invalidate', 'purge'] as const) {
      const { cache, clock, calls } = open();
      await load({ cache, clock, calls }, 'a', { version: 1 });
      await clock.pass(11_000);
      const reading = cache.lookup('a');
      await clock.settle();
      await cache[how]({ keys: ['a'] });
      await last(calls).fail(new Error('away'));
      expect((await reading).outcome).toBe(how === 'purge' ? 'unavailable' : 'stale');
    }
  });
});

describe('limits', () => {
  test('more waiters, and more keys in the queue, than allowed are turned away with OVERLOADED', async () => {
    const { cache, clock, calls } = open({ maxWaiters: 2, maxConcurrentLoads: 1, maxQueuedLoads: 1, maxBatch: 1 });
    const first = [cache.lookup('a'), cache.lookup('a')];
    expect(await cache.lookup('a')).toMatchObject({ outcome: 'unavailable', error: { code: 'OVERLOADED' } });
    await clock.settle();
    const queued = cache.lookup('b');
    await clock.settle();
    const refused = cache.lookup('c');
    await clock.settle();
    expect(await refused).toMatchObject({ outcome: 'unavailable', error: { code: 'OVERLOADED' } });
    await last(calls).answer({ a: { version: 1 } });
    await last(calls).answer({ b: { version: 1 } });
    expect((await Promise.all([...first, queued])).every(({ outcome }) => outcome === 'loaded')).toBe(true);
  });

  test('never more calls of the source at once than allowed; the rest is gathered into the next', async () => {
    const { cache, clock, calls } = open({ maxConcurrentLoads: 2, maxBatch: 3 });
    const reading = cache.getMany(Array.from({ length: 10 }, (_, i) => `k${i}`));
    await clock.settle();
    expect(calls.map(({ keys }) => keys.length)).toEqual([3, 3]);
    for (let i = 0; i < 4; i += 1) {
      await calls[i]?.answer(Object.fromEntries((calls[i]?.keys ?? []).map((key) => [key, { version: 1 }])));
      expect(cache.stats().loading.running).toBeLessThanOrEqual(2);
    }
    expect((await reading).size).toBe(10);
    expect(calls).toHaveLength(4);
  });

  test('an entry over maxEntryBytes is served and not kept', async () => {
    const { cache, clock, calls } = open({ maxEntryBytes: 13 });
    await load({ cache, clock, calls }, 'a', { version: 1_000_000 });
    expect(cache.peek('a')).toBeUndefined();
    await load({ cache, clock, calls }, 'b', { version: 1 });
    expect(cache.peek('b')).toEqual({ version: 1 });
  });
});

test('a source of the wrong shape is told so', async () => {
  for (const [value, message] of [
    [[], 'not an array'],
    [{ a: 1 }, 'not an object'],
    [null, 'not null'],
  ] as const) {
    const cache = createCache<string, Row>({ name: 'test', source: { loadMany: () => Promise.resolve(value as never) } });
    expect(await cache.lookup('a')).toMatchObject({
      outcome: 'unavailable',
      error: { code: 'SOURCE_SHAPE', message: expect.stringContaining(message) },
    });
  }
  expect(() => createCache<string, Row>({ name: 'test', source: {} as never })).toThrow(/loadMany/);
});

test('options are checked, and an unknown one is an error', () => {
  const source = (): null => null;
  expect(() => createCache({ name: 'test', source, maxStalenessMs: 99 })).toThrow(
    'maxStalenessMs = 99: has to be a number from 100 to 86400000',
  );
  expect(() => createCache({ name: 'Ünicode', source })).toThrow('name = Ünicode');
  expect(() => createCache({ name: 'test', source, ttlMs: 5 } as never)).toThrow('ttlMs = 5: is not an option of createCache');
  expect(() => createCache({ name: 'test', source, policy: 'fifo' as never })).toThrow("policy = fifo: has to be 's3fifo' or 'lru'");
});

test('inspect tells what is held, without loading', async () => {
  const { cache, clock, calls } = open();
  expect(await cache.inspect('a')).toMatchObject({ local: { state: 'none' }, flight: null, lease: null });
  const reading = cache.get('a');
  await clock.pass(20);
  expect((await cache.inspect('a')).flight).toMatchObject({ ageMs: 20, waiters: 1, tainted: false });
  await last(calls).answer({ a: { version: 7, tags: ['blue'] } });
  await reading;
  await clock.pass(1000);
  expect((await cache.inspect('a')).local).toMatchObject({ state: 'fresh', version: 7, ageMs: 1020, ttlLeftMs: 8980, tags: ['blue'] });
  expect(calls).toHaveLength(1);
});

test('warmed entries do not expire together, and what is there is not loaded again', async () => {
  let draw = 0;
  const { cache, clock, calls } = open({ random: () => (draw += 0.1) % 1 });
  await load({ cache, clock, calls }, 'k0', { version: 1 });
  const warming = cache.warm(['k0', 'k1', 'k2', 'k3', 'gone']);
  await clock.settle();
  await last(calls).answer({ k1: { version: 1 }, k2: { version: 1 }, k3: { version: 1 } });
  expect(await warming).toEqual({ present: 4, absent: 1, failed: 0, loaded: 3 });
  expect(last(calls).keys).toEqual(['k1', 'k2', 'k3', 'gone']);
  const left = await Promise.all(['k1', 'k2', 'k3'].map(async (key) => (await cache.inspect(key)).local));
  expect(new Set(left.map((tier) => ('ttlLeftMs' in tier ? Math.round(tier.ttlLeftMs) : 0))).size).toBe(3);
});

test('events tell of what was forgotten, evicted and not loaded, and a listener that throws harms nobody', async () => {
  const opened = open({ maxEntries: 1 });
  const { cache, clock, calls } = opened;
  const told: unknown[] = [];
  cache.on('invalidated', ({ keys, by }) => told.push(['invalidated', keys, by]));
  cache.on('evicted', ({ key }) => told.push(['evicted', key]));
  cache.on('loadFailed', ({ key }) => {
    told.push(['loadFailed', key]);
    throw new Error('listener');
  });
  await load(opened, 'a', { version: 1 });
  await load(opened, 'b', { version: 1 });
  await cache.invalidate({ keys: ['b'] });
  const failing = cache.lookup('c');
  await clock.settle();
  await last(calls).fail(new Error('away'));
  expect((await failing).outcome).toBe('unavailable');
  expect(told).toEqual([
    ['evicted', 'a'],
    ['invalidated', ['b'], 'self'],
    ['loadFailed', 'c'],
  ]);
});

test('a closed cache refuses, calls off its loads and empties itself', async () => {
  const { cache, clock, calls } = open();
  await load({ cache, clock, calls }, 'a', { version: 1 });
  const reading = cache.lookup('b');
  await clock.settle();
  await cache.close();
  expect(last(calls).signal.aborted).toBe(true);
  expect(await reading).toMatchObject({ outcome: 'unavailable', error: { code: 'CLOSED' } });
  await expect(cache.get('a')).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(cache.invalidate({ all: true })).rejects.toMatchObject({ code: 'CLOSED' });
  expect(cache.stats().local.entries).toBe(0);
});

test('set is read at once, and refuses what it cannot keep', async () => {
  const { cache } = open({ maxEntryBytes: 20 });
  expect(await cache.set('a', { version: 3 })).toBe('applied');
  expect(cache.peek('a')).toEqual({ version: 3 });
  await expect(cache.set('a', null as never)).rejects.toMatchObject({ code: 'SOURCE_SHAPE' });
  await expect(cache.set('a', { version: 1, tags: ['x'.repeat(50)] })).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' });
});
