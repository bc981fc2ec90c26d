/** One period's reads of one key. */
export interface PopularKey {
  readonly key: string;
  readonly reads: number;
}

/**
 * The keys read most in the current period, counted exactly in a bounded map.
 *
 * A period ends after `periodMs` or `maxReads` reads, whichever is first; counts of two and more are then handed over (one-off reads are noise that
 * would fill the table they go to) and counting begins again. Keys beyond `maxKeys` in a period are not counted; `dropped` says how many reads that were.
 */
export class PopularKeys {
  readonly #periodMs: number;
  readonly #maxReads: number;
  readonly #maxKeys: number;
  readonly #handOver: (keys: PopularKey[]) => void;
  #counts = new Map<string, number>();
  #reads = 0;
  #startedAt: number;
  /** Reads not counted because the period's map was full. */
  dropped = 0;

  constructor(options: { periodMs: number; maxReads: number; maxKeys: number; now: number; handOver: (keys: PopularKey[]) => void }) {
    this.#periodMs = options.periodMs;
    this.#maxReads = options.maxReads;
    this.#maxKeys = options.maxKeys;
    this.#handOver = options.handOver;
    this.#startedAt = options.now;
  }

  add(key: string, now: number): void {
    const count = this.#counts.get(key);
    if (count !== undefined) this.#counts.set(key, count + 1);
    else if (this.#counts.size < this.#maxKeys) this.#counts.set(key, 1);
    else this.dropped += 1;
    this.#reads += 1;
    if (this.#reads >= this.#maxReads || now - this.#startedAt >= this.#periodMs) this.endPeriod(now);
  }

  /** What was counted of this period so far: the keys read at least twice. */
  counted(): PopularKey[] {
    return [...this.#counts].flatMap(([key, reads]) => (reads >= 2 ? [{ key, reads }] : []));
  }

  /** Hands over the counts of this period and begins the next. */
  endPeriod(now: number): void {
    const counts = this.#counts;
    this.#counts = new Map();
    this.#reads = 0;
    this.#startedAt = now;
    const popular: PopularKey[] = [];
    for (const [key, reads] of counts) if (reads >= 2) popular.push({ key, reads });
    if (popular.length > 0) this.#handOver(popular);
  }
}
