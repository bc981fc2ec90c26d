import type { Clock, Timer } from '../core/clock.ts';
import type { InvalidationState } from './lookup.ts';

interface Waiting {
  /** The first look at the log that is asked after the commit. */
  readonly look: number;
  readonly timer: Timer;
  readonly resolve: (state: InvalidationState) => void;
}

/** Writes that may wait at once; the rest is told `queued` at once. */
const MAX_WAITING = 10_000;

/** Writes that wait until everyone has forgotten what they changed. */
export class Settling {
  readonly #clock: Clock;
  readonly #confirmMs: number;
  readonly #waiting = new Set<Waiting>();
  /** Until this look has proven something, a write of this process may not have been heard of here: the store must not be read. */
  barrier = 0;

  constructor(clock: Clock, confirmMs: number) {
    this.#clock = clock;
    this.#confirmMs = confirmMs;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when everyone has heard of all that was committed before this call, or says that it is queued. `look`: the next look at the log. */
  wait(look: number): Promise<InvalidationState> {
    if (this.#waiting.size >= MAX_WAITING) {
      this.barrier = look;
      return Promise.resolve('queued');
    }
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(this.#confirmMs, () => {
        this.#waiting.delete(waiting);
        this.barrier = Math.max(this.barrier, look);
        resolve('queued');
      });
      const waiting: Waiting = { look, timer, resolve };
      this.#waiting.add(waiting);
    });
  }

  /** Everything that was committed before this look is known in this process; `levelled` says whether it is in the store too. */
  proven(look: number, levelled: Promise<boolean>): void {
    const ready = [...this.#waiting].filter((waiting) => waiting.look <= look);
    if (ready.length === 0) return;
    void levelled.then((isLevel) => {
      for (const waiting of ready) {
        waiting.timer.cancel();
        this.#waiting.delete(waiting);
        waiting.resolve(isLevel ? 'applied' : 'queued');
      }
    });
  }

  close(): void {
    for (const { timer, resolve } of this.#waiting) {
      timer.cancel();
      resolve('queued');
    }
    this.#waiting.clear();
  }
}
