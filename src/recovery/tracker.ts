import type { Clock, Timer } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Recovery, RecoveryCause, RecoveryPhase, Warmed } from './recovery.ts';
import { causesInWords, stepsInWords } from './recovery.ts';

/** Every number of watching recoveries. */
export const RECOVERY = Object.freeze({
  /** States are looked at so often, in ms, and at once when they are told of. */
  lookMs: 250,
  /** It is over when all has been well for so long, in ms: one that comes and goes makes one recovery, and two lines in the log. */
  settledMs: 1_000,
  /** Recoveries kept. */
  kept: 10,
});

type WarmRuns = Readonly<Record<'done' | 'elsewhere' | 'no_remote' | 'failed' | 'stopped', number>>;

/** How things are at this moment. */
export interface RecoveryFacts {
  /** What is amiss now: none, when everything that there is answers and may be asked. */
  readonly amiss: readonly RecoveryCause[];
  /** It is being asked whether it answers: what is amiss is known as before, and no more. */
  readonly probing: boolean;
  /** Monotonic ms: all that was committed before this is applied to Redis, and known here. */
  readonly levelAt: number;
  /** Changes that this process has applied to Redis, and times that it began anew, since the start. */
  readonly applied: number;
  readonly restarts: number;
  readonly warming: {
    readonly running: boolean;
    readonly isOff: boolean;
    readonly loaded: number;
    readonly found: number;
    readonly runs: WarmRuns;
  };
  /** Calls of the database are held back. */
  readonly paced: boolean;
}

export interface TrackerOptions {
  readonly facts: () => RecoveryFacts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of what people should see: the beginning, and each step. */
  readonly onEvent: (level: 'good' | 'info' | 'warning', text: string) => void;
}

/** The recovery that is under way. */
interface Course {
  recovery: Recovery;
  /** Monotonic ms. */
  readonly startedAt: number;
  readonly before: RecoveryFacts;
  reachedAt: number | null;
  /** Redis was found empty, or began anew. */
  isAnew: boolean;
  wellSince: number | null;
}

/** What recoveries came to since the start. */
export interface RecoveryCounts {
  readonly causes: Readonly<Record<RecoveryCause, number>>;
  readonly completed: number;
  readonly replayed: number;
  /** Of all that are over, in ms. */
  readonly tookMs: number;
}

/**
 * Makes one visible thing of what goes on by itself after an outage: it looks at the states of all that takes part, and says how far it is. It does nothing but look: what it shows is as true as the states are.
 *
 * An outage before all is over belongs to the same recovery: its steps begin again.
 */
