import type { Clock } from '../core/clock.ts';

/** Gathers what is asked for in one turn of the event loop and hands it over at the end of it. */
export class TurnBatch<T> {
  readonly #clock: Clock;
  readonly #flush: (items: T[]) => void;
  #items: T[] = [];

  constructor(clock: Clock, flush: (items: T[]) => void) {
    this.#clock = clock;
    this.#flush = flush;
  }

  add(item: T): void {
    this.#items.push(item);
    if (this.#items.length > 1) return;
    this.#clock.endOfTurn(() => {
      const items = this.#items;
      this.#items = [];
      this.#flush(items);
    });
  }
}
