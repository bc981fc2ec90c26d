import type { WarmReport } from './cache/warming.ts';
import type { Clock } from './core/clock.ts';
import { pause } from './cache/pacer.ts';
import type { FollowingTier } from './following-tier.ts';
import type { Recovery, RecoveryCause } from './recovery/recovery.ts';
import { causesInWords } from './recovery/recovery.ts';
import type { RecoveryFacts, RecoveryTracker } from './recovery/tracker.ts';
import type { WarmStart } from './warm-start.ts';

const RECOVER = Object.freeze({
  /** Longest wait for what is away to answer and to be verified, in ms, by default. */
  waitMs: 60_000,
  /** States are looked at so often, in ms. */
  lookMs: 100,
  /** What is away is tried anew so often, in ms. */
  probeMs: 1_000,
});

export interface RecoverRequest {
  /** Ends an isolation by hand, too. @defaultValue false */
  readonly restore?: boolean;
  /** Do nothing: say what would be done. @defaultValue false */
  readonly dryRun?: boolean;
  /** Do nothing: follow the recovery that is under way. @defaultValue false */
  readonly watch?: boolean;
  /** Longest wait for what is away to answer and to be verified, in ms. Warming and pacing, which get on by themselves, take their time. @defaultValue 60,000 */
  readonly waitMs?: number;
  /** Ends the wait; the service goes on recovering by itself. */
  readonly signal?: AbortSignal;
  /** Told when something has changed, and while it warms. */
  readonly onProgress?: (recovery: Recovery) => void;
}

/** Something that is still amiss, and what to do about it. */
export interface Broken {
  readonly what: RecoveryCause | 'not_verified' | 'not_warm';
  readonly text: string;
  readonly advice: string;
}

export interface RecoverReport {
  /** `well`: there was nothing to recover. `planned`: of a dry run. `broken`: see `broken`. `stopped`: by the signal; the service goes on by itself. */
  readonly outcome: 'recovered' | 'well' | 'planned' | 'broken' | 'stopped';
  /** What was done, or would be, in order. */
  readonly steps: readonly string[];
  readonly broken: readonly Broken[];
  /** The recovery that it followed; `null`: there was none. */
  readonly recovery: Recovery | null;
  readonly tookMs: number;
}

export interface RecoverParts {
  readonly tracker: RecoveryTracker;
  readonly facts: () => RecoveryFacts;
  readonly follower: Pick<FollowingTier, 'breaker' | 'probe'>;
  readonly warmth: Pick<WarmStart, 'run' | 'isCold'>;
  readonly clock: Clock;
}

const ADVICE: Readonly<Record<Broken['what'], string>> = Object.freeze({
  redis_away: 'see that Redis runs and can be reached from here with the settings of the service: forebay doctor names what is wrong',
  node_away: 'see that every primary of the Cluster runs, or that a replica has taken its slots: forebay doctor names the node',
  redis_isolated: 'an operator took Redis out of use; forebay recover --restore uses it again',
  redis_empty: 'it is loaded again by what is asked for',
  database_away:
    'see that the database runs and can be reached from here with the settings of the service: forebay doctor names what is wrong',
  not_verified: 'changes wait for Redis, or the database is slow to say what there is: forebay doctor measures both',
  not_warm: 'the caches fill by what is asked for; forebay warm tries again',
});

/** What keeps Redis, or the caches, from being used now. */
function brokenNow(facts: RecoveryFacts): Broken[] {
  return facts.amiss.map((what) => ({ what, text: causesInWords([what]), advice: ADVICE[what] }));
}

/**
 * Does what can be done for a recovery now: tries what is away instead of waiting for its next time, waits until Redis has followed all changes, warms what is popular, and follows until all traffic is back. An operator's
 * isolation is ended only if that is said. When it is called off, or gives up, the service goes on by itself as ever.
 */
export async function recover(parts: RecoverParts, request: RecoverRequest = {}): Promise<RecoverReport> {
  const course = new RecoverCourse(parts, request);
  return request.dryRun === true ? course.plan() : course.follow();
}

class RecoverCourse {
  readonly #p: RecoverParts;
  readonly #o: RecoverRequest;
  readonly #startedAt: number;
  readonly #signal: AbortSignal;
  readonly #steps: string[] = [];
  readonly #isNeeded: boolean;
  #number: number | null = null;
  #warming: 'not asked' | 'running' | WarmReport = 'not asked';
  #probedAt = Number.NEGATIVE_INFINITY;
  #told = '';

  constructor(parts: RecoverParts, request: RecoverRequest) {
    this.#p = parts;
    this.#o = request;
    this.#startedAt = parts.clock.now();
    this.#signal = request.signal ?? new AbortController().signal;
    parts.tracker.look();
    this.#isNeeded = parts.tracker.current !== null || parts.facts().amiss.length > 0 || parts.warmth.isCold;
  }

