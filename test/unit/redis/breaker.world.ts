import type { BreakerChange, BreakerState } from '../../../src/cache/breaker-types.ts';
import type { BreakerOptions } from '../../../src/redis/breaker-options.ts';
import { Breaker } from '../../../src/redis/breaker.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** What a probe is to be answered with: later, by the test. */
type Probe = PromiseWithResolvers<unknown>;

/** A breaker with its clock, its chance, its server and what it told in the test's hands. */
export function openBreaker(options: Partial<BreakerOptions> = {}) {
  const clock = new FakeClock();
  const changes: BreakerChange[] = [];
  const probes: Probe[] = [];
  const world = { clock, changes, probes, random: 0, connected: true };
  const breaker = new Breaker({
    clock,
    chance: { random: () => world.random, uniqueId: () => '0' },
    probe: () => {
      if (!world.connected) return null;
      const probe = Promise.withResolvers<unknown>();
      probes.push(probe);
      return probe.promise;
    },
    onChange: (change) => changes.push(change),
    options: { minCalls: 10, failureShare: 0.5, silentMs: 0, fairMs: 0, ...options },
  });
  return Object.assign(world, {
    breaker,
    /** Where it went, in order. */
    to: (): BreakerState[] => changes.map(({ to }) => to),
    fail: (times: number, error: unknown = new Error('read ECONNRESET')): void => {
      for (let i = 0; i < times; i += 1) breaker.enter()?.failed(error);
    },
    answer: (times: number): void => {
      for (let i = 0; i < times; i += 1) breaker.enter()?.answered();
    },
    /** So many calls, one after the other, each of which its caller gives up after `afterMs`. */
    timeOut: async (times: number, afterMs = 0): Promise<void> => {
      for (let i = 0; i < times; i += 1) {
        const pass = breaker.enter();
        clock.advance(afterMs);
        pass?.late();
        await clock.settle();
      }
    },
    /** Answers the probe that is under way. */
    answerProbe: async (error?: unknown): Promise<void> => {
      const probe = probes.at(-1);
      if (error === undefined) probe?.resolve('PONG');
      else probe?.reject(error);
      await clock.settle();
    },
  });
}

export type BreakerWorld = ReturnType<typeof openBreaker>;

/** Brings a new breaker into a state in the way in which it gets there. */
export async function openBreakerIn(state: BreakerState, options: Partial<BreakerOptions> = {}): Promise<BreakerWorld> {
  const world = openBreaker(options);
  if (state === 'isolated') world.breaker.isolate();
  if (state === 'open' || state === 'half-open') world.fail(10);
  if (state === 'half-open') await world.clock.pass(50);
  if (world.breaker.state !== state) throw new Error(`the breaker is ${world.breaker.state}, not ${state}`);
  world.changes.length = 0;
  return world;
}
