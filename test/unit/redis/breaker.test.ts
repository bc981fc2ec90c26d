import { describe, expect, it } from 'vitest';
import type { BreakerState } from '../../../src/cache/breaker-types.ts';
import { resolveBreakerOptions } from '../../../src/redis/breaker-options.ts';
import { openBreaker, openBreakerIn } from './breaker.world.ts';

const STATES: readonly BreakerState[] = ['closed', 'open', 'half-open', 'isolated'];

describe('a closed breaker', () => {
  it('lets calls pass, and opens at the share of failures, not before there were enough calls', () => {
    const { breaker, fail, answer, changes } = openBreaker();
    fail(4);
    answer(4);
    fail(1);
    expect([breaker.state, breaker.admits(), changes]).toEqual(['closed', true, []]);
    fail(1);
    expect(breaker.state).toBe('open');
    expect(changes).toEqual([{ from: 'closed', to: 'open', reason: '6 of the last 10 calls failed, the last one with: read ECONNRESET' }]);
  });

  it('stays closed while the share is below', () => {
    const { breaker, fail, answer } = openBreaker();
    answer(1000);
    fail(999);
    expect(breaker.state).toBe('closed');
    fail(1);
    expect(breaker.state).toBe('open');
  });

  it.each([
    ['failures less than a window ago count', 999, 'open'],
    ['failures a whole window ago do not', 1000, 'closed'],
    ['nor do those of long ago', 12_345, 'closed'],
  ])('%s', (_, agoMs, state) => {
    // The clock begins at the beginning of a bucket.
    const { breaker, clock, fail, answer } = openBreaker({ windowMs: 1000 });
    fail(9);
    clock.advance(agoMs);
    answer(9);
    fail(1);
    expect(breaker.state).toBe(state);
  });

  it('answers of a window ago excuse nothing, those since do', () => {
    const { breaker, clock, fail, answer } = openBreaker({ windowMs: 1000 });
    answer(100);
    clock.advance(900);
    answer(10);
    clock.advance(100);
    fail(9);
    expect(breaker.state).toBe('closed');
    fail(1);
    expect(breaker.state).toBe('open');
  });

  it('1,000 failures open it once: one change is told, whatever comes after', () => {
    const { fail, to, breaker } = openBreaker();
    const passes = Array.from({ length: 1000 }, () => breaker.enter());
    for (const pass of passes) pass?.failed(new Error('read ECONNRESET'));
    fail(1000);
    expect(to()).toEqual(['open']);
    expect(breaker.counts).toEqual({ transitions: { closed: 0, open: 1, 'half-open': 0, isolated: 0 }, refused: 1000 });
  });

  it('opens after so many calls in a row without an answer in time, and an answer in between begins the row anew', async () => {
    const { breaker, timeOut, answer, changes } = openBreaker({ minCalls: 1000 });
    await timeOut(4);
    answer(1);
    await timeOut(4);
    expect(breaker.state).toBe('closed');
    await timeOut(1);
    expect(breaker.state).toBe('open');
    expect(changes[0]?.reason).toBe('5 calls in a row were not answered in time, for 0 ms');
  });

  it('does not open for one short halt, however many calls met it', async () => {
    const { breaker, clock, timeOut } = openBreaker({ minCalls: 1000, silentMs: 200 });
    const met = Array.from({ length: 100 }, () => breaker.enter());
    clock.advance(199);
    for (const pass of met) pass?.late();
    await clock.settle();
    expect(breaker.state).toBe('closed');
    await timeOut(1, 1);
    expect(breaker.state).toBe('open');
  });

  it('an answer that lay unread when its time was up is an answer', async () => {
    const { breaker, clock } = openBreaker({ timeoutsInRow: 1 });
    const pass = breaker.enter();
    pass?.late();
    pass?.answered();
    await clock.settle();
    expect(breaker.state).toBe('closed');
    breaker.enter()?.late();
    await clock.settle();
    expect(breaker.state).toBe('open');
  });

  it('a call whose caller had hardly any time left is waited for a while before it counts', async () => {
    const { breaker, clock } = openBreaker({ timeoutsInRow: 1, fairMs: 20 });
    const answered = breaker.enter();
    answered?.late();
    await clock.pass(19);
    answered?.answered();
    await clock.pass(100);
    expect(breaker.state).toBe('closed');
    breaker.enter()?.late();
    await clock.pass(19);
    expect(breaker.state).toBe('closed');
    await clock.pass(1);
    expect(breaker.state).toBe('open');
  });

  it.each([
    ['OOM command not allowed when used memory > maxmemory', 'open'],
    ["READONLY You can't write against a read only replica.", 'open'],
    ['LOADING Redis is loading the dataset in memory', 'open'],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'open'],
    ['CLUSTERDOWN The cluster is down', 'open'],
    ['ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed', 'open'],
    ['Connection is closed.', 'open'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'closed'],
    ['NOSCRIPT No matching script.', 'closed'],
    ["NOPERM User app has no permissions to run the 'mget' command", 'closed'],
    ['ERR unknown command', 'closed'],
  ] as const)('errors such as "%s" leave it %s', (message, state) => {
    const { breaker, fail } = openBreaker();
    fail(10, new Error(message));
    expect(breaker.state).toBe(state);
  });
});

