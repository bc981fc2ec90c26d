import type { Clock, Timer } from '../core/clock.ts';

export interface LineLimits {
  /** Lines of one class in one window. */
  readonly most: number;
  readonly windowMs: number;
}

/** A failing database fails thousands of requests a second, each in the same way: the first ones say it, and how many more there were. */
const DEFAULTS: LineLimits = { most: 20, windowMs: 10_000 };

interface Window {
  told: number;
  held: number;
  readonly timer: Timer;
}

/** Lets so many lines of a class pass in a window, and says at its end how many did not. Classes are named by the program, never by a client, so they are few. */
export class LineLimiter {
  readonly #clock: Clock;
  readonly #limits: LineLimits;
  readonly #onHeld: (name: string, held: number) => void;
  readonly #windows = new Map<string, Window>();
  readonly #held = new Map<string, number>();

  /** `onHeld`: told at the end of a window in which lines were held back. */
  constructor(clock: Clock, onHeld: (name: string, held: number) => void, limits: LineLimits = DEFAULTS) {
    this.#clock = clock;
    this.#onHeld = onHeld;
    this.#limits = limits;
  }

  /** Whether a line of this class may be written now. */
  passes(name: string): boolean {
    const window = this.#windows.get(name) ?? this.#open(name);
    if (window.told < this.#limits.most) {
      window.told += 1;
      return true;
    }
    window.held += 1;
    this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    return false;
  }

  /** Lines held back since the start, by class. */
  get held(): ReadonlyMap<string, number> {
    return this.#held;
  }

  #open(name: string): Window {
    const { windowMs } = this.#limits;
    const timer = this.#clock.schedule(windowMs, () => {
      this.#windows.delete(name);
      if (window.held > 0) this.#onHeld(name, window.held);
    });
    const window: Window = { told: 0, held: 0, timer };
    this.#windows.set(name, window);
    return window;
  }

  /** Says now what the ends of the windows would have said. */
  close(): void {
    for (const [name, { timer, held }] of this.#windows) {
      timer.cancel();
      if (held > 0) this.#onHeld(name, held);
    }
    this.#windows.clear();
  }
}
