import { describe, expect, test } from 'vitest';
import type { RemoteListener } from '../../../src/cache/remote-tier.ts';
import { ForebayError } from '../../../src/core/errors.ts';
import type { LaggingCache } from '../../support/lagging-cache.ts';
import { openLaggingCache } from '../../support/lagging-cache.ts';

const BOUND_MS = 1000;
const MORE_MS = 5000;
const tuning = { maxStalenessMs: BOUND_MS, staleIfErrorMs: MORE_MS, graceMs: 100 };

/** An entry in process memory, of which nothing is proven any more from this moment on. */
async function openUnproven(options: Parameters<typeof openLaggingCache>[0] = {}): Promise<LaggingCache> {
  const opened = openLaggingCache({ ...tuning, ...options });
  await opened.load('a', { version: 1, tags: ['blue'] });
  opened.remote.known = opened.clock.now();
  opened.remote.away = true;
  return opened;
}

describe('with staleIfErrorMs, when the source fails', () => {
  test('an entry of process memory past its proof is served, marked, for so long and no longer', async () => {
    const { cache, clock, look, last } = await openUnproven();
    await clock.pass(BOUND_MS + MORE_MS);
    const looking = await look('a');
    await last().fail(new Error('away'));
    expect(await looking.answer).toMatchObject({
      outcome: 'stale',
      tier: 'local',
      version: 1,
      asOfAgeMs: BOUND_MS + MORE_MS,
      ifError: true,
    });
    expect(cache.stats().counts).toMatchObject({ staleIfError: 1, lookups: { localStale: 1 }, refusals: { unproven: 1 } });
    await clock.pass(1);
    const late = await look('a');
    await last().fail(new Error('away'));
    expect(await late.answer).toMatchObject({ outcome: 'unavailable', error: { code: 'LOAD_FAILED' } });
  });

  test.each([
    ['LOAD_FAILED', true],
    ['DATABASE_UNAVAILABLE', true],
    ['OVERLOADED', false],
    ['SOURCE_SHAPE', false],
    ['CLOSED', false],
  ] as const)('with %s it is served: %s', async (code, isServed) => {
    const { clock, look, last } = await openUnproven();
    await clock.pass(BOUND_MS + 1);
    const looking = await look('a');
    await last().fail(new ForebayError(code, 'no'));
    expect(await looking.answer).toMatchObject(isServed ? { outcome: 'stale' } : { outcome: 'unavailable', error: { code } });
  });

  test('by not answering in time it is served at the hard timeout, not at the soft one', async () => {
    const { clock, look } = await openUnproven({ softTimeoutMs: 50, hardTimeoutMs: 400 });
    await clock.pass(BOUND_MS + 1);
    const looking = await look('a');
    await clock.pass(399);
    expect(looking.ended).toBe(false);
    await clock.pass(1);
    expect(await looking.answer).toMatchObject({ outcome: 'stale', ifError: true, asOfAgeMs: BOUND_MS + 401 });
  });

  test('an entry of the remote tier past its proof is served if process memory has none', async () => {
    const { cache, clock, remote, look, last } = openLaggingCache(tuning);
    remote.store('a', { value: { version: 1 }, version: 1 });
    remote.known = clock.now();
    await clock.pass(BOUND_MS + 1);
    const looking = await look('a');
    await last().fail(new Error('away'));
    expect(await looking.answer).toMatchObject({ outcome: 'stale', tier: 'remote', version: 1, asOfAgeMs: BOUND_MS + 1, ifError: true });
    expect(cache.stats().counts).toMatchObject({ staleIfError: 1, lookups: { remoteStale: 1 }, remoteRefusals: { unproven: 1 } });
    expect(cache.peek('a')).toBeUndefined();
  });

  test('of two tiers the one with the later load answers', async () => {
    const { clock, remote, look, last } = await openUnproven();
    remote.away = false;
    await clock.pass(BOUND_MS + 1);
    for (const [loadedAgoMs, tier] of [
      [500, 'remote'],
      [5000, 'local'],
    ] as const) {
      remote.store('a', { value: { version: 1 }, version: 1, loadedAgoMs });
      const looking = await look('a');
      await last().fail(new Error('away'));
      expect(await looking.answer).toMatchObject({ outcome: 'stale', tier });
    }
  });

  test('an entry past its TTL is served as long as it is kept, which in the remote tier is so much longer', async () => {
    const { clock, remote, look, load, last } = openLaggingCache({ ...tuning, ttl: () => 1000 });
    await load('a', { version: 1 });
    expect(remote.fills).toEqual([{ key: 'a', expireMs: 1000 + MORE_MS }]);
    remote.away = true;
    await clock.pass(1000 + MORE_MS - 1);
    const looking = await look('a');
    await last().fail(new Error('away'));
    expect(await looking.answer).toMatchObject({ outcome: 'stale', ttlLeftMs: 1 - MORE_MS, asOfAgeMs: 0, ifError: true });
    await clock.pass(1);
    const late = await look('a');
    await last().fail(new Error('away'));
    expect((await late.answer).outcome).toBe('unavailable');
  });

  test('a look-up without the source that is within its proof is a plain stale answer', async () => {
    const { clock, look, load, last } = openLaggingCache({ ...tuning, ttl: () => 1000 });
    await load('a', { version: 1 });
    await clock.pass(1050);
    const looking = await look('a');
    await last().fail(new Error('away'));
    expect(await looking.answer).toMatchObject({ outcome: 'stale', ifError: false });
  });
});

