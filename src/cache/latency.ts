/** Steps of one decade, in equal ratios: Renard's series R10. Ten a decade make a quantile exact to within a seventh. */
const STEPS = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8] as const;
/** 0.1 µs to 10 s in ms: a read of process memory takes less than a microsecond, and no read waits longer than ten seconds. */
const DECADES = [-4, -3, -2, -1, 0, 1, 2, 3] as const;

/** Upper bounds of the buckets of a latency, in ms; there is one bucket more, for what took longer. */
export const LATENCY_BOUNDS_MS: readonly number[] = Object.freeze([
  ...DECADES.flatMap((power) => STEPS.map((step) => Number(`${step}e${power}`))),
  10_000,
]);

/** A histogram as it was at one moment. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets, inclusive. */
  readonly bounds: readonly number[];
  /** What fell into each bucket, in order; one more than bounds, the last for what is above them all. */
  readonly counts: Float64Array;
  /** How many values there were. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
}

/** Counts values into fixed buckets: bounded, and no allocation for a value. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /** `bounds`: in ascending order. */
  constructor(bounds: readonly number[] = LATENCY_BOUNDS_MS) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a value; `weight`: it stands for so many like it. */
  record(value: number, weight = 1): void {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= (this.#bounds[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    this.#counts[low] = (this.#counts[low] ?? 0) + weight;
    this.#sum += value * weight;
  }

  snapshot(): HistogramSnapshot {
    const counts = this.#counts.slice();
    return { bounds: this.#bounds, counts, count: counts.reduce((sum, n) => sum + n, 0), sum: this.#sum };
  }
}

/**
 * Estimates a quantile of what a histogram counted, or of what it counted since an earlier snapshot of it; `null` when that is nothing. Within a bucket values are taken to lie evenly; what is above the last
 * bound counts as that bound. `q` is from 0 to 1.
 */
export function quantile(snapshot: HistogramSnapshot, q: number, since?: HistogramSnapshot): number | null {
  const { bounds } = snapshot;
  const counts = snapshot.counts.map((count, i) => Math.max(0, count - (since?.counts[i] ?? 0)));
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  const rank = q * total;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const from = bounds[i - 1] ?? 0;
      const to = bounds[i] ?? from;
      return from + (to - from) * Math.max(0, (rank - below) / count);
    }
    below += count;
  }
  return bounds.at(-1) ?? null;
}

/** Several histograms of the same bounds as one. @throws {RangeError} when their bounds differ, or there is none. */
export function sumOf(snapshots: readonly HistogramSnapshot[]): HistogramSnapshot {
  const [first] = snapshots;
  if (first === undefined || snapshots.some(({ counts }) => counts.length !== first.counts.length))
    throw new RangeError('histograms are added up only when they have the same bounds, and there is one at least');
  const counts = first.counts.map((_, i) => snapshots.reduce((sum, other) => sum + (other.counts[i] ?? 0), 0));
  return {
    bounds: first.bounds,
    counts,
    count: snapshots.reduce((sum, { count }) => sum + count, 0),
    sum: snapshots.reduce((sum, other) => sum + other.sum, 0),
  };
}
