import type { Clock } from '../core/clock.ts';
import { askLog } from './ask-log.ts';
import type { ChangeLog, LogEntry } from './change-log.ts';
import type { LogPart } from './log-store.ts';
import type { Tracer } from './tracer.ts';

export interface RelayOptions {
  readonly log: ChangeLog;
  readonly store: LogPart;
  readonly clock: Clock;
  /** Longest wait for the store to apply one entry, in ms; past it the store counts as away until it was asked again. */
  readonly applyMs: number;
  /** Longest wait for the log to be read, in ms. */
  readonly readMs: number;
  /** Is told of the runs that have something to apply. @defaultValue none */
  readonly tracer?: Tracer | null;
  /** The store has applied this entry, by our hand or another relay's. */
  onApplied(entry: LogEntry): void;
}

/** Entries kept to be applied without asking the log for them again. */
const MAX_RECENT = 64;
/** Tries in which another relay was found at work on the same entries. */
const MAX_ROUNDS = 20;

/** Where the store is in one history of the log. */
interface Course {
  /** What was numbered here and is not known to be applied. */
  readonly recent: Map<number, LogEntry>;
  target: number;
  fence: number | null;
  running: Promise<void> | null;
  /** It was asked, and did not answer. */
  failing: boolean;
}

/**
 * Keeps the store level with the log: applies what it lacks, in order. Several relays may do so at once: an entry is applied only if it is the next, so whoever is first applies it, and the others see that it was.
 * Whatever the store lost (a failover, an old backup, all of it) shows in its fence, and is applied again from the log; what the log does not keep any more makes the store start anew.
 */
export class Relay {
  readonly #o: RelayOptions;
  /** Another one with each history: a run that is still under way in the one before says nothing of this one. */
  #course: Course = newCourse();
  readonly counts = { rounds: 0, applied: 0, ahead: 0, behind: 0, failed: 0, restarts: 0 };

  constructor(options: RelayOptions) {
    this.#o = options;
  }

  /** The fence as it was last heard of; `null` while nobody knows. */
  get fence(): number | null {
    return this.#course.fence;
  }

  /** Nothing is known of the store any more: another history. */
  forget(): void {
    this.#course = newCourse();
  }

  /** Brings the store to `target`. `entry`: what was numbered just now. Resolves to whether the store is there; at once to `false` while it is known to be away. */
  async level(epoch: string, target: number, entry: LogEntry | null): Promise<boolean> {
    const course = this.#course;
    if (entry !== null) remember(course, entry);
    // Without anything to apply, only the store itself can tell whether it has lost what was applied.
    else if (course.running === null) course.fence = null;
    course.target = Math.max(course.target, target);
    for (;;) {
      if (this.#o.store.state() === 'down') return false;
      const wasRunning = course.running !== null;
      course.running ??= this.#run(epoch, course).finally(() => {
        course.running = null;
      });
      // It did not answer the last time: whoever waits for a write is not kept waiting while it is asked again.
      if (course.failing && wasRunning) return false;
      await course.running;
      if (this.#course !== course || course.fence === null) return false;
      if (course.fence >= target) return true;
    }
  }

  async #run(epoch: string, course: Course): Promise<void> {
    let done = false;
    this.counts.rounds += 1;
    // A look whether the store is still level is none of the work.
    const hasWork = course.recent.size > 0 || (course.fence !== null && course.fence < course.target);
    const span = hasWork ? this.#o.tracer?.begin('relay', null) : undefined;
    const before = this.counts.applied;
    try {
      done = await this.#work(epoch, course);
    } catch {
      // The log could not be read: the source is away.
    }
    span?.end({ outcome: done ? 'level' : 'failed', applied: this.counts.applied - before });
    // A store that is disconnected says so by itself when it is asked again.
    course.failing = !done && this.#o.store.state() === 'up';
    if (!done) {
      course.fence = null;
      this.counts.failed += 1;
    }
  }

  async #work(epoch: string, course: Course): Promise<boolean> {
    const { store } = this.#o;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if (store.state() === 'down' || this.#course !== course) return false;
      if (course.fence === null) {
        const found = await store.fence(epoch, this.#deadline());
        if (found === null) return false;
        if (found === 'none') {
          if (!(await this.#restart(epoch, course, found))) return false;
        } else course.fence = found;
      }
      while (course.fence !== null && course.fence < course.target) {
        const progress = await this.#applyNext(epoch, course, course.fence);
        if (progress === 'failed') return false;
        if (progress === 'retry') break;
      }
      if (course.fence !== null && course.fence >= course.target) return true;
    }
    return false;
  }

  async #applyNext(epoch: string, course: Course, fence: number): Promise<'applied' | 'retry' | 'failed'> {
    const recent = course.recent.get(fence + 1);
    const entries = recent === undefined ? await this.#read(fence) : [recent];
    if (entries[0]?.number !== fence + 1) return (await this.#restart(epoch, course, fence)) ? 'retry' : 'failed';
    for (const entry of entries) {
      const reply = await this.#o.store.apply(epoch, entry, this.#deadline());
      // An entry of this number may be another one in the history that has begun meanwhile.
      if (this.#course !== course) return 'failed';
      switch (reply.outcome) {
        case 'applied':
          this.counts.applied += 1;
          course.fence = entry.number;
          break;
        case 'ahead':
          this.counts.ahead += 1;
          course.fence = reply.fence;
          break;
        case 'behind':
          // 1. Relay A numbers 11, relay B numbers 12. 2. B comes first and is told that 11 is missing. 3. Either of them applies both.
          this.counts.behind += 1;
          course.fence = reply.fence;
          return 'retry';
        case 'unavailable':
          return 'failed';
        default:
          return reply satisfies never;
      }
      course.recent.delete(entry.number);
      this.#o.onApplied(entry);
    }
    return 'applied';
  }

  /** A question to the log that nobody answers must not keep the store from being levelled once somebody does. */
  async #read(after: number): Promise<readonly LogEntry[]> {
    const { log, clock, readMs } = this.#o;
    return askLog(clock, readMs, (call) => log.read(after, call));
  }

  /** All entries up to the target were committed before now: what is loaded from now on contains them, and nothing that was stored before counts. */
  async #restart(epoch: string, course: Course, seen: number | 'none'): Promise<boolean> {
    if (!(await this.#o.store.restart(epoch, course.target, seen, this.#deadline()))) return false;
    this.counts.restarts += 1;
    course.fence = null;
    return true;
  }

  #deadline(): number {
    return this.#o.clock.now() + this.#o.applyMs;
  }
}

function newCourse(): Course {
  return { recent: new Map(), target: 0, fence: null, running: null, failing: false };
}

function remember({ recent }: Course, entry: LogEntry): void {
  recent.set(entry.number, entry);
  const [oldest] = recent.keys();
  if (recent.size > MAX_RECENT && oldest !== undefined) recent.delete(oldest);
}
