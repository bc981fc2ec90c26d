import { describe, expect, test } from 'vitest';
import { Floors } from '../../../src/cache/floors.ts';
import type { LocalEntry } from '../../../src/cache/local-entry.ts';
import type { LaggingCache } from '../../support/lagging-cache.ts';
import { openLaggingCache } from '../../support/lagging-cache.ts';

const entry = (version: number | null): LocalEntry<unknown> =>
  ({ absent: version === null, version: version ?? 0 }) as unknown as LocalEntry<unknown>;
const ABSENT = Number.POSITIVE_INFINITY;

describe('floors', () => {
  const note = (floors: Floors, text: string, version: number | null, askedAt: number, answeredAt = askedAt, asOf = 0): void =>
    floors.note(text, entry(version), { askedAt, answeredAt, asOf });

  test('hold until the tiers have followed the source to its answer', () => {
    const floors = new Floors();
    note(floors, 'a', 2, 10, 20);
    expect([floors.of('a', 20), floors.of('b', 20), floors.of('a', 21), floors.size]).toEqual([2, 0, 0, 0]);
  });

  test('are not made where the tiers have followed already', () => {
    const floors = new Floors();
    note(floors, 'a', 2, 10, 20, 21);
    expect(floors.size).toBe(0);
  });

  test('follow the newest question to the source, not the newest answer', () => {
    const floors = new Floors();
    note(floors, 'a', 5, 10, 20);
    note(floors, 'a', 4, 15, 30);
    expect(floors.of('a', 0)).toBe(5);
    note(floors, 'a', 3, 30, 40);
    expect(floors.of('a', 0)).toBe(3);
    note(floors, 'a', null, 40, 50);
    note(floors, 'a', 9, 45, 60);
    expect(floors.of('a', 0)).toBe(ABSENT);
    note(floors, 'a', 9, 61, 70);
    expect(floors.of('a', 0)).toBe(9);
  });

  test('let pass what cannot be older, and nothing else', () => {
    const floors = new Floors();
    expect([floors.isBelow(entry(0), ABSENT), floors.isBelow(entry(0), 0)]).toEqual([false, false]);
    expect(floors.after(entry(1))).toBe(1);
    const below = (version: number | null, floor: number): boolean => floors.isBelow(entry(version), floor);
    expect([below(1, 2), below(2, 2), below(3, 2), below(null, 2), below(0, 2)]).toEqual([true, false, false, true, true]);
    expect([below(null, ABSENT), below(7, ABSENT), below(0, ABSENT), below(null, 0)]).toEqual([false, true, true, false]);
  });

  test('of 10,000 keys at most are kept: those that have served go first, then the oldest, which are counted', () => {
    const floors = new Floors();
    for (let i = 0; i < 10_000; i += 1) note(floors, `k${i}`, 1, i + 1);
    note(floors, 'k0', 2, 20_000, 20_000, 2);
    expect([floors.size, floors.dropped]).toEqual([10_000, 0]);
    note(floors, 'more', 1, 20_001, 20_001, 3);
    expect([floors.size, floors.dropped, floors.of('k1', 0)]).toEqual([10_000, 0, 0]);
    note(floors, 'still more', 1, 20_002, 20_002, 3);
    expect([floors.size, floors.dropped, floors.of('k2', 0), floors.of('k3', 0), floors.of('k0', 0)]).toEqual([10_000, 1, 0, 1, 2]);
  });

  test('that have served go faster than new ones come', () => {
    const floors = new Floors();
    for (let i = 0; i < 100; i += 1) note(floors, `old${i}`, 1, 1);
    for (let i = 0; i < 100; i += 1) note(floors, `new${i}`, 1, 10, 10, 5);
    expect([floors.size, floors.dropped]).toEqual([100, 0]);
  });
});

