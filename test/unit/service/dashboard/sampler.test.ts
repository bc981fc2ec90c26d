import { describe, expect, it } from 'vitest';
import { Sampler } from '../../../../src/service/dashboard/sampler.ts';
import type { Snapshot } from '../../../../src/service/dashboard/snapshot.ts';
import type { Vitals } from '../../../../src/vitals.ts';
import { calmStats, calmVitals } from '../../../support/vitals.ts';

/** Looks once a second. */
function watch() {
  const sampler = new Sampler();
  let seconds = 0;
  return (vitals: Vitals, http = { requests: 0, failed: 0 }): Snapshot => {
    seconds += 1;
    return sampler.see({ now: seconds * 1000, wallNow: seconds * 1000, vitals, http });
  };
}

const withLookups = (lookups: Partial<ReturnType<typeof calmStats>['counts']['lookups']>, staleIfError = 0): Vitals => {
  const stats = calmStats();
  Object.assign(stats.counts.lookups, lookups);
  stats.counts.staleIfError = staleIfError;
  return { ...calmVitals(), caches: [{ name: 'file:info', stats }] };
};
const withRedis = (redis: Partial<Vitals['redis']>): Vitals => ({ ...calmVitals(), redis: { ...calmVitals().redis, ...redis } });
const withFollower = (follower: Partial<Vitals['follower']>): Vitals => ({
  ...calmVitals(),
  follower: { ...calmVitals().follower, ...follower },
});
const withAnswers = (tookMs: number, waitingMs = 0, failingMs: number | null = null): Vitals =>
  withFollower({ source: { tookMs, waitingMs, failingMs } });

describe('what is seen in a second', () => {
  it('is told as rates and shares of the reads, by who answered', () => {
    const see = watch();
    see(withLookups({}));
    const { reads, hitRatio } = see(
      withLookups({ localHit: 60, localAbsent: 5, localStale: 5, remoteHit: 20, loaded: 8, unavailable: 2 }, 3),
    );
    expect(reads).toMatchObject({ all: 100, local: 70, redis: 20, database: 8, stale: 3, failed: 2 });
    expect(hitRatio).toEqual({ local: 0.7, redis: 0.2 });
  });

  it('takes the hit ratio over ten seconds, and has none without reads', () => {
    const see = watch();
    expect(see(withLookups({})).hitRatio).toBeNull();
    see(withLookups({ localHit: 10 }));
    expect(see(withLookups({ localHit: 10, loaded: 10 })).hitRatio).toEqual({ local: 0.5, redis: 0 });
    for (let i = 0; i < 10; i += 1) see(withLookups({ localHit: 10, loaded: 10 }));
    expect(see(withLookups({ localHit: 10, loaded: 10 })).hitRatio).toBeNull();
  });

  it('calls the database down when no question was answered for a while, slow when two of three took long', () => {
    const see = watch();
    const stateOf = (...answer: Parameters<typeof withAnswers>): string => see(withAnswers(...answer)).database.state;
    expect([stateOf(1), stateOf(300), stateOf(1), stateOf(1)]).toEqual(['up', 'up', 'up', 'up']);
    expect([stateOf(1, 400), stateOf(600), stateOf(1), stateOf(1)]).toEqual(['up', 'slow', 'slow', 'up']);
    expect([stateOf(1, 0, 100), stateOf(1, 0, 1100), stateOf(1)]).toEqual(['up', 'down', 'up']);
  });

  it('remembers that Redis was silent after its connection is given up, until it is up again', () => {
    const see = watch();
    const [node] = calmVitals().redis.nodes;
    if (node === undefined) throw new Error('a calm Redis has a node');
    const open = { state: 'open', reason: '5 calls in a row were not answered in time' } as const;
    const down = (connected: boolean): Partial<Vitals['redis']> => ({
      state: 'down',
      breaker: open,
      nodes: [{ ...node, state: 'down', connected, breaker: 'open' }],
    });
    expect(see(withRedis(down(false))).redis.silent).toBe(false);
    expect(see(withRedis(down(true))).redis.silent).toBe(true);
    expect(see(withRedis(down(false))).redis.silent).toBe(true);
    expect(see(withRedis({})).redis.silent).toBe(false);
    expect(see(withRedis(down(false))).redis.silent).toBe(false);
  });

  it('says that Redis is being verified when it lacks what it lacked a second ago, and not while a relay keeps up', () => {
    const see = watch();
    const verifying = (fence: number | null, last: number): boolean => see(withFollower({ fence, last })).redis.verifying;
    expect([verifying(5, 5), verifying(5, 9), verifying(9, 12), verifying(12, 12)]).toEqual([false, false, false, false]);
    expect([verifying(null, 12), verifying(null, 12), verifying(11, 12), verifying(12, 12)]).toEqual([false, true, true, false]);
  });
});
