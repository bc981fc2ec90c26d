import type { Clock } from '../core/clock.ts';
import { askLog } from './ask-log.ts';
import type { ChangeLog } from './change-log.ts';

/** Who asks is told within so long, in ms, whatever the source does: people look at this number most when it does not answer. */
const ANSWER_MS = 500;

/** Counts what waits for a number. One question at a time, shared by all who ask meanwhile. */
export class OutboxDepth {
  readonly #log: ChangeLog;
  readonly #clock: Clock;
  #asking: Promise<number> | null = null;

  constructor(log: ChangeLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @throws {ForebayError} `DATABASE_UNAVAILABLE` */
  waiting(): Promise<number> {
    this.#asking ??= askLog(this.#clock, ANSWER_MS, (call) => this.#log.waiting(call)).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }
}
