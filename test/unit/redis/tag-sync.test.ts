import { expect, it } from 'vitest';
import { tagBuckets } from '../../../src/cache/tags.ts';
import { MemoryServer, createMemoryTier } from '../../support/memory-remote.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { flow } from './flow.ts';

it('a tag that is invalidated while the table is being read counts, though the reply is older than its message', async () => {
  const clock = new FakeClock();
  const server = new MemoryServer({ now: clock.now, onMoment: () => {} });
  server.redis.loadScripts();
  const a = createMemoryTier(server, { clock });
  const b = createMemoryTier(server, { clock });
  await flow(clock, a.commands, a.bus, b.commands, b.bus);

  const read = b.tier.read('k', clock.now() + 50);
  await clock.settle();
  // The head of the table, the time and the value: b sees that it knows no table, and reads it.
  for (let i = 0; i < 3; i += 1) b.commands.step('arrive');
  for (let i = 0; i < 3; i += 1) b.commands.step('deliver');
  await clock.settle();
  b.commands.step('arrive');
  const before = server.redis.hmget('forebay:tags', ['g', 'n']).map(String);

  const invalidated = a.tier.invalidate({ keys: [], buckets: tagBuckets(['t']), all: false, purge: false });
  await flow(clock, a.commands, a.bus, b.bus);
  await expect(invalidated).resolves.toBe('applied');
  await flow(clock, b.commands);
  await read;

  expect(b.tier.tags.isGood({ generation: before[0] ?? '', stamp: Number(before[1]) }, tagBuckets(['t']))).toBe(false);
  expect(b.tier.tags.behind).toBe(true);
  const next = b.tier.read('k', clock.now() + 50);
  await flow(clock, b.commands);
  await expect(next).resolves.toEqual({ outcome: 'miss' });
  expect(b.tier.tags.behind).toBe(false);
});
