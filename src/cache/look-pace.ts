import type { Clock, Timer } from '../core/clock.ts';

/** After a change by others the next look comes so much sooner, and then later and later again. */
const EAGER = 8;
const SOONEST_MS = 5;

/** When a process looks at the log by itself: at a steady interval, and sooner for a while when others are at work. */
export class LookPace {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #look: () => void;
  #pauseMs: number;
  #timer: Timer | null = null;
  #dueAt = 0;

  constructor(clock: Clock, intervalMs: number, look: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#look = look;
    this.#pauseMs = intervalMs;
  }

  /** The pauses that follow are short, and longer with each. */
  hurry(): void {
    this.#pauseMs = Math.max(SOONEST_MS, this.#intervalMs / EAGER);
  }

  /** The next pause is as short as can be. */
  hurryMost(): void {
    this.#pauseMs = SOONEST_MS;
  }

  /** A look comes after the pause that is due. */
  next(): void {
    this.#schedule(this.#pauseMs);
    this.#pauseMs = Math.min(this.#intervalMs, this.#pauseMs * 2);
  }

  /**
   * The look that is due comes as soon as when others are at work, and no sooner. For what may come with each entry of the log: if instances that cannot read each other's messages looked at once, and numbered what
   * they find, each look would bring on the next one, as quickly as the database answers.
   */
  bringForward(): void {
    this.hurry();
    if (this.#timer === null || this.#dueAt <= this.#clock.now() + this.#pauseMs) return;
    this.cancel();
    this.next();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #schedule(pauseMs: number): void {
    this.#dueAt = this.#clock.now() + pauseMs;
    this.#timer = this.#clock.schedule(pauseMs, () => {
      this.#timer = null;
      this.#look();
    });
  }
}