describe('an open breaker', () => {
  it('lets no call pass and counts those that it refused', async () => {
    const { breaker } = await openBreakerIn('open');
    expect([breaker.admits(), breaker.enter(3)]).toEqual([false, null]);
    expect(breaker.counts.refused).toBe(4);
  });

  it('is not moved by what becomes of calls that were sent before', async () => {
    const { breaker, clock, changes, fail } = openBreaker();
    const [answered, failed, late] = [breaker.enter(), breaker.enter(), breaker.enter()];
    fail(10);
    changes.length = 0;
    answered?.answered();
    failed?.failed(new Error('Connection is closed.'));
    late?.late();
    await clock.settle();
    expect([breaker.state, changes]).toEqual(['open', []]);
  });

  it('asks the server after a delay that doubles with each probe that fails, drawn up to its whole, and has an end', async () => {
    for (const random of [0, 0.5, 0.999]) {
      const world = openBreaker({ firstDelayMs: 100, maxDelayMs: 400 });
      world.random = random;
      world.fail(10);
      for (const longestMs of [100, 200, 400, 400, 400]) {
        const delayMs = 50 + random * longestMs;
        await world.clock.pass(delayMs - 1);
        expect(world.breaker.state).toBe('open');
        await world.clock.pass(1.01);
        expect(world.breaker.state).toBe('half-open');
        await world.answerProbe(new Error('LOADING Redis is loading the dataset in memory'));
      }
    }
  });

  it('asks as soon as there is a connection again, and does not ask without one', async () => {
    const world = await openBreakerIn('open');
    world.connected = false;
    await world.clock.pass(60_000);
    expect([world.breaker.state, world.probes.length, world.changes]).toEqual(['open', 0, []]);
    world.connected = true;
    world.breaker.hurry();
    expect([world.breaker.state, world.probes.length]).toEqual(['half-open', 1]);
  });
});

describe('a half-open breaker', () => {
  it('lets no call pass, and has one probe under way at a time', async () => {
    const { breaker, probes, clock, answerProbe } = await openBreakerIn('half-open');
    expect([breaker.admits(), breaker.enter(), probes.length]).toEqual([false, null, 1]);
    await clock.pass(100);
    breaker.hurry();
    expect(breaker.restore()).toBe('half-open');
    expect(probes.length).toBe(1);
    await answerProbe();
    expect(probes.length).toBe(2);
  });

  it('closes after so many answers in a row, and then lets calls pass', async () => {
    const { breaker, to, answerProbe, clock } = await openBreakerIn('half-open');
    await answerProbe();
    await answerProbe();
    expect(breaker.state).toBe('half-open');
    await answerProbe();
    expect([breaker.state, breaker.admits(), to()]).toEqual(['closed', true, ['closed']]);
    expect(clock.timers).toBe(0);
  });

  it('opens again at a probe that fails, and the answers before it count no more', async () => {
    const { breaker, clock, answerProbe, to } = await openBreakerIn('half-open');
    await answerProbe();
    await answerProbe();
    await answerProbe(new Error('Connection is closed.'));
    expect(breaker.state).toBe('open');
    await clock.pass(50);
    await answerProbe();
    await answerProbe();
    expect([breaker.state, to()]).toEqual(['half-open', ['open', 'half-open']]);
  });

  it('opens again when a probe is not answered in time, and its late answer counts for no later one', async () => {
    const { breaker, clock, probes } = await openBreakerIn('half-open', { probeMs: 500, probesToClose: 1 });
    await clock.pass(499);
    expect(breaker.state).toBe('half-open');
    await clock.pass(1);
    expect([breaker.state, breaker.reason]).toEqual(['open', 'a probe was not answered within 500 ms']);
    await clock.pass(50);
    expect([breaker.state, probes.length]).toEqual(['half-open', 2]);
    probes[0]?.resolve('PONG');
    await clock.settle();
    expect(breaker.state).toBe('half-open');
  });

  it('is not opened by an earlier probe that fails after its time', async () => {
    const { breaker, clock, probes } = await openBreakerIn('half-open', { probeMs: 500 });
    await clock.pass(550);
    expect([breaker.state, probes.length]).toEqual(['half-open', 2]);
    probes[0]?.reject(new Error('Connection is closed.'));
    await clock.settle();
    expect(breaker.state).toBe('half-open');
  });

  it('takes an error that is about the probe alone for an answer', async () => {
    const { breaker, answerProbe } = await openBreakerIn('half-open', { probesToClose: 1 });
    await answerProbe(new Error("NOPERM User app has no permissions to run the 'ping' command"));
    expect(breaker.state).toBe('closed');
  });
});

