import { expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import { noRemoteTier } from '../../../src/cache/no-remote-tier.ts';
import type { RemoteInvalidation } from '../../../src/cache/remote-tier.ts';
import { tagBuckets } from '../../../src/cache/tags.ts';

/** A cache whose remote tier answers an invalidation when the test says so. */
function open() {
  const asked: { change: RemoteInvalidation; answer: (state: 'applied' | 'queued') => void }[] = [];
  const remote = {
    ...noRemoteTier({ alone: true }),
    invalidate: (change: RemoteInvalidation) => new Promise<'applied' | 'queued'>((answer) => void asked.push({ change, answer })),
  };
  let version = 0;
  const cache = createCache<string, number>({ name: 'test', remote, source: () => (version += 1) });
  const invalidated: unknown[] = [];
  cache.on('invalidated', (event) => invalidated.push(event));
  return { cache, asked, invalidated };
}

test('settle forgets before it asks the remote tier, and again after its answer, and tells that the change is in the log', async () => {
  const { cache, asked, invalidated } = open();
  await cache.get('a');
  const settling = cache.settle(['a']);
  expect(cache.peek('a')).toBeUndefined();
  expect(asked.map(({ change }) => change)).toEqual([
    { keys: ['test:{a}'], buckets: [], tags: [], logged: true, all: false, purge: false },
  ]);
  // Read in between: it may have been brought from a tier that has not applied the change yet.
  expect(await cache.get('a')).toBe(2);
  expect(invalidated).toEqual([]);
  asked[0]?.answer('applied');
  expect(await settling).toBe('applied');
  expect(cache.peek('a')).toBeUndefined();
  expect(invalidated).toEqual([{ keys: ['a'], tags: [], all: false, by: 'self' }]);
});

test('settle says that it is queued when the remote tier says so, and is refused by a closed cache', async () => {
  const { cache, asked } = open();
  const settling = cache.settle(['a']);
  asked[0]?.answer('queued');
  expect(await settling).toBe('queued');
  await cache.close();
  await expect(cache.settle(['a'])).rejects.toMatchObject({ code: 'CLOSED' });
});

test('an invalidation carries the names of its tags beside their buckets', async () => {
  const { cache, asked } = open();
  const tags = ['blue', 'red'];
  for (const how of ['invalidate', 'purge'] as const) {
    const done = cache[how]({ keys: ['a'], tags });
    const purge = how === 'purge';
    expect(asked.at(-1)?.change).toEqual({ keys: ['test:{a}'], buckets: tagBuckets(tags), tags, logged: false, all: false, purge });
    asked.at(-1)?.answer('applied');
    expect(await done).toBe('applied');
  }
});
