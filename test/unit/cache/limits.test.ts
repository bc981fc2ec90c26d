import { describe, expect, test } from 'vitest';
import { openLaggingCache } from '../../support/lagging-cache.ts';

const FRESH = { maxStalenessMs: 0 };

describe('a read that asks for a staleness of its own', () => {
  test('is answered from process memory while the proof is no older than that, and from the source beyond', async () => {
    const { cache, clock, remote, calls, look, load, last } = openLaggingCache();
    await load('a', { version: 1 });
    remote.known = clock.now();
    await clock.pass(300);
    expect(await (await look('a', { maxStalenessMs: 300 })).answer).toMatchObject({ outcome: 'hit', tier: 'local' });
    const looking = await look('a', { maxStalenessMs: 299 });
    expect(calls).toHaveLength(2);
    await last().answer({ a: { version: 2 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', version: 2, stored: true });
    expect(cache.peek('a')).toEqual({ version: 2 });
    expect(cache.stats().counts).toMatchObject({ refusals: { limits: 1 }, remoteRefusals: { limits: 1 } });
  });

  test('finds in the remote tier what is fresh enough, and does not take what is not', async () => {
    const { clock, remote, calls, look, last } = openLaggingCache();
    remote.store('a', { value: { version: 1 }, version: 1 });
    remote.known = clock.now() - 400;
    expect(await (await look('a', { maxStalenessMs: 400 })).answer).toMatchObject({ outcome: 'hit', tier: 'remote' });
    const looking = await look('b', { maxStalenessMs: 399 });
    remote.store('c', { value: { version: 1 }, version: 1 });
    const refused = await look('c', { maxStalenessMs: 399 });
    expect(calls.map(({ keys }) => keys)).toEqual([['b'], ['c']]);
    await calls[0]?.answer({ b: null });
    await last().answer({ c: { version: 2 } });
    expect([(await looking.answer).outcome, await refused.answer]).toMatchObject(['absent', { outcome: 'loaded', version: 2 }]);
  });

  test('of 0 goes past both tiers, though they are fresh, and stores what it brought in both', async () => {
    const { cache, remote, look, load, last } = openLaggingCache();
    await load('a', { version: 1 });
    remote.calls.length = 0;
    const looking = await look('a', FRESH);
    expect(remote.calls).toEqual(['acquire a to replace']);
    await last().answer({ a: { version: 2 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', version: 2, joined: false, stored: true });
    expect([cache.peek('a'), remote.fills.length]).toEqual([{ version: 2 }, 2]);
  });

  test('of 0 does not wait for another instance that has the lease', async () => {
    const { remote, look, last } = openLaggingCache();
    remote.leased = true;
    const looking = await look('a', FRESH);
    await last().answer({ a: { version: 2 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', stored: false });
  });

  test('of 0 shares a load with others of its turn, and not one that had been asked of the source before', async () => {
    const { cache, clock, calls } = openLaggingCache();
    const first = [cache.lookup('a', FRESH), cache.lookup('a', FRESH), cache.lookup('a')];
    await clock.settle();
    const second = cache.lookup('a', FRESH);
    await clock.settle();
    expect(calls).toHaveLength(2);
    await calls[0]?.answer({ a: { version: 1 } });
    await calls[1]?.answer({ a: { version: 2 } });
    expect(await Promise.all([...first, second])).toMatchObject([
      { version: 1, joined: false },
      { version: 1, joined: true },
      { version: 1, joined: true },
      { version: 2, joined: false },
    ]);
    expect(cache.peek('a')).toEqual({ version: 2 });
  });

  test('of 0 does not join a flight that may still find its answer in the remote tier', async () => {
    const { cache, clock, remote, calls } = openLaggingCache();
    remote.store('a', { value: { version: 1 }, version: 1 });
    const gate = Promise.withResolvers<void>();
    remote.gate = gate.promise;
    const plain = cache.lookup('a');
    const fresh = cache.lookup('a', FRESH);
    gate.resolve();
    await clock.settle();
    await calls[0]?.answer({ a: { version: 2 } });
    expect(await Promise.all([plain, fresh])).toMatchObject([{ outcome: 'hit' }, { outcome: 'loaded', version: 2 }]);
  });

  test('is not content with the load that it joined if that was asked for too long before, and asks once more', async () => {
    const { clock, remote, calls, look } = openLaggingCache({ hardTimeoutMs: 5000 });
    remote.known = 0;
    const plain = await look('a');
    await clock.pass(40);
    const [near, far] = [await look('a', { maxStalenessMs: 100 }), await look('a', { maxStalenessMs: 79 })];
    // 79 / 2 < 40: that one would not even wait for it.
    expect(calls).toHaveLength(2);
    await calls[0]?.answer({ a: { version: 1 } });
    expect([plain.ended, near.ended, far.ended]).toEqual([true, true, false]);
    await calls[1]?.answer({ a: { version: 2 } });
    expect(await Promise.all([plain.answer, near.answer, far.answer])).toMatchObject([{ version: 1 }, { version: 1 }, { version: 2 }]);
  });
});

test('a load that was joined, and that an invalidation then met, is not vouched for by what is proven later', async () => {
  const { cache, clock, remote, look, calls } = openLaggingCache();
  const plain = await look('a');
  await clock.pass(19);
  // Proven up to 1 ms ago: new enough to join.
  remote.known = clock.now() - 1;
  const looking = await look('a', { maxStalenessMs: 5 });
  expect(calls).toHaveLength(1);
  await clock.pass(5);
  remote.tell((listener) => listener.onInvalidated(['test:{a}'], false));
  remote.known = clock.now();
  await calls[0]?.answer({ a: { version: 1 } });
  expect([plain.ended, looking.ended, calls.length]).toEqual([true, false, 2]);
  await calls[1]?.answer({ a: { version: 2 } });
  expect(await looking.answer).toMatchObject({ version: 2 });
  expect(cache.peek('a')).toEqual({ version: 2 });
});

describe('a read that asks for a version', () => {
  test('takes it or a newer one from any tier, and otherwise asks the source, whose answer is final', async () => {
    const { cache, remote, calls, look, load, last } = openLaggingCache();
    await load('a', { version: 5 });
    remote.store('b', { value: { version: 5 }, version: 5 });
    for (const key of ['a', 'b']) expect(await (await look(key, { minVersion: 5 })).answer).toMatchObject({ outcome: 'hit', version: 5 });
    expect(calls).toHaveLength(1);
    const looking = await look('a', { minVersion: 6 });
    await last().answer({ a: { version: 5 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', version: 5 });
    expect([calls.length, cache.stats().counts.refusals.limits]).toEqual([2, 1]);
  });

  test('is not content with an absent entry, in whatever tier, but with an absence that the source says', async () => {
    const { remote, calls, look, load, last } = openLaggingCache();
    await load('a', null);
    remote.store('b', { value: null, absent: true });
    const looks = [await look('a', { minVersion: 1 }), await look('b', { minVersion: 1 })];
    await calls[1]?.answer({ a: null });
    await last().answer({ b: null });
    for (const { answer } of looks) expect(await answer).toMatchObject({ outcome: 'absent', tier: 'source' });
    expect(await (await look('a', { minVersion: 0 })).answer).toMatchObject({ outcome: 'absent', tier: 'local' });
  });

  test('joins a load, and has the source asked once more, and only once, if that brings less', async () => {
    const { calls, look } = openLaggingCache();
    const plain = await look('a');
    const [low, high] = [await look('a', { minVersion: 3 }), await look('a', { minVersion: 4 })];
    expect(calls).toHaveLength(1);
    await calls[0]?.answer({ a: { version: 3 } });
    expect([plain.ended, low.ended, high.ended, calls.length]).toEqual([true, true, false, 2]);
    await calls[1]?.answer({ a: { version: 3 } });
    expect(await Promise.all([low.answer, high.answer])).toMatchObject([
      { version: 3, joined: true },
      { version: 3, joined: false },
    ]);
    expect(calls).toHaveLength(2);
  });

  test('begins a flight that plain reads join', async () => {
    const { calls, look, last } = openLaggingCache();
    const looks = [await look('a', { minVersion: 2 }), await look('a')];
    await last().answer({ a: { version: 2 } });
    expect(await Promise.all(looks.map(({ answer }) => answer))).toMatchObject([{ version: 2 }, { version: 2, joined: true }]);
    expect(calls).toHaveLength(1);
  });
});

describe('a stale answer', () => {
  const slow = { ttl: () => 100, softTimeoutMs: 50, graceMs: 10_000, hardTimeoutMs: 500 };

  test('at the soft timeout goes only to those whom it is good enough for', async () => {
    const { clock, look, load, last } = openLaggingCache(slow);
    await load('a', { version: 1 });
    await clock.pass(200);
    const looks = [await look('a'), await look('a', { minVersion: 1 }), await look('a', { minVersion: 2 })];
    await clock.pass(50);
    expect(looks.map(({ ended }) => ended)).toEqual([true, true, false]);
    const late = [await look('a', { minVersion: 1 }), await look('a', { minVersion: 2 })];
    expect(late.map(({ ended }) => ended)).toEqual([true, false]);
    await last().answer({ a: { version: 2 } });
    const stale = { outcome: 'stale', version: 1, asOfAgeMs: 0, ifError: false };
    const loaded = { outcome: 'loaded', version: 2 };
    expect(await Promise.all([...looks, ...late].map(({ answer }) => answer))).toMatchObject([stale, stale, loaded, stale, loaded]);
  });

  test('after a failure goes only to those whom it is good enough for; the others have the error', async () => {
    const { clock, remote, look, load, last } = openLaggingCache(slow);
    await load('a', { version: 1 });
    remote.known = clock.now();
    await clock.pass(200);
    const [plain, enough, newer, fresher] = [
      await look('a'),
      await look('a', { minVersion: 1 }),
      await look('a', { minVersion: 2 }),
      await look('a', { maxStalenessMs: 150 }),
    ];
    await last().fail(new Error('away'));
    expect(await Promise.all([plain.answer, enough.answer, newer.answer, fresher.answer])).toMatchObject([
      { outcome: 'stale', asOfAgeMs: 200 },
      { outcome: 'stale' },
      { outcome: 'unavailable', error: { code: 'LOAD_FAILED' } },
      { outcome: 'unavailable', error: { code: 'LOAD_FAILED' } },
    ]);
  });

  test('is never the answer to a read that asks the source', async () => {
    const { clock, look, load, last } = openLaggingCache(slow);
    await load('a', { version: 1 });
    await clock.pass(200);
    const looking = await look('a', FRESH);
    await clock.pass(60);
    expect(looking.ended).toBe(false);
    await last().fail(new Error('away'));
    expect(await looking.answer).toMatchObject({ outcome: 'unavailable' });
  });
});

test.each([
  ['maxStalenessMs', -1],
  ['maxStalenessMs', 1000.5],
  ['maxStalenessMs', Number.NaN],
  ['maxStalenessMs', '5'],
  ['minVersion', -1],
  ['minVersion', 1.5],
  ['minVersion', 2 ** 53],
  ['minVersion', '5'],
])('%s = %s is refused in every read, with its name', async (field, value) => {
  const { cache, load, calls } = openLaggingCache();
  await load('a', { version: 1 });
  const options = { [field]: value };
  for (const read of [cache.get('a', options), cache.lookup('a', options), cache.getMany(['a'], options), cache.lookupMany(['a'], options)])
    await expect(read).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      field,
      message: expect.stringContaining(`${field} = ${value}: has to be`),
    });
  expect(calls).toHaveLength(1);
});

test('limits hold for get, getMany and lookupMany too, and a fraction of a millisecond is fine', async () => {
  const { cache, clock, remote, calls, load } = openLaggingCache();
  await load('a', { version: 1 });
  remote.known = clock.now();
  await clock.pass(1);
  expect(await cache.get('a', { maxStalenessMs: 1.5, minVersion: 1 })).toEqual({ version: 1 });
  const reads = Promise.all([cache.get('a', FRESH), cache.getMany(['a'], FRESH), cache.lookupMany(['a'], FRESH)]);
  await clock.settle();
  expect(calls.map(({ keys }) => keys)).toEqual([['a'], ['a']]);
  await calls[1]?.answer({ a: { version: 2 } });
  expect(await reads).toMatchObject([{ version: 2 }, new Map([['a', { version: 2 }]]), [{ version: 2 }]]);
});

test('a caller with limits may leave, and ends the load if nobody else waits', async () => {
  const { cache, clock, calls } = openLaggingCache();
  const controller = new AbortController();
  const looking = cache.lookup('a', { ...FRESH, signal: controller.signal });
  await clock.settle();
  controller.abort(new Error('enough'));
  await expect(looking).rejects.toThrow('enough');
  await calls[0]?.answer({ a: { version: 1 } });
  await cache.idle();
  expect(cache.stats()).toMatchObject({ counts: { lookups: { aborted: 1 } }, loading: { flights: 0 } });
  expect(clock.timers).toBe(0);
});
