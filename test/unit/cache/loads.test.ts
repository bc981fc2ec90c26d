import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LoadResult } from '../../../src/cache/loads.ts';
import { Loads } from '../../../src/cache/loads.ts';
import { prepareSource } from '../../../src/cache/source.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const LIMITS = { maxConcurrentLoads: 2, maxQueuedLoads: 5, hardTimeoutMs: 100 };

/** One call of the source, answered by hand. */
interface Call {
  readonly keys: readonly string[];
  readonly signal: AbortSignal;
  answer(values?: ReadonlyMap<string, unknown>): void;
  fail(error: Error): void;
}

interface Asked {
  readonly key: string;
  readonly controller: AbortController;
  result: LoadResult | undefined;
}

/** Loads over a source that answers when the test says so. */
function setUp({ maxBatch = 3, limits = LIMITS }: { maxBatch?: number; limits?: typeof LIMITS } = {}) {
  const clock = new FakeClock();
  const calls: Call[] = [];
  const source = prepareSource<string, unknown>(
    {
      loadMany: (keys, { signal }) =>
        new Promise((resolve, reject) => {
          calls.push({
            keys,
            signal,
            answer: (values = new Map(keys.map((key) => [key, `${key}!`]))) => resolve(values),
            fail: reject,
          });
        }),
    },
    maxBatch,
  );
  const loads = new Loads<string>(source, limits, clock);
  const ask = (key: string): Asked => {
    const asked: Asked = { key, controller: new AbortController(), result: undefined };
    void loads.load(key, asked.controller.signal).then((result) => {
      asked.result = result;
    });
    return asked;
  };
  return { clock, calls, loads, ask };
}

const codeOf = (asked: Asked): string | undefined => (asked.result?.ok === false ? asked.result.error.code : undefined);
const jsonOf = (asked: Asked): string | undefined => (asked.result?.ok === true ? asked.result.json?.toString() : undefined);

describe('keys asked for together', () => {
  test('travel in one call if it is the same turn, and in another if it is the next', async () => {
    const { clock, calls, ask } = setUp();
    const first = ['a', 'b', 'c'].map(ask);
    await clock.settle();
    ask('d');
    await clock.settle();
    expect(calls.map(({ keys }) => keys)).toEqual([['a', 'b', 'c'], ['d']]);
    calls[0]?.answer();
    await clock.settle();
    expect(first.map(jsonOf)).toEqual(['"a!"', '"b!"', '"c!"']);
  });

  test('are split into calls of at most maxBatch', async () => {
    const { clock, calls, ask } = setUp();
    ['a', 'b', 'c', 'd', 'e'].map(ask);
    await clock.settle();
    expect(calls.map(({ keys }) => keys)).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
  });

  test('wait while maxConcurrentLoads calls are up, and leave in the order in which they came', async () => {
    const { clock, calls, loads, ask } = setUp({ maxBatch: 1 });
    const asked = ['a', 'b', 'c', 'd'].map(ask);
    await clock.settle();
    expect([calls.length, loads.running, loads.queued]).toEqual([2, 2, 2]);
    calls[1]?.answer();
    await clock.settle();
    expect(calls.map(({ keys }) => keys[0])).toEqual(['a', 'b', 'c']);
    calls[0]?.fail(new Error('no'));
    await clock.settle();
    expect(calls.map(({ keys }) => keys[0])).toEqual(['a', 'b', 'c', 'd']);
    expect([codeOf(asked[0] as Asked), jsonOf(asked[1] as Asked)]).toEqual(['LOAD_FAILED', '"b!"']);
  });
});

test('one key more than may wait is refused with OVERLOADED, at once, and the text says what to change', async () => {
  const { clock, calls, loads, ask } = setUp();
  const asked = ['a', 'b', 'c', 'd', 'e'].map(ask);
  const refused = ask('f');
  await clock.settle();
  expect(codeOf(refused)).toBe('OVERLOADED');
  expect(refused.result).toMatchObject({
    error: { message: expect.stringContaining('raise maxQueuedLoads or maxConcurrentLoads') as string },
  });
  for (const call of calls) call.answer();
  await clock.settle();
  expect(asked.every((one) => one.result?.ok === true)).toBe(true);
  expect(loads.counts).toMatchObject({ calls: 2, keys: 5, refused: 1, timedOut: 0, failed: 0 });
});