describe('a breaker that closed', () => {
  it('begins to count anew: calls that were sent before it opened say nothing', async () => {
    const world = openBreaker({ probesToClose: 1 });
    const before = Array.from({ length: 100 }, () => world.breaker.enter());
    world.fail(10);
    await world.clock.pass(50);
    await world.answerProbe();
    expect(world.breaker.state).toBe('closed');
    for (const pass of before) pass?.failed(new Error('Connection is closed.'));
    world.fail(9);
    expect(world.breaker.state).toBe('closed');
    world.fail(1);
    expect(world.breaker.state).toBe('open');
  });

  it.each([
    ['waits longer if it opens again within the window', 999, 100],
    ['waits as little as at first if it stood for a whole window', 1000, 50],
  ])('%s', async (_, stoodMs, delayMs) => {
    const world = openBreaker({ probesToClose: 1, windowMs: 1000, firstDelayMs: 50 });
    world.random = 1;
    world.fail(10);
    await world.clock.pass(100);
    await world.answerProbe();
    await world.clock.pass(stoodMs);
    world.fail(10);
    await world.clock.pass(50 + delayMs - 1);
    expect(world.breaker.state).toBe('open');
    await world.clock.pass(1);
    expect(world.breaker.state).toBe('half-open');
  });
});

describe('the operator', () => {
  it.each(STATES)('isolates a breaker that is %s: no call and no probe until it is restored', async (state) => {
    const world = await openBreakerIn(state);
    const probes = world.probes.length;
    const pass = world.breaker.enter();
    expect([world.breaker.isolate(), world.breaker.isolate()]).toEqual(['isolated', 'isolated']);
    expect(world.to()).toEqual(state === 'isolated' ? [] : ['isolated']);
    for (const probe of world.probes) probe.resolve('PONG');
    pass?.answered();
    world.breaker.hurry();
    await world.clock.pass(60_000);
    expect([world.breaker.state, world.breaker.admits(), world.probes.length, world.clock.timers]).toEqual(['isolated', false, probes, 0]);
  });

  it.each([
    ['closed', 'closed', 0],
    ['open', 'half-open', 1],
    ['half-open', 'half-open', 1],
    ['isolated', 'half-open', 1],
  ] as const)('restores a breaker that is %s: it is %s, and closes when the server answers', async (from, then, probes) => {
    const world = await openBreakerIn(from, { probesToClose: 1 });
    expect([world.breaker.restore(), world.probes.length]).toEqual([then, probes]);
    await world.answerProbe();
    expect(world.breaker.state).toBe('closed');
    expect(world.to()).toEqual(
      { closed: [], open: ['half-open', 'closed'], 'half-open': ['closed'], isolated: ['half-open', 'closed'] }[from],
    );
  });

  it('restores one without a connection to open, which closes once there is one', async () => {
    const world = await openBreakerIn('isolated', { probesToClose: 1 });
    world.connected = false;
    expect(world.breaker.restore()).toBe('open');
    world.connected = true;
    world.breaker.hurry();
    await world.answerProbe();
    expect(world.to()).toEqual(['open', 'half-open', 'closed']);
  });

  it('may change the state while a change is being told', () => {
    const world = openBreaker();
    world.breaker.listen(({ to }) => {
      if (to === 'open') world.breaker.isolate();
    });
    world.fail(10);
    expect([world.breaker.state, world.to(), world.clock.timers]).toEqual(['isolated', ['open', 'isolated'], 0]);
  });
});

it.each(STATES)('a breaker that was ended while it was %s has no timers, asks and tells nothing', async (state) => {
  const world = await openBreakerIn(state);
  const probes = world.probes.length;
  world.breaker.end();
  world.fail(20);
  await world.answerProbe();
  world.breaker.hurry();
  world.breaker.restore();
  world.breaker.isolate();
  await world.clock.pass(60_000);
  expect([world.clock.timers, world.probes.length, world.changes]).toEqual([0, probes, []]);
});

describe('the options', () => {
  it('have defaults', () => {
    expect(resolveBreakerOptions()).toEqual({
      windowMs: 10_000,
      minCalls: 20,
      failureShare: 0.4,
      timeoutsInRow: 5,
      silentMs: 200,
      fairMs: 20,
      firstDelayMs: 250,
      maxDelayMs: 5000,
      probeMs: 500,
      probesToClose: 3,
    });
  });

  it.each([
    [{ windowMs: 999 }, 'breaker.windowMs = 999: has to be a number from 1000 to 600000'],
    [{ failureShare: 0 }, 'breaker.failureShare = 0: has to be a number from 0.01 to 1'],
    [{ minCalls: 1.5 }, 'breaker.minCalls = 1.5: has to be a whole number from 1 to 1000000'],
    [{ probesToClose: Number.NaN }, 'breaker.probesToClose = NaN: has to be a whole number from 1 to 1000'],
    [{ threshold: 3 }, 'breaker.threshold is not an option of the breaker'],
  ])('%j are refused', (options, message) => {
    expect(() => resolveBreakerOptions(options as object)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }));
  });
});
