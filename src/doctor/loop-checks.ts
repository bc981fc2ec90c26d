import type { Check, World } from './check.ts';
import { count, done, ms, NO_REDIS, skipped } from './check.ts';
import type { ClockRate } from './clock-rate.ts';
import { rateOf } from './clock-rate.ts';
import type { LoopMeasured } from './loop-measure.ts';
import { measureLoop, patienceMs } from './loop-measure.ts';
import { pause } from './pause.ts';

/** An invalidation that takes more than this part of the bound is told, though the bound holds. */
const SLOW_SHARE = 0.8;

function loopOf({ loop }: World): LoopMeasured {
  if (loop === null) throw new Error('the loop was not measured');
  return loop;
}

const probe: Check = {
  name: 'loop.probe',
  asks: 'a row of its own, written and changed by plain SQL, is read through another cache as it is in the database, and is gone when it was removed',
  why: 'It is the whole way that every change takes: trigger, outbox, log, relay, Redis, bus, process memory.',
  mends: 'see what the other findings say; if there are none, please report it with the output of forebay doctor --json',
  needs: ['database.writable', 'database.schema', 'database.rights', 'database.triggers'],
  writes: true,
  limitMs: ({ loopMs }) => loopMs,
  async run(world, signal) {
    const loop = await measureLoop(world, signal);
    world.loop = loop;
    const served = loop.rounds.filter(({ servedMs }) => servedMs !== null).length;
    const left = loop.leftovers === 0 ? '' : `; removed ${count(loop.leftovers, 'row')} of a doctor that was killed`;
    const said = `${served} of ${count(loop.rounds.length, 'change')} of a row of its own were seen through another cache${left}`;
    const stale = loop.rounds.find(({ servedMs }) => servedMs === null);
    return {
      ...done(said, [
        ...(stale === undefined
          ? []
          : [
              {
                severity: world.settings.maxStalenessMs < patienceMs(world.settings) ? ('error' as const) : ('warning' as const),
                what: `another cache still gave the old value ${ms(patienceMs(world.settings))} after the change was committed`,
                mend: this.mends,
              },
            ]),
        ...(loop.goneAtEnd
          ? []
          : [{ severity: 'error' as const, what: 'another cache still gave a record that was removed', mend: this.mends }]),
      ]),
      blocks: false,
    };
  },
};

const relay: Check = {
  name: 'loop.relay',
  asks: 'some process moves changes from the database to caches (relays)',
  why: 'Without a relay no change gets a number, so nothing can be proven: after the bound every read is a query, though no alert says that anything is down.',
  mends: 'FOREBAY_RELAY=always on at least one process, which is the default',
  needs: ['loop.probe'],
  async run(world) {
    const { rounds } = loopOf(world);
    const proven = rounds.flatMap(({ provenMs }) => (provenMs === null ? [] : [provenMs]));
    const who =
      world.settings.relay === 'always'
        ? 'a process with these settings relays'
        : 'the settings say relay=never, and another process relays';
    if (proven.length > 0) return done(who);
    return done('no change was numbered', [
      {
        severity: 'error',
        what:
          world.settings.relay === 'always'
            ? 'no change got a number in time, though these settings say that this process relays'
            : 'the settings say relay=never, and no other process relays',
        mend:
          world.settings.relay === 'always' ? 'see database.rights and database.outbox' : 'FOREBAY_RELAY=always on at least one process',
      },
    ]);
  },
};

const lag: Check = {
  name: 'loop.lag',
  asks: 'a change by plain SQL is known to another cache well within the bound',
  why: 'It is the promise itself: no read that begins so long after a commit gives an older value. A lag near the bound means that caches are often not used.',
  mends: 'a process that relays nearer to the database, more CPU for it, or a wider FOREBAY_MAX_STALENESS_MS',
  needs: ['loop.relay'],
  async run(world) {
    const { rounds } = loopOf(world);
    const { maxStalenessMs } = world.settings;
    const proven = rounds.flatMap(({ provenMs }) => (provenMs === null ? [] : [provenMs])).toSorted((a, b) => a - b);
    const served = rounds.flatMap(({ servedMs }) => (servedMs === null ? [] : [servedMs])).toSorted((a, b) => a - b);
    const [median, most] = [proven[Math.floor(proven.length / 2)] ?? 0, proven.at(-1) ?? 0];
    const said = `known elsewhere after ${ms(median)} (median of ${proven.length}), ${ms(most)} at most; served after ${ms(served[Math.floor(served.length / 2)] ?? 0)}, ${ms(served.at(-1) ?? 0)} at most; the bound is ${ms(maxStalenessMs)}`;
    const worstServed = served.at(-1) ?? 0;
    if (worstServed > maxStalenessMs)
      return done(said, [
        {
          severity: 'error',
          what: `an old value was given ${ms(worstServed)} after the change was committed; the bound is ${ms(maxStalenessMs)}`,
          mend: this.mends,
        },
      ]);
    if (median > SLOW_SHARE * maxStalenessMs)
      return done(said, [
        {
          severity: 'warning',
          what: `changes are known elsewhere after ${ms(median)} only; the bound is ${ms(maxStalenessMs)}`,
          mend: this.mends,
        },
      ]);
    return done(said);
  },
};