describe('a call that takes longer than the hard timeout', () => {
  test('fails its keys with LOAD_TIMEOUT, is told, gives its place to the next, and counts as abandoned until it settles', async () => {
    const { clock, calls, loads, ask } = setUp({ maxBatch: 1, limits: { ...LIMITS, maxConcurrentLoads: 1 } });
    const slow = ask('slow');
    await clock.pass(50);
    const next = ask('next');
    await clock.pass(49);
    expect(slow.result).toBeUndefined();
    await clock.pass(1);
    expect(codeOf(slow)).toBe('LOAD_TIMEOUT');
    expect(slow.result).toMatchObject({ error: { message: 'the source did not answer for "slow" within 100 ms' } });
    expect(calls[0]?.signal.aborted).toBe(true);
    expect([calls[1]?.keys, loads.running, loads.abandoned]).toEqual([['next'], 1, 1]);
    calls[0]?.answer();
    calls[1]?.answer();
    await clock.settle();
    expect([jsonOf(next), codeOf(slow), loads.abandoned, loads.running]).toEqual(['"next!"', 'LOAD_TIMEOUT', 0, 0]);
    expect(clock.timers).toBe(0);
  });

  test('ends the wait of keys in the queue too, which are then not asked for', async () => {
    const { clock, calls, loads, ask } = setUp({ maxBatch: 1, limits: { ...LIMITS, maxConcurrentLoads: 1 } });
    ask('slow');
    await clock.settle();
    const queued = ask('queued');
    // Both fall due at one moment: before the end of the turn that would give the queue the free place.
    clock.advance(100);
    await clock.settle();
    expect(codeOf(queued)).toBe('LOAD_TIMEOUT');
    expect([calls.length, loads.queued, loads.counts.timedOut]).toEqual([1, 0, 2]);
  });
});

describe('a source that misbehaves', () => {
  test.each([
    [
      'throws at once',
      () => {
        throw new Error('at once');
      },
      'LOAD_FAILED',
    ],
    ['rejects with what is no error', () => Promise.reject('text'), 'LOAD_FAILED'],
    ['resolves to what is no Map', () => Promise.resolve({} as never), 'SOURCE_SHAPE'],
  ])('and %s fails the keys of its call, and its place is free again', async (_name, loadMany, code) => {
    const clock = new FakeClock();
    const loads = new Loads<string>(prepareSource<string, unknown>({ loadMany }, 10), LIMITS, clock);
    const results = ['a', 'b'].map((key) => loads.load(key, new AbortController().signal));
    await clock.settle();
    for (const result of await Promise.all(results)) expect(result).toMatchObject({ ok: false, error: { code } });
    expect([loads.running, loads.queued, loads.counts.failed, clock.timers]).toEqual([0, 0, 2, 0]);
  });

  test('as a plain function for one key harms that key only', async () => {
    const clock = new FakeClock();
    const bad: Record<string, () => unknown> = {
      throws: () => {
        throw new Error('no');
      },
      hangs: () => new Promise(() => {}),
      bigint: () => 1n,
    };
    const source = prepareSource<string, unknown>((key) => bad[key]?.() ?? `${key}!`, 500);
    const loads = new Loads<string>(source, { ...LIMITS, maxConcurrentLoads: 10 }, clock);
    const keys = ['good', 'throws', 'hangs', 'bigint', 'fine'];
    const results = keys.map((key) => loads.load(key, new AbortController().signal));
    await clock.pass(100);
    const said = await Promise.all(results);
    expect(said.map((result) => (result.ok ? result.json?.toString() : result.error.code))).toEqual([
      '"good!"',
      'LOAD_FAILED',
      'LOAD_TIMEOUT',
      'SOURCE_SHAPE',
      '"fine!"',
    ]);
  });
});

describe('a key that nobody waits for any more', () => {
  test('leaves the queue without being asked for', async () => {
    const { clock, calls, loads, ask } = setUp();
    const [a, b] = [ask('a'), ask('b')];
    a.controller.abort();
    expect(loads.queued).toBe(1);
    await clock.settle();
    expect([codeOf(a), calls.map(({ keys }) => keys)]).toEqual(['CLOSED', [['b']]]);
    calls[0]?.answer();
    await clock.settle();
    expect(jsonOf(b)).toBe('"b!"');
  });

  test('is not even queued if that was so from the start', async () => {
    const { clock, calls, loads } = setUp();
    expect(await loads.load('a', AbortSignal.abort())).toMatchObject({ ok: false, error: { code: 'CLOSED' } });
    await clock.settle();
    expect([calls.length, clock.timers]).toEqual([0, 0]);
  });

  test('does not end the call while somebody waits for another key of it; the last one to leave does', async () => {
    const { clock, calls, loads, ask } = setUp();
    const asked = ['a', 'b', 'c'].map(ask);
    await clock.settle();
    asked[0]?.controller.abort();
    asked[1]?.controller.abort();
    expect([calls[0]?.signal.aborted, loads.running]).toEqual([false, 1]);
    asked[2]?.controller.abort();
    expect([calls[0]?.signal.aborted, loads.running, loads.abandoned]).toEqual([true, 0, 1]);
    calls[0]?.fail(new Error('aborted'));
    await clock.settle();
    expect([loads.running, loads.abandoned, loads.counts.failed]).toEqual([0, 0, 0]);
  });
});

