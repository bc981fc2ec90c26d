/** Chance that a seed repeats (mulberry32): the choices of a run all come from here. */
export class SeededChance {
  #state: number;

  /** Parts of the seed, such as the run's own and the process's index. */
  constructor(...seed: readonly (number | string)[]) {
    let hash = 0x811c9dc5;
    for (const char of seed.join('/')) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
    this.#state = hash >>> 0;
  }

  /** From 0 up to, not including, 1. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new Error('there is nothing to pick from');
    return picked;
  }

  /** A key's index; a few keys get most of the reads. */
  popular(limit: number): number {
    return Math.floor(limit * this.next() ** 2);
  }
}
