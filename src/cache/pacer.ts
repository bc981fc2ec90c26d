import type { Clock } from '../core/clock.ts';

/** Every number of the pacer. Load is the time that calls of the source take, in ms per second: 1,000 is one call under way all the time. */
export const PACING = Object.freeze({
  /** What is aimed at while recovering, in calm means. What is over is known only when a call has ended, so a little less than the three that are promised. */
  aim: 2.5,
  /** Of it, what warming gets however much callers load, in calm means: a call for 500 popular keys takes about as long as ten for one, and spares more than that. */
  warmShare: 1,
  /** Load that warming may cause while no calm mean is known, in ms/s: a tenth of one connection. A busy source makes that fewer keys by itself. */
  unknown: 100,
  /** A mean below this counts as this, in ms/s, so that an idle process warms too: the aim is then a hundredth of one connection. */
  least: 4,
  /** As many calls a second as an idle process counts as making: what `maxHoldMs` lets through is twice the aim of that. */
  leastCalls: 4,
  /** Calm time after which a mean counts as known, in ms. */
  knownAfterMs: 60_000,
  /** After how much calm time a load counts half in the mean, in ms. */
  meanHalfLifeMs: 300_000,
  /** Longest that a caller's load is held back so that others join its call, in ms: as long as a read waits for Redis by default. */
  maxHoldMs: 50,
  /** Calls of one cache under way at once while recovering, two at least, and for so many times the mean number that the aim stands for; more are held back like those beyond the aim. Each further one may need a new session of the database, which costs Postgres 25 to 40 ms of its processor: as much as all that is read in a calm second. */
  leastLanes: 2,
  lanesPerAim: 4,
  /** Unused load that may be caught up on, in ms of time; one call at least. */
  burstMs: 100,
  /** How long callers have to load few keys again, and warming be over, in ms. */
  calmAfterMs: 5_000,
  /** What counts as few again, in calm means. */
  lowAt: 1.5,
  /** After so long, in ms, what is loaded is taken for the new calm: callers may want other things now. */
  maxRecoveryMs: 600_000,
  /** After how long a load counts half in what is the load at this moment, in ms. */
  recentHalfLifeMs: 1_000,
});

/** What the loads of a cache need of a pacer. */
export interface LoadPacer {
  /** How long a call of the source should still be held back, so that more keys join it. `heldMs`: how long it was already; `running`: calls that are under way. */
  holdMs(heldMs: number, running: number): number;
  /** A call has ended, or is not waited for any more. `warmKeys`: those of its keys that nobody asked for but warming. */
  note(busyMs: number, keys: number, warmKeys: number): void;
}

/** Holds nothing back. */
export const noPacer: LoadPacer = Object.freeze({ holdMs: () => 0, note: () => {} });

export interface PacerOptions {
  readonly clock: Clock;
  /** Whether the shared tier can be asked. */
  readonly isUp: () => boolean;
}

/** A load per second whose past fades. */
class FadingLoad {
  readonly #halfLifeMs: number;
  #sumMs = 0;
  #seconds = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  /** Time passes in which nothing was loaded but what is added. */
  pass(ms: number): void {
    const rest = 2 ** (-ms / this.#halfLifeMs);
    this.#sumMs *= rest;
    // The time that the sum stands for fades as the sum does, so that the mean is right from the beginning.
    this.#seconds = this.#seconds * rest + ((1 - rest) * this.#halfLifeMs) / Math.LN2 / 1000;
  }

  add(busyMs: number): void {
    this.#sumMs += busyMs;
  }

  /** ms per second. */
  get perSecond(): number {
    return this.#seconds === 0 ? 0 : this.#sumMs / this.#seconds;
  }
}

/** An allowance that grows with time and is paid from afterwards, when it is known what a call took; it may be overdrawn. */
class Allowance {
  #leftMs = 0;

  grow(elapsedMs: number, perSecond: number): void {
    this.#leftMs = Math.min(this.#leftMs + (elapsedMs * perSecond) / 1000, (PACING.burstMs * perSecond) / 1000);
  }

  pay(busyMs: number): void {
    this.#leftMs -= busyMs;
  }

  /** Time until it is not overdrawn any more, in whole ms: a shorter one than a clock can tell would be waited for for ever. */
  waitMs(perSecond: number): number {
    return this.#leftMs >= 0 ? 0 : Math.ceil((-this.#leftMs / perSecond) * 1000);
  }

  clear(): void {
    this.#leftMs = 0;
  }
}

/**
 * Keeps the load of the source under three times its calm mean while the shared tier is away or comes back empty.
 *
 * What is measured is the time that calls take, so a source that has become slow gets less to do by itself, and how many calls there are. Callers are never refused here: beyond the aim their calls are held back for up to 50 ms, in which the keys of
 * others join them; a call for ten keys takes little longer than one for one, and so the same keys cost fewer calls. Warming gets what callers leave of the aim, and at least a share of its own. Decision 6 says
 * why it is not keys that are let back in steps.
 */
export class Pacer implements LoadPacer {
  readonly #clock: Clock;
  readonly #isUp: () => boolean;
  readonly #calm = new FadingLoad(PACING.meanHalfLifeMs);
  readonly #recent = new FadingLoad(PACING.recentHalfLifeMs);
  /** Calls instead of the time that they take: that time is longer while the machine is busy, so it may allow too many of them. */
  readonly #calmCalls = new FadingLoad(PACING.meanHalfLifeMs);
  /** Keys that callers load tell whether it is over: that their calls are fewer or quicker may be the pacer's own doing. */
  readonly #calmKeys = new FadingLoad(PACING.meanHalfLifeMs);
  readonly #recentKeys = new FadingLoad(PACING.recentHalfLifeMs);
  readonly #all = new Allowance();
  readonly #calls = new Allowance();
  readonly #warm = new Allowance();
  #calmMs = 0;
  #at: number;
  /** Since when the load has been low while recovering; `null` while calm. */
  #lowSince: number | null = null;
  /** When the tier was last away, found empty or warmed. */
  #begunAt = 0;
  /** Times that it began to recover, calls held back, ms in which warming waited for its turn, and ms that all calls took. */
  readonly counts = { recoveries: 0, held: 0, warmWaitMs: 0, busyMs: 0 };

