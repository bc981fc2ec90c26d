import type { Clock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';

/** Asks the log of changes something, and gives up after `limitMs`. @throws {ForebayError} `DATABASE_UNAVAILABLE` */
export async function askLog<T>(clock: Clock, limitMs: number, call: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = clock.schedule(limitMs, () => {
    controller.abort(new ForebayError('DATABASE_UNAVAILABLE', `the log of changes was not answered within ${limitMs} ms`));
  });
  try {
    return await call({ signal: controller.signal });
  } finally {
    timer.cancel();
  }
}

/** How the source answers what a follower asks, which is all the time. */
export interface Answering {
  /** How long the last answer took, in ms; `null` before the first. */
  readonly tookMs: number | null;
  /** How long the oldest question that is under way has waited, in ms; 0 when none is. */
  readonly waitingMs: number;
  /** Since when no question was answered, in ms before now; `null` while they are. */
  readonly failingMs: number | null;
}

/** Asks the log, and keeps in mind how it answers. */
export class LogAsker {
  readonly #clock: Clock;
  readonly #limitMs: number;
  /** When the questions that are under way were asked; in order. A look, a sweep: never more than a few. */
  readonly #asked = new Set<{ readonly at: number }>();
  #tookMs: number | null = null;
  #failingSince: number | null = null;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** @throws {ForebayError} `DATABASE_UNAVAILABLE` */
  async ask<T>(call: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
    const question = { at: this.#clock.now() };
    this.#asked.add(question);
    try {
      const answer = await askLog(this.#clock, this.#limitMs, call);
      this.#tookMs = this.#clock.now() - question.at;
      this.#failingSince = null;
      return answer;
    } catch (error) {
      this.#failingSince ??= question.at;
      throw error;
    } finally {
      this.#asked.delete(question);
    }
  }

  get answering(): Answering {
    const now = this.#clock.now();
    const [oldest] = this.#asked;
    return {
      tookMs: this.#tookMs,
      waitingMs: oldest === undefined ? 0 : now - oldest.at,
      failingMs: this.#failingSince === null ? null : now - this.#failingSince,
    };
  }
}
