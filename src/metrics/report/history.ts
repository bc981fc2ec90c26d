import type { Clock, Timer } from '../../core/clock.ts';
import type { ReportSnapshot, ReportSources } from './snapshot.ts';
import { takeSnapshot } from './snapshot.ts';

const MINUTE_MS = 60_000;

/** The limits of what is kept, in one place. */
export const HISTORY = Object.freeze({
  everyMs: MINUTE_MS,
  /** Snapshots of the last two hours are all kept; they take about 15 kB each. */
  fineMs: 120 * MINUTE_MS,
  /** Older ones are kept so far apart: 210 in all, about 3 MB. */
  coarseMs: 15 * MINUTE_MS,
  /** The longest period that can be asked for. */
  longestMs: 24 * 60 * MINUTE_MS,
});

/** Keeps snapshots, one a minute for two hours and one a quarter of an hour for a day, so that reports can be of a period. */
export class ReportHistory {
  readonly #sources: ReportSources;
  readonly #clock: Clock;
  readonly #onSnapshot: (snapshot: ReportSnapshot) => void;
  #kept: readonly ReportSnapshot[];
  #timer: Timer | null = null;
  #closed = false;

  /** `onSnapshot`: told of each that is kept. */
  constructor(sources: ReportSources, clock: Clock, onSnapshot: (snapshot: ReportSnapshot) => void = () => {}) {
    this.#sources = sources;
    this.#clock = clock;
    this.#onSnapshot = onSnapshot;
    this.#kept = [this.take()];
    this.#schedule();
  }

  get size(): number {
    return this.#kept.length;
  }

  /** How things stand now. */
  take(): ReportSnapshot {
    return takeSnapshot(this.#sources, this.#clock.wallNow(), this.#clock.now());
  }

  /** The newest snapshot that is at least so old; `null`, for all since the start, where there is none or `periodMs` is `null`. */
  before(periodMs: number | null): ReportSnapshot | null {
    if (periodMs === null) return null;
    const since = this.#clock.now() - periodMs;
    return this.#kept.findLast(({ now }) => now <= since) ?? null;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#clock.schedule(HISTORY.everyMs, () => {
      if (this.#closed) return;
      this.#keep();
      this.#schedule();
    });
  }

  #keep(): void {
    const snapshot = this.take();
    this.#kept = thinned([...this.#kept, snapshot], snapshot.now);
    this.#onSnapshot(snapshot);
  }
}

/** Those that are worth keeping at this moment. The last one before the longest period stays, since a period begins at a snapshot. */
export function thinned(snapshots: readonly ReportSnapshot[], now: number): readonly ReportSnapshot[] {
  const oldest = snapshots.findLastIndex((one) => now - one.now >= HISTORY.longestMs);
  let keptAt = Number.NEGATIVE_INFINITY;
  return snapshots.slice(Math.max(oldest, 0)).filter((one) => {
    if (now - one.now > HISTORY.fineMs && one.now - keptAt < HISTORY.coarseMs) return false;
    keptAt = one.now;
    return true;
  });
}
