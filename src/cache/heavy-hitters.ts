/** What was counted most, with how far the count may be too high. */
export interface HeavyHitter {
  readonly key: string;
  readonly reads: number;
  /** `reads` is at most so much too high, and never too low. */
  readonly error: number;
}

/**
 * The keys counted most, in bounded memory: Space-Saving (Metwally, Agrawal and El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams, ICDT '05). A key that is not on the list takes the
 * place, and the count, of the one counted least; whatever has more than one in `capacity` of all counts is so always on it.
 *
 * The one counted least is found by a walk over the list, which is why it is for hundreds of keys a second, not for every read.
 */
export class HeavyHitters {
  readonly #capacity: number;
  readonly #counts = new Map<string, { reads: number; error: number }>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(key: string, reads: number): void {
    const known = this.#counts.get(key);
    if (known !== undefined) {
      known.reads += reads;
      return;
    }
    const floor = this.#counts.size < this.#capacity ? 0 : this.#makeRoom();
    this.#counts.set(key, { reads: floor + reads, error: floor });
  }

  copy(): HeavyHitters {
    const copy = new HeavyHitters(this.#capacity);
    for (const [key, count] of this.#counts) copy.#counts.set(key, { ...count });
    return copy;
  }

  /** Most counted first. */
  top(limit: number): readonly HeavyHitter[] {
    return [...this.#counts]
      .map(([key, { reads, error }]) => ({ key, reads, error }))
      .toSorted((a, b) => b.reads - a.reads || (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  }

  #makeRoom(): number {
    let least: string | undefined;
    let reads = Number.POSITIVE_INFINITY;
    for (const [key, count] of this.#counts) if (count.reads < reads) [least, reads] = [key, count.reads];
    if (least === undefined) return 0;
    this.#counts.delete(least);
    return reads;
  }
}