export class RecoveryTracker {
  readonly #o: TrackerOptions;
  readonly #counts = {
    causes: { redis_away: 0, redis_isolated: 0, redis_empty: 0, node_away: 0, database_away: 0 },
    completed: 0,
    replayed: 0,
    tookMs: 0,
  };
  #past: readonly Recovery[] = [];
  #course: Course | null = null;
  #number = 0;
  #timer: Timer | null = null;
  #closed = false;
  /** What applied and began anew when all was well last: what a recovery has to do is counted from there. */
  #well: RecoveryFacts;

  constructor(options: TrackerOptions) {
    this.#o = options;
    this.#well = options.facts();
    this.#schedule();
  }

  get current(): Recovery | null {
    return this.#course?.recovery ?? null;
  }

  /** The last ones that are over, the oldest first. */
  get past(): readonly Recovery[] {
    return this.#past;
  }

  get counts(): RecoveryCounts {
    return this.#counts;
  }

  /** Redis was found empty, or had to begin anew. */
  onAnew(): void {
    if (this.#closed) return;
    // What is found before Redis was level for the first time is a start, and no outage.
    if (this.#course === null && !Number.isFinite(this.#well.levelAt)) return;
    const course = this.#course ?? this.#begin(['redis_empty'], this.#o.facts());
    course.isAnew = true;
    this.#add(course, ['redis_empty']);
    // It is the same outage that shows now, be it after Redis was believed.
    const { phase } = course.recovery;
    if (phase !== 'outage')
      course.recovery = { ...course.recovery, ...NOT_REACHED, phase: 'verifying', reachedAfterMs: course.recovery.reachedAfterMs };
    course.wellSince = null;
    this.look();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#o.clock.schedule(RECOVERY.lookMs, () => {
      this.look();
      if (!this.#closed) this.#schedule();
    });
  }

  /** Looks now: something has changed, most likely. */
  look(): void {
    if (this.#closed) return;
    const facts = this.#o.facts();
    if (facts.amiss.length > 0) this.#begin(facts.probing && this.#course !== null ? [] : facts.amiss, facts);
    else if (this.#course === null) this.#well = facts;
    else this.#goOn(this.#course, facts);
  }

  /** Something is amiss. */
  #begin(causes: readonly RecoveryCause[], facts: RecoveryFacts): Course {
    const { clock, logger, onEvent } = this.#o;
    if (this.#course === null) {
      this.#number += 1;
      this.#course = {
        recovery: newRecovery(this.#number, clock.wallNow()),
        startedAt: clock.now(),
        before: this.#well,
        reachedAt: null,
        isAnew: false,
        wellSince: null,
      };
      const text = causesInWords(causes);
      // What is amiss has a line of its own already, from whoever saw it.
      logger.debug({ recovery: this.#number, causes }, `a recovery begins: ${text}`);
      onEvent('warning', `A recovery begins: ${text}.`);
    }
    const course = this.#course;
    this.#add(course, causes);
    const isNew = course.recovery.phase !== 'outage' || course.recovery.outages === 0;
    course.reachedAt = null;
    course.wellSince = null;
    course.recovery = {
      ...course.recovery,
      ...NOT_REACHED,
      phase: 'outage',
      outages: course.recovery.outages + (isNew ? 1 : 0),
      replayed: facts.applied - course.before.applied,
    };
    return course;
  }

  #add(course: Course, causes: readonly RecoveryCause[]): void {
    const added = causes.filter((cause) => !course.recovery.causes.includes(cause));
    if (added.length === 0) return;
    for (const cause of added) this.#counts.causes[cause] += 1;
    course.recovery = { ...course.recovery, causes: [...course.recovery.causes, ...added] };
  }

  /** All answers: as many steps as are true. */
  #goOn(course: Course, facts: RecoveryFacts): void {
    const now = this.#o.clock.now();
    const afterMs = Math.round(now - course.startedAt);
    course.recovery = {
      ...course.recovery,
      // What is applied from then on is the work of every day.
      replayed: course.recovery.verified === null ? facts.applied - course.before.applied : course.recovery.replayed,
      loaded: facts.warming.loaded - course.before.warming.loaded,
      found: facts.warming.found - course.before.warming.found,
    };
    if (course.reachedAt === null) {
      course.reachedAt = now;
      this.#step(course, 'verifying', { reachedAfterMs: afterMs });
    }
    if (course.recovery.verified === null) {
      // A proof that was begun before all answered says nothing of what came back.
      if (facts.levelAt <= course.reachedAt) return;
      const isAnew = course.isAnew || facts.restarts > course.before.restarts;
      const verified = isAnew ? 'anew' : course.recovery.replayed > 0 ? 'replayed' : 'level';
      this.#step(course, 'warming', { verifiedAfterMs: afterMs, verified });
    }
    if (course.recovery.warmed === null || facts.warming.running) {
      if (facts.warming.running) {
        course.recovery = { ...course.recovery, phase: 'warming', warmed: null, warmedAfterMs: null };
        course.wellSince = null;
        return;
      }
      this.#step(course, 'paced', { warmedAfterMs: afterMs, warmed: howWarmed(course, facts) });
    }
    if (facts.paced) {
      course.wellSince = null;
      return;
    }
    course.wellSince ??= now;
    if (now - course.wellSince >= RECOVERY.settledMs) this.#end(course, afterMs, facts);
  }

  #step(course: Course, phase: RecoveryPhase, done: Partial<Recovery>): void {
    course.recovery = { ...course.recovery, ...done, phase };
    this.#o.onEvent(phase === 'verifying' ? 'info' : 'good', `Recovery: ${stepsInWords(course.recovery).at(-1) ?? ''}.`);
  }

  #end(course: Course, tookMs: number, facts: RecoveryFacts): void {
    const over: Recovery = Object.freeze({ ...course.recovery, phase: 'over', tookMs });
    this.#course = null;
    this.#well = facts;
    this.#past = [...this.#past, over].slice(-RECOVERY.kept);
    this.#counts.completed += 1;
    this.#counts.replayed += over.replayed;
    this.#counts.tookMs += tookMs;
    const { number: recovery, phase: _, beganAt: _at, ...rest } = over;
    this.#o.logger.info({ recovery, ...rest }, `recovered: ${stepsInWords(over).join('; ')}`);
    this.#o.onEvent('good', `Recovered: ${stepsInWords(over).at(-1) ?? ''}.`);
  }
}

const NOT_REACHED = { reachedAfterMs: null, verifiedAfterMs: null, verified: null, warmedAfterMs: null, warmed: null } as const;

function newRecovery(number: number, beganAt: number): Recovery {
  return { number, causes: [], phase: 'outage', beganAt, outages: 0, ...NOT_REACHED, replayed: 0, loaded: 0, found: 0, tookMs: null };
}

function howWarmed({ isAnew, before, recovery }: Course, { warming }: RecoveryFacts): Warmed {
  const ran = (outcome: keyof WarmRuns): boolean => warming.runs[outcome] > before.warming.runs[outcome];
  if (ran('done')) return 'here';
  if (ran('failed') || ran('no_remote') || ran('stopped')) return 'failed';
  if (ran('elsewhere')) return 'elsewhere';
  if (!isAnew && recovery.verified !== 'anew') return 'not_needed';
  // Whoever found it empty warms.
  return warming.isOff ? 'off' : 'elsewhere';
}