  plan(): RecoverReport {
    const facts = this.#p.facts();
    const isIsolated = facts.amiss.includes('redis_isolated');
    if (!this.#isNeeded) return this.#report('well', []);
    if (facts.amiss.some((cause) => cause !== 'redis_isolated')) this.#steps.push('try at once what does not answer');
    if (isIsolated)
      this.#steps.push(
        this.#o.restore === true ? 'end the isolation of Redis' : 'leave Redis isolated, and end here: --restore ends the isolation',
      );
    if (!isIsolated || this.#o.restore === true)
      this.#steps.push(
        'wait until Redis has followed all changes',
        'load what is popular and is not there',
        'wait until calls of the database are not held back any more',
      );
    return this.#report('planned', brokenNow(facts));
  }

  async follow(): Promise<RecoverReport> {
    if (this.#o.restore === true && this.#p.follower.breaker?.state === 'isolated' && this.#o.watch !== true) {
      this.#p.follower.breaker.restore();
      this.#steps.push('ended the isolation of Redis');
    }
    for (;;) {
      const end = this.#look();
      if (end !== null) return end;
      try {
        await pause(this.#p.clock, RECOVER.lookMs, this.#signal);
      } catch {
        return this.#report('stopped', brokenNow(this.#p.facts()));
      }
    }
  }

  /** One look, and what it asks for. `null`: it goes on. */
  #look(): RecoverReport | null {
    const { tracker, clock } = this.#p;
    tracker.look();
    const facts = this.#p.facts();
    const recovery = this.#recovery;
    this.#tell(recovery);
    const isWatching = this.#o.watch === true;
    if (facts.amiss.includes('redis_isolated') && !isWatching) return this.#report('broken', brokenNow(facts));
    if (facts.amiss.length > 0 && !isWatching) this.#probe();
    const isVerified = facts.amiss.length === 0 && facts.levelAt > this.#startedAt && (recovery === null || recovery.verified !== null);
    if (!isVerified) {
      const waitMs = this.#o.waitMs ?? RECOVER.waitMs;
      if (isWatching && recovery === null) return this.#report('well', []);
      return clock.now() - this.#startedAt > waitMs ? this.#report('broken', this.#unverified(facts)) : null;
    }
    if (isWatching) return tracker.current === null ? this.#report(recovery === null ? 'well' : 'recovered', []) : null;
    if (!this.#isNeeded) return this.#report('well', []);
    if (this.#warming === 'not asked') this.#warm();
    if (typeof this.#warming === 'string' || tracker.current !== null) return null;
    const { outcome } = this.#warming;
    const isWarm = outcome === 'done' || outcome === 'elsewhere';
    return isWarm
      ? this.#report('recovered', [])
      : this.#report('broken', [{ what: 'not_warm', text: 'what is popular could not be loaded', advice: ADVICE.not_warm }]);
  }

  /** The recovery that is followed, be it under way or over; once there was one, it is that one. */
  get #recovery(): Recovery | null {
    const { current, past } = this.#p.tracker;
    this.#number ??= current?.number ?? null;
    return current ?? past.find(({ number }) => number === this.#number) ?? null;
  }

  #probe(): void {
    const now = this.#p.clock.now();
    if (now - this.#probedAt < RECOVER.probeMs) return;
    if (this.#steps.length === 0) this.#steps.push('tried at once what did not answer');
    this.#probedAt = now;
    this.#p.follower.probe();
  }

  /** Goes on when nobody follows any more. */
  #warm(): void {
    this.#warming = 'running';
    this.#steps.push('Redis has followed all changes');
    void this.#p.warmth.run().then((report) => {
      this.#warming = report;
      const { outcome, loaded, found } = report;
      this.#steps.push(
        outcome === 'elsewhere' ? 'another instance loads what is popular' : `what is popular: ${loaded} loaded, ${found} found`,
      );
    });
  }

  #unverified(facts: RecoveryFacts): Broken[] {
    const broken = brokenNow(facts);
    return broken.length > 0
      ? broken
      : [{ what: 'not_verified', text: 'Redis answers, and has not followed all changes', advice: ADVICE.not_verified }];
  }

  #tell(recovery: Recovery | null): void {
    if (recovery === null) return;
    const text = JSON.stringify(recovery);
    if (text === this.#told) return;
    this.#told = text;
    this.#o.onProgress?.(recovery);
  }

  #report(outcome: RecoverReport['outcome'], broken: readonly Broken[]): RecoverReport {
    const tookMs = Math.round(this.#p.clock.now() - this.#startedAt);
    return { outcome, steps: this.#steps, broken, recovery: this.#recovery, tookMs };
  }
}
