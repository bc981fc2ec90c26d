import type { Clock } from '../core/clock.ts';
import type { Database } from '../postgres/database.ts';

/** Two clocks at one moment, in ms. */
export interface ClockPair {
  /** In the middle between question and answer. */
  readonly here: number;
  readonly there: number;
  /** How long question and answer took: how wrong the middle may be. */
  readonly tookMs: number;
}

export interface ClockRate {
  /** How much faster the clock here runs than the one there; 0.01 is a hundredth. */
  readonly fasterBy: number;
  /** How much of it may be due to the way of question and answer. */
  readonly uncertainty: number;
  readonly overMs: number;
}

const EVERY_MS = 150;
const MAX_SAMPLES = 400;
const NOW = 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as at';

/** Reads the clock of this process and that of the database side by side, from now until it is stopped. */
export class RateSampler {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  readonly #pairs: ClockPair[] = [];
  readonly #running: Promise<void>;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#running = this.#run();
  }

  get pairs(): readonly ClockPair[] {
    return this.#pairs;
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted && this.#pairs.length < MAX_SAMPLES) {
      try {
        const asked = this.#clock.now();
        const [row] = await this.#database.query<{ at: number }>(NOW, [], { signal });
        const answered = this.#clock.now();
        if (row !== undefined) this.#pairs.push({ here: (asked + answered) / 2, there: row.at, tookMs: answered - asked });
      } catch {
        // Whether the database answers is for others to say.
      }
      await new Promise<void>((resolve) => {
        const timer = this.#clock.schedule(EVERY_MS, resolve);
        signal.addEventListener(
          'abort',
          () => {
            timer.cancel();
            resolve();
          },
          { once: true },
        );
      });
    }
  }
}

/**
 * The rate of one clock against another's: the median of the slopes between pairs that are far apart (Theil and Sen), of the pairs that were read quickest. A clock that is set in between spoils some slopes, and not
 * their median. `null`: too few, or too close together.
 */
export function rateOf(pairs: readonly ClockPair[], leastMs: number): ClockRate | null {
  const quick = pairs.toSorted((a, b) => a.tookMs - b.tookMs).slice(0, Math.max(4, Math.ceil(pairs.length / 2)));
  const inOrder = quick.toSorted((a, b) => a.here - b.here);
  const [first, last] = [inOrder[0], inOrder.at(-1)];
  if (first === undefined || last === undefined) return null;
  const overMs = last.there - first.there;
  if (inOrder.length < 4 || !(overMs >= leastMs)) return null;
  const slopes: number[] = [];
  for (const [i, a] of inOrder.entries())
    for (const b of inOrder.slice(i + 1)) if (b.there - a.there >= overMs / 2) slopes.push((b.here - a.here) / (b.there - a.there));
  const median = slopes.toSorted((a, b) => a - b)[Math.floor(slopes.length / 2)];
  if (median === undefined) return null;
  const slowest = Math.max(...inOrder.map(({ tookMs }) => tookMs));
  return { fasterBy: median - 1, uncertainty: (2 * slowest) / overMs, overMs };
}
