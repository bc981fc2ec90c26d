import type { SeededChance } from './random.ts';

const TICK_MS = 5;
/** After a freeze nothing is caught up on. */
const MOST_CATCH_UP_MS = 20;

/** Begins work at random moments, so many times a second, however long each takes; past `most` at once it begins no more. */
export class Pace {
  readonly #chance: SeededChance;
  readonly #most: number;
  readonly #begin: () => Promise<void>;
  readonly #running = new Set<Promise<void>>();
  #perSecond = 0;
  #timer: NodeJS.Timeout | null = null;
  #tickedAt = 0;

  constructor(chance: SeededChance, most: number, begin: () => Promise<void>) {
    this.#chance = chance;
    this.#most = most;
    this.#begin = begin;
  }

  start(perSecond: number): void {
    this.#perSecond = perSecond;
    this.#tickedAt = performance.now();
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await Promise.all(this.#running);
  }

  #tick(): void {
    const now = performance.now();
    const due = (this.#perSecond * Math.min(MOST_CATCH_UP_MS, now - this.#tickedAt)) / 1000;
    this.#tickedAt = now;
    const count = Math.floor(due) + (this.#chance.next() < due % 1 ? 1 : 0);
    for (let i = 0; i < count && this.#running.size < this.#most; i += 1) {
      const work = this.#begin().finally(() => this.#running.delete(work));
      this.#running.add(work);
    }
  }
}
