import { mix } from './hash.ts';

const ROWS = 4;
const COLUMNS = 4096;
const COUNT_BITS = 32;
const MAX_COUNT = 2 ** COUNT_BITS - 1;

/**
 * Reads per second of every key, in a fixed 64 kB: a count-min sketch (Cormode and Muthukrishnan, 2005) whose counters are halved
 * once per half-life, so that old interest fades.
 *
 * A count is never too low (but for the fading) and seldom too high: four rows of 4,096 counters.
 */
export class ReadRate {
  readonly #counts = new Uint32Array(ROWS * COLUMNS);
  readonly #halfLifeMs: number;
  #halvedAt: number;
  /** Time that the counts of before the last halving stand for. */
  #spanMs = 0;

  /** `halfLifeMs`: after how long a read counts half (POLICIES: 6 h); `now`: monotonic milliseconds. */
  constructor(halfLifeMs: number, now: number) {
    this.#halfLifeMs = halfLifeMs;
    this.#halvedAt = now;
  }

  /** Counts one read of the key with this hash. */
  add(hash: number, now: number): void {
    if (now - this.#halvedAt >= this.#halfLifeMs) this.#fade(now);
    let h = hash;
    for (let row = 0; row < ROWS; row += 1) {
      const at = row * COLUMNS + (h & (COLUMNS - 1));
      const count = this.#counts[at] ?? 0;
      if (count < MAX_COUNT) this.#counts[at] = count + 1;
      h = mix(h + row + 1);
    }
  }

  /** Faded number of reads of the key with this hash. */
  count(hash: number): number {
    let least = MAX_COUNT;
    let h = hash;
    for (let row = 0; row < ROWS; row += 1) {
      least = Math.min(least, this.#counts[row * COLUMNS + (h & (COLUMNS - 1))] ?? 0);
      h = mix(h + row + 1);
    }
    return least;
  }

  /**
   * Reads per second. Halving the counts halves the time that they stand for, so that time is kept in the same way: half of it at each halving, plus what has passed since.
   */
  perSecond(hash: number, now: number): number {
    return this.count(hash) / Math.max((this.#spanMs + now - this.#halvedAt) / 1000, 1);
  }

  #fade(now: number): void {
    const halvings = Math.floor((now - this.#halvedAt) / this.#halfLifeMs);
    for (let i = 0; i < halvings && i < COUNT_BITS; i += 1) this.#spanMs = (this.#spanMs + this.#halfLifeMs) / 2;
    // A shift by all the bits would be one by none.
    if (halvings >= COUNT_BITS) this.#counts.fill(0);
    else for (let i = 0; i < this.#counts.length; i += 1) this.#counts[i] = (this.#counts[i] ?? 0) >>> halvings;
    this.#halvedAt += halvings * this.#halfLifeMs;
  }
}
