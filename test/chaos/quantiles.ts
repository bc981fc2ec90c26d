const GROWTH = Math.log(1.05);
const LEAST_MS = 0.001;
const BUCKETS = 500;

/** Quantiles of durations in fixed memory, 5 % off at most. */
export class Quantiles {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  add(ms: number): void {
    const bucket = Math.floor(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / GROWTH);
    this.#counts[Math.min(bucket, BUCKETS - 1)]! += 1;
    this.#total += 1;
  }

  /** 0 if there was nothing. */
  at(share: number): number {
    let left = this.#total * share;
    if (left === 0) return 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= this.#counts[bucket] ?? 0;
      if (left <= 0) return LEAST_MS * Math.exp((bucket + 1) * GROWTH);
    }
    return Number.POSITIVE_INFINITY;
  }
}
