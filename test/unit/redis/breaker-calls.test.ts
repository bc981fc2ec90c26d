import type { LogPart, LogStore } from '../../../src/cache/log-store.ts';
import { expect, it } from 'vitest';
import { LogTags } from '../../../src/cache/log-tags.ts';
import type { BreakerOptions } from '../../../src/redis/breaker-options.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { createMemoryLogStore, createMemoryTier, MemoryServer } from '../../support/memory-remote.ts';
import { flow } from './flow.ts';

/** A store on one server has one part. */
const partOf = (store: LogStore): LogPart => store.parts()[0] as LogPart;

const KEY = 'f:{1}';
const EPOCH = 'e';
const entry = { number: 1, keys: [KEY], buckets: [], all: false, purge: false };
const REFUSED = { outcome: 'unavailable', reason: 'breaker' };

/** A store that is connected, on a server in whose place the test lets each command and reply arrive. */
async function openStore(breaker: Partial<BreakerOptions> = {}) {
  const clock = new FakeClock();
  const server = new MemoryServer({ now: clock.now, onMoment: () => {} });
  const tags = new LogTags();
  tags.begin(EPOCH, 0);
  const world = createMemoryLogStore(server, { clock, breaker, chance: { random: () => 0, uniqueId: () => '0' } }, tags);
  const told: string[] = [];
  const tell = (what: string) => () => void told.push(what);
  const listener = {
    onEntry: tell('entry'),
    onGap: tell('gap'),
    onUnreadable: tell('unreadable'),
    onBehind: tell('behind'),
    onWake: tell('wake'),
    onAnew: tell('anew'),
    onUp: tell('up'),
  };
  world.store.listen(listener, () => ({ epoch: EPOCH, number: 0 }));
  await flow(clock, world.commands, world.bus);
  told.length = 0;
  const lease = () => ({ leaseMs: 1000, replace: false, deadline: clock.now() + 50 });
  return { ...world, clock, server, told, lease, deadline: () => clock.now() + 50 };
}

it('while no call passes nothing is sent, and every call says so at once', async () => {
  const { store, commands, clock, lease, deadline } = await openStore();
  store.breaker.isolate();
  const replies = Promise.all([
    store.read(KEY, deadline()),
    store.acquire(KEY, 't', lease()),
    store.fill(KEY, 't', null),
    partOf(store).apply(EPOCH, entry, deadline()),
    partOf(store).fence(EPOCH, deadline()),
    partOf(store).restart(EPOCH, 1, 0, deadline()),
    store.holder(KEY),
  ]);
  store.wake();
  // Nothing waits for the end of the turn.
  expect(clock.pending).toBe(0);
  await clock.settle();
  expect(await replies).toEqual([REFUSED, REFUSED, 'unavailable', { outcome: 'unavailable' }, null, false, null]);
  // The echo of the bus, and the next look at the server's health: neither is of these calls.
  expect([commands.can('arrive'), store.state(), clock.timers]).toEqual([false, 'down', 2]);
  expect(store.breaker.counts.refused).toBe(7);
});

it('calls of the very turn in which it opens are not sent', async () => {
  const { store, commands, clock, lease, deadline } = await openStore();
  const replies = Promise.all([store.read(KEY, deadline()), store.acquire(KEY, 't', lease())]);
  store.breaker.isolate();
  await clock.settle();
  expect([await replies, commands.can('arrive')]).toEqual([[REFUSED, REFUSED], false]);
});

it('a script that the server does not know is not sent again as text when it has opened meanwhile', async () => {
  const { store, commands, clock, lease } = await openStore();
  const reply = store.acquire(KEY, 't', lease());
  await clock.settle();
  commands.step('arrive');
  store.breaker.isolate();
  commands.step('deliver');
  await clock.settle();
  expect([await reply, commands.can('arrive')]).toEqual([REFUSED, false]);
});

it('reads that are answered late open it: the answers that come then change nothing, and the calls have said long ago that they were not answered', async () => {
  const { store, commands, bus, clock, deadline } = await openStore({ timeoutsInRow: 3, silentMs: 0 });
  for (const state of ['closed', 'closed', 'open']) {
    const read = store.read(KEY, deadline());
    await clock.pass(50);
    expect(await read).toEqual({ outcome: 'unavailable', reason: 'budget' });
    expect(store.breaker.state).toBe(state);
  }
  await flow(clock, commands, bus);
  expect(store.breaker.state).toBe('open');
});

it('a read, a script and a look at the fence that are answered end a row of time-outs', async () => {
  const { store, commands, bus, clock, lease, deadline } = await openStore({ timeoutsInRow: 2, silentMs: 0 });
  for (const call of [
    () => store.read(KEY, deadline()),
    () => store.acquire(KEY, 't', lease()),
    () => partOf(store).fence(EPOCH, deadline()),
  ]) {
    void partOf(store).fence(EPOCH, deadline());
    await clock.pass(50);
    // What was late arrives after all, and then what was asked since.
    const asked = call();
    await flow(clock, commands, bus);
    await asked;
    expect(store.breaker.state).toBe('closed');
  }
});

it.each([
  // A first read opens the table as well, by a script that is sent twice.
  ['read', 0.45],
  ['acquire', 0.7],
  ['fence', 0.7],
  ['holder', 0.7],
] as const)('a %s that is answered counts among the calls of the window', async (call, failureShare) => {
  const { store, commands, bus, clock, lease, deadline } = await openStore({ minCalls: 2, failureShare });
  const asked = {
    read: () => store.read(KEY, deadline()),
    acquire: () => store.acquire(KEY, 't', lease()),
    fence: () => partOf(store).fence(EPOCH, deadline()),
    holder: () => store.holder(KEY),
  };
  const answer = asked[call]();
  await flow(clock, commands, bus);
  await answer;
  for (let i = 0; i < 2; i += 1) {
    void partOf(store).fence(EPOCH, deadline());
    await clock.pass(50);
  }
  expect(store.breaker.state).toBe('closed');
});

