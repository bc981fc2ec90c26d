import type { HistogramSnapshot } from '../../cache/latency.ts';
import { Histogram, LATENCY_BOUNDS_MS } from '../../cache/latency.ts';
import type { AnsweredBy } from '../../cache/recorder.ts';

export const ANSWERED_BY = ['local', 'remote', 'source', 'stale', 'none'] as const satisfies readonly AnsweredBy[];
export type ByTier = Readonly<Record<AnsweredBy, number>>;

/** What one call gave, of one record or of many. */
export interface ReadAnswer {
  /** Records by who answered; `none`: nobody could say. */
  readonly by: Partial<ByTier>;
  /** The slowest of them. */
  readonly slowest: AnsweredBy;
  /** In the order asked: the version, `0` for a record that is not there, `null` where nobody could say. */
  readonly versions: readonly (number | null)[];
  /** Why nobody could say. */
  readonly code: string | null;
  /** When it was answered, monotonic ms. */
  readonly at: number;
}

/** A read that waits longer than 10 s is one of an open loop behind a stall: up to an hour, in steps of a quarter. */
const BEYOND = Array.from({ length: 27 }, (_, i) => Math.round(10_000 * 1.25 ** (i + 1)));
const BOUNDS: readonly number[] = Object.freeze([...LATENCY_BOUNDS_MS, ...BEYOND]);
/** Different error codes that are counted apart. */
const MAX_CODES = 32;

export interface LatencySnapshot {
  readonly histogram: HistogramSnapshot;
  readonly maxMs: number;
}

class Latency {
  readonly #histogram = new Histogram(BOUNDS);
  #maxMs = 0;

  record(ms: number, weight = 1): void {
    this.#histogram.record(ms, weight);
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  snapshot(): LatencySnapshot {
    return { histogram: this.#histogram.snapshot(), maxMs: this.#maxMs };
  }
}

/** What a run counts. Bounded, whatever the run. */
export class Tally {
  readonly #reads = new Latency();
  readonly #writes = new Latency();
  readonly #tiers = Object.fromEntries(ANSWERED_BY.map((by) => [by, new Latency()])) as Record<AnsweredBy, Latency>;
  readonly by: Record<AnsweredBy, number> = { local: 0, remote: 0, source: 0, stale: 0, none: 0 };
  readonly errors: Record<string, number> = {};
  /** Calls that read, and those that wrote; failed ones included. */
  calls = 0;
  writes = 0;
  failedWrites = 0;
  /** Records that were not there. */
  absent = 0;
  /** Of an open loop: calls that were due and that no worker was free for until the end. */
  unstarted = 0;

  read(answer: ReadAnswer, ms: number): void {
    this.calls += 1;
    this.#reads.record(ms);
    this.#tiers[answer.slowest].record(ms);
    for (const by of ANSWERED_BY) this.by[by] += answer.by[by] ?? 0;
    for (const version of answer.versions) if (version === 0) this.absent += 1;
    if (answer.code !== null) this.#error(answer.code);
  }

  wrote(ms: number, code: string | null): void {
    this.writes += 1;
    this.#writes.record(ms);
    if (code === null) return;
    this.failedWrites += 1;
    this.#error(code);
  }

  /** Reads that waited at least so long and were not begun. */
  neverBegun(ms: number, reads: number): void {
    this.unstarted += reads;
    this.#reads.record(ms, reads);
  }

  get records(): number {
    return ANSWERED_BY.reduce((sum, by) => sum + this.by[by], 0);
  }

  latencies(): {
    readonly reads: LatencySnapshot;
    readonly writes: LatencySnapshot;
    readonly tiers: Readonly<Record<AnsweredBy, LatencySnapshot>>;
  } {
    const tiers = Object.fromEntries(ANSWERED_BY.map((by) => [by, this.#tiers[by].snapshot()])) as Record<AnsweredBy, LatencySnapshot>;
    return { reads: this.#reads.snapshot(), writes: this.#writes.snapshot(), tiers };
  }

  #error(code: string): void {
    const name = code in this.errors || Object.keys(this.errors).length < MAX_CODES ? code : 'OTHERS';
    this.errors[name] = (this.errors[name] ?? 0) + 1;
  }
}
