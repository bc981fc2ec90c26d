/** What was counted most, with how far the count may be too high. */
export interface HeavyHitter {
  readonly key: string;
  readonly reads: number;
  /** `reads` is at most so much too high, and never too low. */
  readonly error: number;
}

interface Counted {
  key: string;
  reads: number;
  error: number;
}

/**
 * The keys counted most, in bounded memory: Space-Saving (Metwally, Agrawal and El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams, ICDT '05). A key that is not on the list takes the
 * place, and the count, of the one counted least; whatever has more than one in `capacity` of all counts is so always on it.
 *
 * A heap has the one counted least at its root.
 */
export class HeavyHitters {
  readonly #capacity: number;
  readonly #heap: Counted[] = [];
  /** Where in the heap a key is. */
  readonly #places = new Map<string, number>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(key: string, reads: number): void {
    const place = this.#places.get(key);
    const known = place === undefined ? undefined : this.#heap[place];
    if (known !== undefined && place !== undefined) {
      known.reads += reads;
      this.#sink(known, place);
    } else if (this.#heap.length < this.#capacity) this.#rise({ key, reads, error: 0 }, this.#heap.length);
    else this.#replaceLeast(key, reads);
  }

  copy(): HeavyHitters {
    const copy = new HeavyHitters(this.#capacity);
    for (const [place, one] of this.#heap.entries()) copy.#put({ ...one }, place);
    return copy;
  }

  /** Most counted first. */
  top(limit: number): readonly HeavyHitter[] {
    return this.#heap
      .map((one) => ({ ...one }))
      .toSorted((a, b) => b.reads - a.reads || (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  }

  #replaceLeast(key: string, reads: number): void {
    const least = this.#heap[0];
    if (least === undefined) return;
    this.#places.delete(least.key);
    this.#sink({ key, reads: least.reads + reads, error: least.reads }, 0);
  }

  #put(one: Counted, place: number): void {
    this.#heap[place] = one;
    this.#places.set(one.key, place);
  }

  /** Puts one at this place, or below, after those that are counted less. */
  #sink(one: Counted, from: number): void {
    let place = from;
    for (;;) {
      const left = 2 * place + 1;
      const [a, b] = [this.#heap[left], this.#heap[left + 1]];
      const least = b !== undefined && a !== undefined && b.reads < a.reads ? b : a;
      if (least === undefined || least.reads >= one.reads) break;
      const below = least === b ? left + 1 : left;
      this.#put(least, place);
      place = below;
    }
    this.#put(one, place);
  }

  /** Puts one at this place, or above, before those that are counted more. */
  #rise(one: Counted, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.reads <= one.reads) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(one, place);
  }
}