it('a reply that comes after it opened, and in time, is given to whoever asked', async () => {
  const { store, commands, bus, clock, deadline } = await openStore();
  const replies = Promise.all([partOf(store).fence(EPOCH, deadline()), partOf(store).apply(EPOCH, entry, deadline())]);
  await clock.settle();
  store.breaker.isolate();
  await flow(clock, commands, bus);
  // The table is made by the entry; its script was unknown, and is not sent again.
  expect(await replies).toEqual(['none', { outcome: 'unavailable' }]);
});

it.each([
  ['scripts', 'apply'],
  ['looks at the fence', 'fence'],
] as const)('%s that are not answered in time open it', async (_, call) => {
  const { store, clock, deadline } = await openStore({ timeoutsInRow: 2, silentMs: 0 });
  for (const state of ['closed', 'open']) {
    void (call === 'apply' ? partOf(store).apply(EPOCH, entry, deadline()) : partOf(store).fence(EPOCH, deadline()));
    await clock.pass(50);
    expect(store.breaker.state).toBe(state);
  }
});

it('a connection that is lost with calls under way counts them as failed, one for what was sent in one turn', async () => {
  const { store, commands, clock, lease, deadline } = await openStore({ minCalls: 4, failureShare: 1 });
  for (let i = 0; i < 100; i += 1) void store.read(`f:{${i}}`, deadline());
  void store.acquire(KEY, 't', lease());
  void partOf(store).fence(EPOCH, deadline());
  void store.holder(KEY);
  await clock.settle();
  expect(store.breaker.state).toBe('closed');
  commands.cut();
  await clock.settle();
  expect(store.breaker.state).toBe('open');
  expect(store.breaker.reason).toMatch(/^4 of the last 4 calls failed/);
});

it('a server that answers some of many reads in time is slow, not silent: no row of time-outs', async () => {
  const { store, commands, clock, deadline } = await openStore({ timeoutsInRow: 2, silentMs: 0 });
  for (let turn = 0; turn < 5; turn += 1) {
    for (let i = 0; i < 64; i += 1) void store.read(`f:{${i}}`, deadline());
    await clock.settle();
    // The time and the first of two MGETs, after the second one of the turn before.
    for (let i = 0; i < (turn === 0 ? 2 : 3); i += 1) for (const moment of ['arrive', 'deliver'] as const) commands.step(moment);
    await clock.pass(50);
    expect(store.breaker.state).toBe('closed');
  }
});

it('closing the store ends the timers of its breaker', async () => {
  const { store, commands, clock } = await openStore();
  store.breaker.isolate();
  commands.cut();
  store.breaker.restore();
  expect(store.breaker.state).toBe('open');
  await store.close();
  expect(clock.timers).toBe(0);
});

it('calls without a connection are counted neither way', async () => {
  const { store, commands, clock, lease, deadline } = await openStore({ minCalls: 1 });
  commands.cut();
  const replies = Promise.all([
    store.read(KEY, deadline()),
    store.acquire(KEY, 't', lease()),
    partOf(store).fence(EPOCH, deadline()),
    store.holder(KEY),
  ]);
  await clock.settle();
  const away = { outcome: 'unavailable', reason: 'disconnected' };
  expect([await replies, store.breaker.state, store.breaker.counts.refused]).toEqual([[away, away, null, null], 'closed', 0]);
});

it('error replies that are about a call are answers, in the midst of time-outs too', async () => {
  const { store, server, commands, bus, clock, deadline } = await openStore({ timeoutsInRow: 1, minCalls: 1 });
  server.redis.set('forebay:log', Buffer.from('of another type'));
  const fence = partOf(store).fence(EPOCH, deadline());
  await flow(clock, commands, bus);
  expect([await fence, store.breaker.state]).toEqual(['none', 'closed']);
});

it('once it has closed, the store says that it can be asked again, once; and so it does after a connection was lost and made again', async () => {
  const { store, commands, bus, clock, told } = await openStore();
  store.breaker.isolate();
  store.breaker.restore();
  expect([store.state(), told]).toEqual(['down', []]);
  await flow(clock, commands, bus);
  expect([store.state(), store.breaker.state, told]).toEqual(['up', 'closed', ['up']]);
  told.length = 0;
  store.breaker.isolate();
  commands.cut();
  store.breaker.restore();
  // There is no connection to ask on.
  expect([store.breaker.state, told]).toEqual(['open', []]);
  await flow(clock, commands, bus);
  expect([store.state(), store.breaker.state, told]).toEqual(['up', 'closed', ['up']]);
});

it('a tier without a log reads nothing before the invalidations that it could not make are made', async () => {
  const clock = new FakeClock();
  const server = new MemoryServer({ now: clock.now, onMoment: () => {} });
  server.redis.loadScripts();
  const { tier, commands, bus } = createMemoryTier(server, { clock });
  await flow(clock, commands, bus);
  server.redis.set(KEY, Buffer.from('old'));
  tier.breaker.isolate();
  expect(await tier.invalidate({ keys: [KEY], buckets: [], all: false, purge: false })).toBe('queued');
  expect(await tier.read(KEY, clock.now() + 50)).toEqual({ outcome: 'unavailable', reason: 'unverified' });
  tier.breaker.restore();
  await flow(clock, commands, bus);
  expect([tier.breaker.state, server.redis.get(KEY)]).toEqual(['closed', null]);
  const read = tier.read(KEY, clock.now() + 50);
  await flow(clock, commands, bus);
  expect(await read).toEqual({ outcome: 'miss' });
  await tier.close();
});