  constructor({ clock, isUp }: PacerOptions) {
    this.#clock = clock;
    this.#isUp = isUp;
    this.#at = clock.now();
  }

  /** The shared tier came back with nothing in it, or somebody begins to warm. */
  begin(): void {
    this.#recover(this.#advance());
  }

  get recovering(): boolean {
    this.#advance();
    return this.#lowSince !== null;
  }

  /** The mean load while calm, in ms per second; `null` while it is not known. */
  get calmMean(): number | null {
    return this.#calmMs < PACING.knownAfterMs ? null : Math.max(PACING.least, this.#calm.perSecond);
  }

  /** The load at this moment, in ms per second. */
  get load(): number {
    this.#advance();
    return this.#recent.perSecond;
  }

  /** The load that is aimed at while recovering, in ms per second; `null` while there is no mean to say. */
  get aim(): number | null {
    const mean = this.calmMean;
    return mean === null ? null : mean * PACING.aim;
  }

  get #aimOfCalls(): number {
    return Math.max(PACING.leastCalls, this.#calmCalls.perSecond) * PACING.aim;
  }

  holdMs(heldMs: number, running: number): number {
    this.#advance();
    const { aim } = this;
    if (this.#lowSince === null || aim === null) return 0;
    const lanes = Math.max(PACING.leastLanes, Math.ceil((PACING.lanesPerAim * aim) / 1000));
    // Until one of them ends, and then it is asked again.
    const crowdedMs = running < lanes ? 0 : PACING.maxHoldMs;
    const overdrawnMs = Math.max(this.#all.waitMs(aim), this.#calls.waitMs(this.#aimOfCalls), crowdedMs);
    const waitMs = Math.min(overdrawnMs, PACING.maxHoldMs - heldMs);
    if (waitMs <= 0) return 0;
    if (heldMs === 0) this.counts.held += 1;
    return waitMs;
  }

  note(busyMs: number, keys: number, warmKeys: number): void {
    const now = this.#advance();
    this.counts.busyMs += busyMs;
    this.#recent.add(busyMs);
    this.#recentKeys.add(keys - warmKeys);
    if (this.#lowSince === null) {
      this.#calm.add(busyMs);
      this.#calmCalls.add(1);
      this.#calmKeys.add(keys);
      return;
    }
    this.#all.pay(busyMs);
    this.#calls.pay(1);
    this.#warm.pay((busyMs * warmKeys) / keys);
    if (warmKeys > 0) this.#lowSince = now;
  }

  /** Resolves when the next batch of warming may be loaded. Rejects with the signal's reason. */
  async turn(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      this.begin();
      const waitMs = this.#warmWaitMs();
      if (waitMs <= 0) return;
      this.counts.warmWaitMs += waitMs;
      await pause(this.#clock, waitMs, signal);
    }
  }

  #warmWaitMs(): number {
    const { calmMean, aim } = this;
    if (calmMean === null || aim === null) return this.#warm.waitMs(PACING.unknown);
    return Math.min(this.#all.waitMs(aim), this.#warm.waitMs(calmMean * PACING.warmShare));
  }

  #recover(now: number): void {
    if (this.#lowSince === null) {
      this.counts.recoveries += 1;
      this.#all.clear();
      this.#calls.clear();
      this.#warm.clear();
    }
    this.#begunAt = now;
    this.#lowSince = now;
  }

  /** Takes note of the time that has passed, and of whether it is calm. */
  #advance(): number {
    const now = this.#clock.now();
    const passedMs = now - this.#at;
    this.#at = now;
    this.#recent.pass(passedMs);
    this.#recentKeys.pass(passedMs);
    if (this.#lowSince === null) {
      this.#calm.pass(passedMs);
      this.#calmCalls.pass(passedMs);
      this.#calmKeys.pass(passedMs);
      this.#calmMs += passedMs;
      if (!this.#isUp()) this.#recover(now);
      return now;
    }
    const mean = this.calmMean;
    this.#all.grow(passedMs, mean === null ? PACING.unknown : mean * PACING.aim);
    this.#calls.grow(passedMs, this.#aimOfCalls);
    this.#warm.grow(passedMs, mean === null ? PACING.unknown : mean * PACING.warmShare);
    if (!this.#isUp()) this.#begunAt = now;
    const mayBeHigh = mean !== null && now - this.#begunAt < PACING.maxRecoveryMs;
    const isHigh = mayBeHigh && this.#recentKeys.perSecond > Math.max(PACING.leastCalls, this.#calmKeys.perSecond) * PACING.lowAt;
    if (isHigh || !this.#isUp()) this.#lowSince = now;
    else if (now - this.#lowSince >= PACING.calmAfterMs) this.#lowSince = null;
    return now;
  }
}

/** Waits, or rejects with the signal's reason. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(ms, () => {
      signal.removeEventListener('abort', leave);
      resolve();
    });
    const leave = (): void => {
      timer.cancel();
      reject(signal.reason as Error);
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
