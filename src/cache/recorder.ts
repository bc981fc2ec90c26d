import type { HistogramSnapshot } from './latency.ts';
import { Histogram } from './latency.ts';
import type { Lookup } from './lookup.ts';

/** Where a read was answered; `stale`: with an entry past its time, by either tier; `none`: nobody could say. */
export type AnsweredBy = 'local' | 'remote' | 'source' | 'stale' | 'none';

/** How long things took, in ms, and the TTLs that were chosen. */
export interface RecorderSnapshot {
  /** Whole reads, by where they were answered. A read that its caller gave up is in none. */
  readonly read: Readonly<Record<AnsweredBy, HistogramSnapshot>>;
  /** Reads of the remote tier, those included that found nothing or ran out of time; not those that were not sent. */
  readonly remote: HistogramSnapshot;
  /** Calls of the source, each for one key or more, without their wait for a turn. */
  readonly load: HistogramSnapshot;
  /** TTLs of loaded values in ms, jitter included. */
  readonly ttl: HistogramSnapshot;
}

/** What the engine tells of how long things took. Called in the course of every read: it has to be quick. One for each cache. */
export interface Recorder {
  /** One in so many reads that process memory answers is timed; 0: none. */
  readonly localEvery: number;
  /** Process memory answered `reads` reads since it was told last; the newest took so long. */
  localReads(ms: number, reads: number): void;
  /** A read was answered after it had to wait. */
  read(by: AnsweredBy, ms: number): void;
  remote(ms: number): void;
  load(ms: number): void;
  ttl(ms: number): void;
  snapshot(): RecorderSnapshot;
}

const SECOND_MS = 1000;
/** Upper bounds for TTLs: a second to a day, and a year, which none exceeds. */
export const TTL_BOUNDS_MS: readonly number[] = Object.freeze(
  [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 365 * 86_400].map((s) => s * SECOND_MS),
);

/**
 * Counts into histograms of plain numbers. A read that process memory answers takes a fifth of a microsecond, and each look at the clock is a third of that: the first is timed and then one in 256, which stands
 * for all since the one before. So the count of local reads lags by up to 255; the exact one is among the cache's counts. What it costs, measured: docs/metrics.md.
 */
export class HistogramRecorder implements Recorder {
  readonly localEvery = 256;
  readonly #read = {
    local: new Histogram(),
    remote: new Histogram(),
    source: new Histogram(),
    stale: new Histogram(),
    none: new Histogram(),
  };
  readonly #remote = new Histogram();
  readonly #load = new Histogram();
  readonly #ttl = new Histogram(TTL_BOUNDS_MS);

  localReads(ms: number, reads: number): void {
    this.#read.local.record(ms, reads);
  }

  read(by: AnsweredBy, ms: number): void {
    this.#read[by].record(ms);
  }

  remote(ms: number): void {
    this.#remote.record(ms);
  }

  load(ms: number): void {
    this.#load.record(ms);
  }

  ttl(ms: number): void {
    this.#ttl.record(ms);
  }

  snapshot(): RecorderSnapshot {
    const { local, remote, source, stale, none } = this.#read;
    return {
      read: {
        local: local.snapshot(),
        remote: remote.snapshot(),
        source: source.snapshot(),
        stale: stale.snapshot(),
        none: none.snapshot(),
      },
      remote: this.#remote.snapshot(),
      load: this.#load.snapshot(),
      ttl: this.#ttl.snapshot(),
    };
  }
}

const nothing = new HistogramRecorder().snapshot();

/** Records nothing. */
export const noRecorder: Recorder = Object.freeze({
  localEvery: 0,
  localReads: () => {},
  read: () => {},
  remote: () => {},
  load: () => {},
  ttl: () => {},
  snapshot: () => nothing,
});

export function answeredBy<V>(lookup: Lookup<V>): AnsweredBy {
  switch (lookup.outcome) {
    case 'hit':
    case 'absent':
      return lookup.tier;
    case 'loaded':
      return 'source';
    case 'stale':
      return 'stale';
    case 'unavailable':
      return 'none';
    default:
      return lookup satisfies never;
  }
}
