import type { Clock } from '../core/clock.ts';
import { pause } from './pacer.ts';

/** Every number of a long work that goes in rounds. */
export const ROUNDS = Object.freeze({
  /** A round has at least this share of the most that it may have. */
  leastShare: 0.1,
  /** Pause after a round of which everything failed, in ms; doubles with each further one, up to 32 times. */
  backOffMs: 100,
  /** Rounds in a row of which everything failed, after which it gives up. */
  maxBad: 8,
});

/** How much goes into the next round of a work that fills the remote tier: half as much after one of which something failed, and then more again. What fails does so for a slow remote tier, most often, whose answers have to come in time. */
export class Rounds {
  readonly #clock: Clock;
  readonly #most: number;
  #size: number;
  #bad = 0;

  /** `most`: of one round. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
    this.#size = most;
  }

  get size(): number {
    return this.#size;
  }

  /** After each round, in which `failed` of `of` did; resolves to whether to go on, after a pause where nothing went. Rejects with the signal's reason. */
  async judge(failed: number, of: number, signal: AbortSignal): Promise<boolean> {
    const least = Math.ceil(this.#most * ROUNDS.leastShare);
    this.#size = failed === 0 ? Math.min(this.#most, this.#size * 2) : Math.max(least, Math.floor(this.#size / 2));
    this.#bad = failed < of ? 0 : this.#bad + 1;
    if (this.#bad >= ROUNDS.maxBad) return false;
    if (this.#bad > 0) await pause(this.#clock, ROUNDS.backOffMs * 2 ** Math.min(this.#bad - 1, 5), signal);
    return true;
  }
}
