import { expect, test } from 'vitest';
import { noRemoteTier } from '../../../src/cache/no-remote-tier.ts';
import type { RemoteInvalidation } from '../../../src/cache/remote-tier.ts';

const nothing: RemoteInvalidation = { keys: [], buckets: [], all: false, purge: false };
const off = { outcome: 'unavailable', reason: 'off' };

test('no remote tier holds nothing, says at once that it is off, and applies every invalidation', async () => {
  const tier = noRemoteTier({ alone: true });
  await tier.opened;
  expect(tier.state()).toBe('off');
  expect(await tier.read('a', 0)).toEqual(off);
  expect(await tier.acquire('a', 'token', { leaseMs: 1, replace: false, deadline: 0 })).toEqual(off);
  expect(await tier.fill('a', 'token', null)).toBe('unavailable');
  expect(await tier.holder('a')).toBeNull();
  expect(await tier.invalidate({ ...nothing, keys: ['a'] })).toBe('applied');
  await tier.close();
});

test('the only process has heard of everything by now; one among others has heard of nothing', () => {
  expect(noRemoteTier({ alone: true }).asOf(1234)).toBe(1234);
  expect(noRemoteTier({ alone: false }).asOf(1234)).toBe(Number.NEGATIVE_INFINITY);
});

test('a tag invalidation counts for what was loaded before it with that tag, and for nothing else', async () => {
  const tier = noRemoteTier({ alone: true });
  const { tags } = tier;
  const before = tags.point;
  await tier.invalidate({ ...nothing, buckets: [7] });
  expect([tags.isGood(before, [7]), tags.isGood(before, [8]), tags.isGood(tags.point, [7])]).toEqual([false, true, true]);
  const between = tags.point;
  await tier.invalidate({ ...nothing, buckets: [8, 7] });
  expect([tags.isGood(between, [7]), tags.isGood(between, [9]), tags.behind]).toEqual([false, true, false]);
});

test('an invalidation of all counts for everything loaded before it, each time', async () => {
  const tier = noRemoteTier({ alone: true });
  const { tags } = tier;
  for (let i = 0; i < 3; i += 1) {
    const before = tags.point;
    await tier.invalidate({ ...nothing, all: true });
    expect([tags.isGood(before, []), tags.isGood(tags.point, [1])]).toEqual([false, true]);
  }
  const before = tags.point;
  await tier.invalidate({ ...nothing, buckets: [3] });
  expect([tags.isGood(before, [3]), tags.isGood(before, [4])]).toEqual([false, true]);
});