test('whatever happens in whatever order, limits hold, every key is answered once, and nothing is left over', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), at: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'fail' as const, 'leave' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'pass' as const), at: fc.nat(120) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, calls, loads, ask } = setUp();
      const asked: Asked[] = [];
      for (const { do: what, at } of steps) {
        if (what === 'ask') asked.push(ask(`k${asked.length}`));
        else if (what === 'leave') asked[at % asked.length]?.controller.abort();
        else if (what === 'answer') calls[at % calls.length]?.answer();
        else if (what === 'fail') calls[at % calls.length]?.fail(new Error('no'));
        else if (what === 'settle') await clock.settle();
        else await clock.pass(at);
        expect(loads.running).toBeLessThanOrEqual(LIMITS.maxConcurrentLoads);
        expect(loads.queued).toBeLessThanOrEqual(LIMITS.maxQueuedLoads);
        expect(calls.every(({ keys }) => keys.length <= 3)).toBe(true);
      }
      await clock.pass(LIMITS.hardTimeoutMs);
      expect(asked.every(({ result }) => result !== undefined)).toBe(true);
      for (const call of calls) call.answer();
      await clock.settle();
      expect([loads.running, loads.queued, loads.abandoned, clock.timers]).toEqual([0, 0, 0, 0]);
    }),
    { numRuns: 150 },
  );
});

describe('calls that a pacer holds back', () => {
  /** As `setUp`, with a pacer that has each call held back until it was for so long. */
  function paced(forMs: number) {
    const world = setUp({ maxBatch: 3 });
    const notes: { busyMs: number; keys: number; warmKeys: number }[] = [];
    const pacer = {
      holdMs: (heldMs: number) => Math.max(0, forMs - heldMs),
      note: (busyMs: number, keys: number, warmKeys: number) => void notes.push({ busyMs, keys, warmKeys }),
    };
    const calls: string[][] = [];
    const loadMany = async (keys: readonly string[]): Promise<Map<string, string>> => {
      calls.push([...keys]);
      await new Promise<void>((resolve) => void world.clock.schedule(4, resolve));
      return new Map(keys.map((key) => [key, key]));
    };
    const loads = new Loads<string>(prepareSource({ loadMany }, 3), LIMITS, world.clock, pacer);
    const ask = (key: string, warm = false): Promise<LoadResult> => loads.load(key, new AbortController().signal, warm);
    return { clock: world.clock, calls, notes, ask };
  }

  test('take along what is asked for meanwhile', async () => {
    const { clock, calls, ask } = paced(50);
    void ask('a');
    await clock.pass(30);
    void ask('b');
    await clock.pass(19);
    expect(calls).toEqual([]);
    await clock.pass(1);
    expect(calls).toEqual([['a', 'b']]);
    void ask('c');
    await clock.pass(49);
    expect(calls).toHaveLength(1);
    await clock.pass(1);
    expect(calls[1]).toEqual(['c']);
  });

  test('leave at once when they are full', async () => {
    const { clock, calls, ask } = paced(50);
    for (const key of ['a', 'b', 'c', 'd']) void ask(key);
    await clock.settle();
    expect(calls).toEqual([['a', 'b', 'c']]);
    await clock.pass(50);
    expect(calls).toEqual([['a', 'b', 'c'], ['d']]);
  });

  test('are told of once each, with how long they took and how much of it was for warming', async () => {
    const { clock, notes, ask } = paced(0);
    const asked = [ask('a'), ask('b', true)];
    await clock.pass(10);
    await Promise.all(asked);
    expect(notes).toEqual([{ busyMs: 4, keys: 2, warmKeys: 1 }]);
  });

  test('keys that warming asks for wait a little for each other, and not when others leave', async () => {
    const { clock, calls, ask } = paced(0);
    void ask('a', true);
    await clock.pass(3);
    void ask('b', true);
    await clock.pass(1);
    expect(calls).toEqual([]);
    await clock.pass(1);
    expect(calls).toEqual([['a', 'b']]);
    void ask('c', true);
    void ask('d');
    await clock.settle();
    expect(calls[1]).toEqual(['c', 'd']);
  });
});