/** The source has given version 2 and the remote tier still holds version 1, within its bound; process memory has lost what it had. */
async function openLagging(row: { version: number } | null = { version: 2 }): Promise<LaggingCache> {
  const opened = openLaggingCache();
  const { cache, clock, remote, look, last } = opened;
  remote.known = clock.now();
  remote.store('seen', { value: { version: 1 }, version: 1 });
  await look('seen');
  remote.store('a', { value: { version: 1 }, version: 1 });
  remote.leased = true;
  await clock.pass(10);
  const looking = await look('a', { maxStalenessMs: 0 });
  await last().answer({ a: row });
  await looking.answer;
  remote.tell((listener) => listener.onGap('missed'));
  expect(cache.peek('a')).toBeUndefined();
  return opened;
}

describe('a read after one that the source answered', () => {
  test.each([{ version: 2 }, null])('does not take what is older from a remote tier that lags: after %j', async (row) => {
    const { cache, clock, look, last, calls } = await openLagging(row);
    const looking = await look('a');
    await clock.pass(300);
    expect([looking.ended, calls.length]).toEqual([false, 2]);
    await last().answer({ a: row });
    expect(await looking.answer).toMatchObject(row === null ? { outcome: 'absent', tier: 'source' } : { outcome: 'loaded', version: 2 });
    expect(cache.stats().counts.remoteRefusals.older).toBeGreaterThan(0);
    expect(cache.stats().floors).toEqual({ kept: 1, dropped: 0 });
  });

  test('asks for the lease with leave to replace the older value', async () => {
    const { remote, look, last } = await openLagging();
    remote.leased = false;
    remote.calls.length = 0;
    const looking = await look('a');
    await last().answer({ a: { version: 2 } });
    expect(await looking.answer).toMatchObject({ outcome: 'loaded', stored: true });
    expect(remote.calls).toEqual(['read a', 'acquire a to replace']);
  });

  test('takes what is as new, or newer, from the remote tier at once', async () => {
    for (const version of [2, 3]) {
      const { remote, look } = await openLagging();
      remote.store('a', { value: { version }, version });
      expect(await (await look('a')).answer).toMatchObject({ outcome: 'hit', tier: 'remote', version });
    }
  });

  test('takes anything from the remote tier again once that has followed the source to that answer', async () => {
    const { cache, clock, remote, look } = await openLagging();
    remote.known = clock.now() + 1;
    expect(await (await look('a')).answer).toMatchObject({ outcome: 'hit', tier: 'remote' });
    expect(cache.stats().floors.kept).toBe(0);
  });

  test('does not fall back on what is older either', async () => {
    const { remote, clock, look, last } = await openLagging();
    remote.store('a', { value: { version: 1 }, version: 1, ttlMs: 1, loadedAgoMs: 5 });
    const looking = await look('a');
    await clock.pass(300);
    expect(looking.ended).toBe(false);
    await last().fail(new Error('away'));
    expect((await looking.answer).outcome).toBe('unavailable');
  });

  test('takes what was set since, whatever its version', async () => {
    const { cache, remote, look } = await openLagging();
    await cache.set('a', { version: 1 });
    remote.leased = false;
    expect(await (await look('a')).answer).toMatchObject({ outcome: 'hit', tier: 'remote', version: 1 });
  });

  test('without versions anywhere takes what the remote tier has, as ever', async () => {
    const { cache, clock, remote, look, last } = openLaggingCache({ describe: () => ({}) });
    remote.known = clock.now();
    await clock.pass(10);
    for (const row of [null, { version: 2 }]) {
      remote.store('a', { value: { version: 1 } });
      const looking = await look('a', { maxStalenessMs: 0 });
      remote.leased = true;
      await last().answer({ a: row });
      await looking.answer;
      remote.store('a', { value: { version: 1 } });
      remote.tell((listener) => listener.onGap('missed'));
      expect(await (await look('a')).answer).toMatchObject({ outcome: 'hit', tier: 'remote' });
    }
    expect(cache.stats().counts).toMatchObject({ remoteRefusals: { older: 0 }, reloads: 0 });
  });
});