describe('not even with staleIfErrorMs is anything served', () => {
  const failed = async ({ look, last }: LaggingCache, options?: Parameters<LaggingCache['look']>[1]): Promise<string> => {
    const looking = await look('a', options);
    await last().fail(new Error('away'));
    return (await looking.answer).outcome;
  };

  test('that was invalidated, by key or by tag', async () => {
    for (const targets of [{ keys: ['a'] }, { tags: ['blue'] }]) {
      const opened = await openUnproven();
      await opened.clock.pass(BOUND_MS + 1);
      expect(await failed(opened)).toBe('stale');
      await opened.cache.invalidate(targets);
      if ('tags' in targets) opened.remote.invalidateTag('blue');
      expect(await failed(opened)).toBe('unavailable');
    }
  });

  test('that a purge met while the source was asked; an invalidation still lets those have it who had asked before', async () => {
    for (const [how, outcome] of [
      ['purge', 'unavailable'],
      ['invalidate', 'stale'],
    ] as const) {
      const { cache, clock, look, last } = await openUnproven();
      await clock.pass(BOUND_MS + 1);
      const looking = await look('a');
      await cache[how]({ keys: ['a'] });
      await last().fail(new Error('away'));
      expect((await looking.answer).outcome).toBe(outcome);
    }
  });

  test('that is an absence', async () => {
    const opened = openLaggingCache(tuning);
    await opened.load('a', null);
    opened.remote.known = opened.clock.now();
    await opened.clock.pass(BOUND_MS + 1);
    expect(await failed(opened)).toBe('unavailable');
  });

  test('to a caller whose own limits it is beyond', async () => {
    const opened = await openUnproven();
    await opened.clock.pass(BOUND_MS + 1);
    expect(await failed(opened, { maxStalenessMs: BOUND_MS })).toBe('unavailable');
    expect(await failed(opened, { minVersion: 2 })).toBe('unavailable');
    expect(await failed(opened)).toBe('stale');
  });

  test('unless it was asked for: by default a failure is a failure', async () => {
    const opened = await openUnproven({ staleIfErrorMs: 0 });
    await opened.clock.pass(BOUND_MS + 1);
    expect(await failed(opened)).toBe('unavailable');
  });
});

describe('of what an invalidation met, a later proof says nothing', () => {
  const forgetA = (listener: RemoteListener): void => listener.onInvalidated(['test:{a}'], false);

  test('an entry at hand that was not proven is not given at the soft timeout because something was proven since', async () => {
    // 1. The entry's proof is too old, so a flight begins, with the entry at hand. 2. The key is invalidated. 3. All is proven again. 4. The soft timeout comes.
    const { clock, remote, look, last, load } = openLaggingCache({ staleIfErrorMs: 60_000, softTimeoutMs: 100 });
    remote.known = clock.now();
    await load('a', { version: 1 });
    await clock.pass(5000);
    const looking = await look('a');
    remote.tell(forgetA);
    remote.known = null;
    await clock.pass(100);
    expect(looking.ended).toBe(false);
    await last().answer({ a: { version: 2 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', version: 2 });
  });

  test('a value on its way from the remote tier counts by the proof of when it was asked for', async () => {
    const { clock, remote, look, last } = openLaggingCache();
    remote.known = clock.now() - 5000;
    remote.store('a', { value: { version: 1 }, version: 1 });
    const { promise, resolve } = Promise.withResolvers<void>();
    remote.gate = promise;
    const looking = await look('a');
    remote.tell(forgetA);
    remote.known = null;
    resolve();
    await clock.settle();
    expect(looking.ended).toBe(false);
    await last().answer({ a: { version: 2 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', version: 2 });
  });
});