const bound: Check = {
  name: 'loop.bound',
  asks: 'a cache can prove at any time that it knows all that was committed before the bound',
  why: 'While it cannot, it is not used: each read is a query of the database.',
  mends: 'a database that answers sooner, more CPU, or a wider FOREBAY_MAX_STALENESS_MS',
  needs: ['loop.relay'],
  async run(world) {
    const { worstProofMs, rounds } = loopOf(world);
    const { maxStalenessMs } = world.settings;
    const cached = rounds.filter(({ wasCached }) => wasCached).length;
    const said = `all that was committed ${worstProofMs === null ? 'is unknown' : `${ms(worstProofMs)} ago and earlier was known`} at the worst moment; the bound is ${ms(maxStalenessMs)}`;
    if (worstProofMs === null || worstProofMs > maxStalenessMs || cached === 0)
      return done(said, [
        {
          severity: 'warning',
          what:
            worstProofMs === null || worstProofMs <= maxStalenessMs
              ? 'process memory was not used in any round: nothing was proven in time'
              : `at the worst moment the proof was ${ms(worstProofMs)} old, more than the bound of ${ms(maxStalenessMs)}`,
          mend: this.mends,
        },
      ]);
    return done(said);
  },
};

const bus: Check = {
  name: 'loop.bus',
  asks: 'invalidations arrive over the bus',
  why: 'Without the bus they are found in the log of the database instead, by one query more for each instance and change.',
  mends: 'see redis.bus; and that the process that relays reaches the same Redis, with the same FOREBAY_KEY_PREFIX',
  needs: ['loop.relay', 'redis.reach'],
  async run(world) {
    if (world.redis === null) return NO_REDIS;
    const { messages, heardByLog } = loopOf(world);
    const said = `${count(messages, 'entry').replace(/ys$/, 'ies')} of the log came over the bus; ${heardByLog} had been found in the log by then`;
    if (messages > 0) return done(said);
    return done(said, [
      {
        severity: 'warning',
        what: 'no invalidation came over the bus: all had to be read from the log',
        mend: this.mends,
      },
    ]);
  },
};

const shared: Check = {
  name: 'loop.redis',
  asks: 'Redis holds what was read, and is level with the log, so that it is believed',
  why: 'What Redis holds counts only once it has forgotten all that it has to. One that is not brought level is never read.',
  mends: 'the right to run scripts (redis.rights), room (redis.memory), a primary (redis.role), and a process that relays',
  needs: ['loop.relay', 'redis.reach'],
  async run(world) {
    if (world.redis === null) return NO_REDIS;
    const { rounds } = loopOf(world);
    const held = rounds.filter(({ wasShared }) => wasShared).length;
    const said = `Redis held the record in ${held} of ${count(rounds.length, 'round')}, and was level with the log`;
    if (held * 2 > rounds.length) return done(said);
    return done(`Redis held the record in ${held} of ${count(rounds.length, 'round')}`, [
      {
        severity: 'error',
        what: `a record that was read was not in Redis, or Redis was behind the log, in ${rounds.length - held} of ${count(rounds.length, 'round')}`,
        mend: this.mends,
      },
    ]);
  },
};

const alone: Check = {
  name: 'loop.history',
  asks: 'no other deployment takes Redis for its own while this one uses it',
  why: 'As for redis.history; here it is seen to happen.',
  mends: 'give each deployment a FOREBAY_KEY_PREFIX of its own',
  needs: ['loop.relay', 'redis.reach'],
  async run(world) {
    if (world.redis === null) return NO_REDIS;
    const { foreign } = loopOf(world);
    if (foreign.length === 0) return done('Redis stayed with the history of this database');
    return done('Redis has the history of another database', [
      {
        severity: 'error',
        what: `${foreign.join(', ')} had the history of another database after this one had used it: another deployment uses it with the same key prefix`,
        mend: 'FOREBAY_KEY_PREFIX=NAME: for each deployment',
      },
    ]);
  },
};

/** By so much may the rate of two clocks differ: time servers change it by a twentieth of a percent. */
const RATE_OFF = 0.01;
const RATE_FAR_OFF = 0.1;

const clock: Check = {
  name: 'loop.clock',
  asks: 'the clock of this machine runs as fast as that of the database',
  why: 'The bound is counted by the local clock, whatever it shows: one that runs slow makes the bound longer than it says.',
  mends: 'see which of the two is wrong (chronyc tracking on both); virtual machines: another clock source, no throttling',
  needs: ['database.reach'],
  async run(world, signal) {
    const { rate: sampler, limits } = world;
    if (sampler === null || limits.clockMs === 0) return skipped('the clocks were not read');
    let rate: ClockRate | null = rateOf(sampler.pairs, limits.clockMs);
    while (rate === null) {
      await pause(world.clock, 50, signal);
      rate = rateOf(sampler.pairs, limits.clockMs);
    }
    await sampler.stop();
    const off = Math.abs(rate.fasterBy);
    const percent = (share: number): string => `${(share * 100).toFixed(share < 0.001 ? 3 : 2)} %`;
    const said = `it runs ${percent(off)} ${rate.fasterBy < 0 ? 'slower' : 'faster'} than that of the database, within ${percent(rate.uncertainty)}, over ${ms(rate.overMs)}`;
    const sure = off - rate.uncertainty;
    if (sure <= RATE_OFF) return done(said);
    return done(said, [
      {
        severity: sure > RATE_FAR_OFF ? 'error' : 'warning',
        what: `the clock of this machine runs ${percent(off)} ${rate.fasterBy < 0 ? 'slower' : 'faster'} than that of the database: the bound is off by as much`,
        mend: this.mends,
      },
    ]);
  },
};

/** Whether a change takes the way that it should, and how long. */
export const LOOP_CHECKS: readonly Check[] = [probe, relay, lag, bound, bus, shared, alone, clock];