describe('of two flights of one key, the older of which is answered late and brings the newer version', () => {
  /** Both are up and have asked the source; new callers join the second. */
  async function openTwo(options: Parameters<typeof openLaggingCache>[0] = {}) {
    const opened = openLaggingCache(options);
    const { cache, look, calls } = opened;
    const first = await look('a');
    await cache.invalidate({ keys: ['a'] });
    const second = await look('a');
    expect(calls).toHaveLength(2);
    const [one, two] = calls as [(typeof calls)[0], (typeof calls)[0]];
    return { ...opened, first, second, one, two };
  }

  test('what the other left in process memory goes', async () => {
    const { cache, remote, look, first, second, one, two, last } = await openTwo();
    remote.known = 0;
    await two.answer({ a: { version: 1 } });
    expect([second.ended, cache.peek('a')]).toEqual([true, { version: 1 }]);
    await one.answer({ a: { version: 2 } });
    expect(await first.answer).toMatchObject({ version: 2 });
    expect(cache.peek('a')).toBeUndefined();
    // Nor is it taken from the remote tier, where the other left it too.
    const third = await look('a');
    await last().answer({ a: { version: 2 } });
    expect(await third.answer).toMatchObject({ outcome: 'loaded', version: 2 });
    expect(cache.stats().counts.remoteRefusals.older).toBe(1);
  });

  test('the other is asked for once more, so that who joins it meanwhile has nothing older', async () => {
    const { cache, look, first, second, one, two, last } = await openTwo();
    await one.answer({ a: { version: 2 } });
    expect(await first.answer).toMatchObject({ version: 2 });
    const joiner = await look('a');
    await two.answer({ a: { version: 1 } });
    expect([second.ended, joiner.ended]).toEqual([false, false]);
    await last().answer({ a: { version: 2 } });
    expect(await Promise.all([second.answer, joiner.answer])).toMatchObject([{ version: 2 }, { version: 2 }]);
    expect(cache.stats().counts.reloads).toBe(1);
  });

  test('the other gives and stores what is as new without being asked again', async () => {
    const { cache, first, second, one, two } = await openTwo();
    await one.answer({ a: { version: 2 } });
    await two.answer({ a: { version: 2 } });
    expect(await Promise.all([first.answer, second.answer])).toMatchObject([{ version: 2 }, { version: 2 }]);
    expect([cache.peek('a'), cache.stats().counts.reloads]).toEqual([{ version: 2 }, 0]);
  });

  test('what the source says when it is asked once more is final, whatever its version: the record was made anew', async () => {
    const { cache, second, one, two, last } = await openTwo();
    await one.answer({ a: null });
    await two.answer({ a: { version: 1 } });
    await last().answer({ a: { version: 1 } });
    expect(await second.answer).toMatchObject({ outcome: 'loaded', version: 1 });
    expect(cache.stats().counts.reloads).toBe(1);
  });

  test('who comes while the other is asked once more begins a flight of its own, which is stored', async () => {
    const { cache, look, second, one, two, calls } = await openTwo();
    await one.answer({ a: { version: 2 } });
    await two.answer({ a: { version: 1 } });
    const third = await look('a');
    expect(calls).toHaveLength(4);
    await calls[3]?.answer({ a: { version: 3 } });
    await calls[2]?.answer({ a: { version: 2 } });
    expect(await Promise.all([second.answer, third.answer])).toMatchObject([
      { version: 2, stored: false },
      { version: 3, stored: true },
    ]);
    expect(cache.peek('a')).toEqual({ version: 3 });
  });

  test('the other does not fall back on what is older', async () => {
    const { cache, clock, remote, look, calls } = openLaggingCache({ softTimeoutMs: 50, graceMs: 10_000 });
    remote.store('a', { value: { version: 1 }, version: 1, ttlMs: 1, loadedAgoMs: 5 });
    const first = await look('a');
    remote.tell((listener) => listener.onInvalidated(['test:{a}'], false));
    const second = await look('a');
    expect(calls).toHaveLength(2);
    await calls[0]?.answer({ a: { version: 2 } });
    expect(await first.answer).toMatchObject({ version: 2 });
    await clock.pass(60);
    expect(second.ended).toBe(false);
    await calls[1]?.fail(new Error('away'));
    expect((await second.answer).outcome).toBe('unavailable');
    expect(cache.stats().counts.lookups.remoteStale).toBe(0);
  });
});
