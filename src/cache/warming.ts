import type { Clock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { WarmOptions, WarmResult } from './cache-types.ts';
import { encodeEntry } from './entry.ts';
import type { Pacer } from './pacer.ts';
import { pause } from './pacer.ts';
import { PopularList } from './popular-list.ts';
import type { PopularStore, WarmKey } from './popular-store.ts';
import type { RemoteTier } from './remote-tier.ts';
import { Rounds } from './rounds.ts';

/** Every number of warming. */
export const WARMING = Object.freeze({
  /** Keys in one round, and so in one call of the source. */
  batch: 500,
  /** Times that the keys are gone through, but for the first only those of rounds of which something failed. */
  passes: 3,
  /** Pause between two passes, in ms: as long as a lease lasts. */
  betweenPassesMs: 12_000,
  /** Permission to warm lasts so long, in ms: somebody else takes over after an instance that ended in the middle of it. */
  leaseMs: 30_000,
  /** It is asked for anew so often, in ms. */
  renewMs: 10_000,
  /** After a warming nobody begins one on its own for so long, in ms: a fleet that is restarted one by one warms once. */
  doneMs: 600_000,
  /** Longest wait for the remote tier to say who may warm, in ms. */
  askMs: 1_000,
  /** One that nobody asked for and that got no answer is tried again after these pauses, in ms, more or less: the remote tier may have been slow once, or not verified yet. The last one is longer than a permission that was given and could not be given back. */
  againMs: [1_000, 60_000],
});

/** Names the permission to warm, as if it were a value: its lease is held by who warms, and the value says that somebody has. */
const PERMISSION = 'forebay:warm:{all}';

/** How a warming ended. */
export type WarmOutcome =
  /** All popular keys were gone through. */
  | 'done'
  /** Another instance warms, or has done so in the last ten minutes. */
  | 'elsewhere'
  /** The remote tier cannot be asked who may warm. */
  | 'no_remote'
  /** The database or the remote tier did not answer any more. */
  | 'failed'
  /** Told to stop, or closed. */
  | 'stopped';

export interface WarmReport {
  readonly outcome: WarmOutcome;
  /** Popular keys that there were to warm. */
  readonly popular: number;
  /** Of those: loaded from the source; found in the tiers; known to be absent; not brought in. */
  readonly loaded: number;
  readonly found: number;
  readonly absent: number;
  readonly failed: number;
  readonly tookMs: number;
}

export interface WarmProgress extends Omit<WarmReport, 'outcome' | 'tookMs'> {
  /** Popular keys gone through. */
  readonly done: number;
}

export interface WarmRunOptions {
  /** Popular keys at most. @defaultValue all that are known */
  readonly limit?: number;
  /** Ends it; it then resolves with what was done so far. */
  readonly signal?: AbortSignal;
  /** Told after each round. */
  readonly onProgress?: (progress: WarmProgress) => void;
}

/** A cache that can be warmed, by its keys as text. */
export interface WarmTarget {
  readonly name: string;
  warm(keys: readonly string[], options: WarmOptions): Promise<WarmResult>;
}

export interface WarmerOptions {
  readonly store: PopularStore;
  readonly targets: readonly WarmTarget[];
  readonly remote: RemoteTier;
  readonly pacer: Pacer;
  /** Popular keys at most. */
  readonly maxKeys: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly uniqueId: () => string;
  readonly logger: Logger;
}

/** Gives the next keys, so many at most; none when that was all. */
type TakeKeys = (most: number) => Promise<readonly WarmKey[]>;

/** Where one warming stands. */
interface Course {
  readonly signal: AbortSignal;
  readonly limit: number;
  readonly onProgress: (progress: WarmProgress) => void;
  readonly startedAt: number;
  readonly counts: { popular: number; done: number; loaded: number; found: number; absent: number; failed: number };
  token: string | null;
  renewAt: number;
}

/**
 * Fills the tiers with the popular keys, the most popular one first, at the pace that the pacer allows. What is in the remote tier and counts is left; the rest is loaded 500 keys at a time and filled in under the same
 * leases as ever, so an invalidation that comes meanwhile keeps the old value out.
 *
 * One instance of a fleet warms at a time: the permission is a lease in the remote tier, since that is what is filled. If it vanishes, two may warm for a while, each leaving what the other has brought.
 */
export class Warmer {
  readonly #o: WarmerOptions;
  readonly #closing = new AbortController();
  #running: Promise<WarmReport> | null = null;
  /** Until it looks whether somebody else has warmed: told of the same loss twice, it looks once. */
  #waits = false;
  /** One that got no answer is to be tried again. */
  #triesAgain = false;
  /** The remote tier began anew: what was done so far is gone. */
  #again = false;
  /** Until then one that is held may be our own, which we have not heard of and could not give back. */
  #strayUntil = Number.NEGATIVE_INFINITY;
  readonly counts = { runs: { done: 0, elsewhere: 0, no_remote: 0, failed: 0, stopped: 0 }, loaded: 0, found: 0 };

  constructor(options: WarmerOptions) {
    this.#o = options;
  }

  /** Whether it loads at this moment, or asks whether it may. */
  get isRunning(): boolean {
    return this.#running !== null;
  }

  /**
   * Warms now. One at a time: a call while one is under way resolves with that one's report. `asked`: somebody wants it, whoever has done it lately. Never rejects.
   */
  run(options: WarmRunOptions = {}, asked = true): Promise<WarmReport> {
    this.#running ??= this.#run(options, asked).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Warms unless another instance does or has, `delayMs` from now, more or less. Resolves with the first try. */
  async runOnce(delayMs = 0): Promise<WarmReport | null> {
    if (delayMs > 0 && this.#waits) return null;
    if (this.#running !== null) {
      this.#again = true;
      return this.#running;
    }
    try {
      if (delayMs > 0) {
        this.#waits = true;
        await this.#wait(delayMs).finally(() => {
          this.#waits = false;
        });
      }
      const report = await this.run({}, false);
      if (report.outcome === 'no_remote') void this.#tryAgain();
      return report;
    } catch {
      return null;
    }
  }

  /** After one that got no answer; one call at a time. A remote tier that is away is not asked: it says so itself when it comes back empty. Never rejects. */
  async #tryAgain(): Promise<void> {
    if (this.#triesAgain) return;
    this.#triesAgain = true;
    try {
      for (const pauseMs of WARMING.againMs) {
        await this.#wait(pauseMs);
        // One that runs is joined, and does not begin anew for it.
        if (this.#o.remote.state() !== 'down' && (await this.run({}, false)).outcome !== 'no_remote') return;
      }
    } catch {
      // It was closed.
    } finally {
      this.#triesAgain = false;
    }
  }

  async #wait(delayMs: number): Promise<void> {
    await pause(this.#o.clock, delayMs * (0.5 + this.#o.random()), this.#closing.signal);
  }

  /** The remote tier has begun anew. `mine`: this process found it so, and warms; another one looks whether somebody has, once that somebody's permission would have ended. */
  async onAnew(mine: boolean): Promise<void> {
    this.#o.pacer.begin();
    if (mine || this.#running !== null) await this.runOnce();
    else await this.runOnce(WARMING.leaseMs);
  }

  close(): Promise<unknown> {
    this.#closing.abort(new ForebayError('CLOSED', 'warming was ended'));
    return this.#running ?? Promise.resolve();
  }

  async #run({ limit = this.#o.maxKeys, signal, onProgress = () => {} }: WarmRunOptions, asked: boolean): Promise<WarmReport> {
    const { clock, pacer } = this.#o;
    const stop = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    const counts = { popular: 0, done: 0, loaded: 0, found: 0, absent: 0, failed: 0 };
    const course: Course = { signal: stop, limit, onProgress, startedAt: clock.now(), counts, token: null, renewAt: 0 };
    let outcome: WarmOutcome;
    try {
      outcome = await this.#permitted(course, asked);
      if (outcome === 'done') {
        pacer.begin();
        outcome = await this.#warm(course);
      }
    } catch (thrown) {
      outcome = stop.aborted ? 'stopped' : 'failed';
      if (outcome === 'failed') this.#o.logger.warn({ err: thrown }, 'warming failed; caches fill by what is asked for');
    }
    await this.#giveBack(course, outcome === 'done');
    this.counts.runs[outcome] += 1;
    this.counts.found += counts.found;
    const { done: _, ...rest } = counts;
    const report = { outcome, ...rest, tookMs: Math.round(clock.now() - course.startedAt) };
    if (counts.popular > 0) this.#o.logger.info(report, 'warming ended');
    return report;
  }

  async #warm(course: Course): Promise<WarmOutcome> {
    const { signal, limit } = course;
    const { store, targets, pacer, clock } = this.#o;
    const caches = targets.map(({ name }) => name);
    for (;;) {
      this.#again = false;
      Object.assign(course.counts, { popular: 0, done: 0, loaded: 0, found: 0, absent: 0, failed: 0 });
      const list = new PopularList({ store, caches, limit, pacer, clock, signal });
      const outcome = await this.#goThrough(course, list);
      if (outcome !== 'done' || !this.#again) return outcome;
      // Whatever was filled before is gone, the permission included, most often.
      signal.throwIfAborted();
      await this.#giveBack(course, false);
      const permission = await this.#permitted(course, true);
      if (permission !== 'done') return permission;
    }
  }

  /** Goes through the keys, and once or twice more through the rounds of which something failed. */
  async #goThrough(course: Course, list: PopularList): Promise<WarmOutcome> {
    const { counts, signal } = course;
    let take: TakeKeys = async (most) => {
      const keys = await list.take(most);
      if (counts.popular === 0 && keys.length > 0) this.#o.logger.info({ popular: list.size }, 'warming begins');
      counts.popular = list.size;
      return keys;
    };
    for (let pass = 1; ; pass += 1) {
      const missed = await this.#round(course, take, pass === WARMING.passes);
      if (!Array.isArray(missed)) return missed;
      if (missed.length === 0 || this.#again) return 'done';
      // A lease that was given, but not in time to be heard of, has to end first.
      await pause(this.#o.clock, WARMING.betweenPassesMs, signal);
      take = (most) => Promise.resolve(missed.splice(0, most));
    }
  }

  /** Goes through keys once. Gives those of the rounds of which something failed, unless it is the last pass. */
  async #round(course: Course, take: TakeKeys, isLast: boolean): Promise<WarmOutcome | WarmKey[]> {
    const { clock, pacer } = this.#o;
    const { counts, signal } = course;
    const missed: WarmKey[] = [];
    const rounds = new Rounds(clock, WARMING.batch);
    while (!this.#again) {
      const batch = await take(rounds.size);
      if (batch.length === 0) break;
      await pacer.turn(signal);
      if (!(await this.#renew(course))) return 'elsewhere';
      const result = await this.#bring(batch);
      counts.loaded += result.loaded;
      this.counts.loaded += result.loaded;
      if (result.failed === 0 || isLast) this.#settle(counts, batch.length, result);
      else missed.push(...batch);
      course.onProgress({ ...counts });
      if (!(await rounds.judge(result.failed, batch.length, signal))) return 'failed';
    }
    return missed;
  }

  #settle(counts: Course['counts'], size: number, { absent, failed }: WarmResult): void {
    counts.done += size;
    counts.absent += absent;
    counts.failed += failed;
    // The rest was there, but for what an earlier pass loaded that was then gone through again.
    counts.found = Math.max(0, counts.done - counts.loaded - counts.absent - counts.failed);
  }

  async #bring(batch: readonly WarmKey[]): Promise<WarmResult> {
    const results = await Promise.all(
      this.#o.targets.map((target) => {
        const keys = batch.filter(({ cache }) => cache === target.name).map(({ key }) => key);
        return target.warm(keys, { storedOnly: true });
      }),
    );
    const sum = { present: 0, absent: 0, failed: 0, loaded: 0 };
    for (const { present, absent, failed, loaded } of results) {
      sum.present += present;
      sum.absent += absent;
      sum.failed += failed;
      sum.loaded += loaded;
    }
    return sum;
  }

  /** Asks for the permission to warm; 'done' when it was given. Without a remote tier nobody else is warmed for. */
  async #permitted(course: Course, asked: boolean): Promise<WarmOutcome> {
    course.signal.throwIfAborted();
    const { remote, clock, uniqueId } = this.#o;
    if (remote.state() === 'off') return 'done';
    const token = uniqueId();
    const deadline = clock.now() + WARMING.askMs;
    const reply = await remote.acquire(PERMISSION, token, { leaseMs: WARMING.leaseMs, replace: asked, deadline });
    switch (reply.outcome) {
      case 'granted':
        this.#hold(course, token);
        return 'done';
      case 'held':
        return clock.now() < this.#strayUntil ? 'no_remote' : 'elsewhere';
      case 'found':
        return 'elsewhere';
      case 'unavailable':
        // It may have been given, and its answer be late: it is given back then too.
        this.#hold(course, token);
        this.#strayUntil = clock.now() + WARMING.leaseMs;
        return 'no_remote';
      default:
        return reply satisfies never;
    }
  }

  #hold(course: Course, token: string): void {
    course.token = token;
    course.renewAt = this.#o.clock.now() + WARMING.renewMs;
  }

  /** Whether this instance may go on. Somebody else may take the permission in the moment between giving it back and asking anew; that one then goes on. */
  async #renew(course: Course): Promise<boolean> {
    if (course.token === null || this.#o.clock.now() < course.renewAt) return true;
    await this.#giveBack(course, false);
    const permission = await this.#permitted(course, true);
    // One that cannot be asked just now need not keep the work from going on: leases guard each key.
    return permission !== 'elsewhere';
  }

  /** Gives the permission back; `isDone` leaves word of it. */
  async #giveBack(course: Course, isDone: boolean): Promise<void> {
    const { token } = course;
    if (token === null) return;
    course.token = null;
    const { remote } = this.#o;
    const { point } = remote.tags;
    const entry = encodeEntry({ absent: false, version: 0, ttlMs: WARMING.doneMs, point, buckets: [], json: Buffer.from('1') });
    const reply = await remote.fill(PERMISSION, token, isDone ? { entry, expireMs: WARMING.doneMs, loadedAgoMs: 0 } : null);
    if (reply !== 'unavailable') this.#strayUntil = Number.NEGATIVE_INFINITY;
  }
}
