import type { Clock, Timer } from '../../../../src/core/clock.ts';

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** A clock whose timers and ends of turns happen only when the schedule says so: a timer that is due may still be late, as in a busy process. */
export class ScheduledClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<Due>();
  readonly #turns: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.#now;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const due = { at: this.#now + delayMs, run };
    this.#timers.add(due);
    return { cancel: () => void this.#timers.delete(due) };
  }

  endOfTurn(run: () => void): void {
    this.#turns.push(run);
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  /** Moves to the moment of the next timer. */
  advanceToNext(): void {
    const next = this.#first();
    if (next !== undefined && next.at > this.#now) this.#now = next.at;
  }

  get timerIsDue(): boolean {
    const next = this.#first();
    return next !== undefined && next.at <= this.#now;
  }

  get turnIsPending(): boolean {
    return this.#turns.length > 0;
  }

  runTimer(): void {
    const next = this.#first();
    if (next === undefined || next.at > this.#now) return;
    this.#timers.delete(next);
    next.run();
  }

  runTurn(): void {
    this.#turns.shift()?.();
  }

  #first(): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#timers) if (first === undefined || due.at < first.at) first = due;
    return first;
  }
}
