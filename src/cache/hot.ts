import type { HeavyHitter } from './heavy-hitters.ts';
import { HeavyHitters } from './heavy-hitters.ts';
import type { PopularKey } from './popular.ts';

/** The limits of counting what is hot, in one place. */
const HOT = Object.freeze({
  /** Keys, and tags, on the list: what has more than a 500th of all counts is on it. */
  capacity: 500,
  /** Keys of a period that are counted each, the most read ones. */
  top: 100,
  /** Keys drawn from the rest of the period to stand for it, for tags. */
  drawn: 100,
  /** Tags of one key that are counted. */
  tagsOfKey: 16,
  /** A period that ends sooner after one that was counted is not; the next one stands for it. Counting takes 0.2 to 1 ms. */
  everyMs: 1000,
});

/** What is read most here since the start. */
export interface Hot {
  readonly keys: readonly HeavyHitter[];
  /** Reads of the keys that carry a tag. An estimate: one in hundreds of the keys that are read seldom stand for the rest. */
  readonly tags: readonly HeavyHitter[];
}

export interface HotOptions {
  /** Tags of a key that is in process memory. */
  readonly tagsOf: (key: string) => readonly string[];
  /** A number in [0, 1). */
  readonly random: () => number;
}

/**
 * The hottest keys and tags, from the counts of the periods that are kept for popularity anyway (`popular.ts`), so that a read costs nothing more: the most read keys of a period each, and for tags some of the rest,
 * drawn at random, with the weight of all of it. Keys read once in a period are not counted.
 */
export class HotCounts {
  readonly #o: HotOptions;
  readonly #keys = new HeavyHitters(HOT.capacity);
  readonly #tags = new HeavyHitters(HOT.capacity);
  #countedAt = Number.NEGATIVE_INFINITY;
  #skipped = 0;

  constructor(options: HotOptions) {
    this.#o = options;
  }

  /** `sorted`: the most read keys of a period that ended, most read first; `all`: all of its keys. */
  note(sorted: readonly PopularKey[], all: readonly PopularKey[], now: number): void {
    if (now - this.#countedAt < HOT.everyMs) {
      this.#skipped += 1;
      return;
    }
    const weight = 1 + this.#skipped;
    this.#countedAt = now;
    this.#skipped = 0;
    this.#count(sorted, sumOf(all), weight, this.#keys, this.#tags);
  }

  /** Most read first. `current`: what was counted of the period that has not ended. */
  top(limit: number, current: readonly PopularKey[] = []): Hot {
    const [keys, tags] = [this.#keys.copy(), this.#tags.copy()];
    this.#count(
      current.toSorted((a, b) => b.reads - a.reads),
      sumOf(current),
      1,
      keys,
      tags,
    );
    return { keys: whole(keys.top(limit)), tags: whole(tags.top(limit)) };
  }

  #count(sorted: readonly PopularKey[], reads: number, weight: number, keys: HeavyHitters, tags: HeavyHitters): void {
    const top = sorted.slice(0, HOT.top);
    for (const one of top) {
      keys.add(one.key, one.reads * weight);
      this.#addTags(tags, one.key, one.reads * weight);
    }
    const drawn = this.#draw(sorted.slice(HOT.top));
    const each = (weight * (reads - sumOf(top))) / Math.max(sumOf(drawn), 1);
    for (const one of drawn) this.#addTags(tags, one.key, one.reads * each);
  }

  #draw(rest: readonly PopularKey[]): readonly PopularKey[] {
    if (rest.length <= HOT.drawn) return rest;
    return Array.from({ length: HOT.drawn }, () => rest[Math.floor(this.#o.random() * rest.length)] as PopularKey);
  }

  #addTags(tags: HeavyHitters, key: string, reads: number): void {
    for (const tag of this.#o.tagsOf(key).slice(0, HOT.tagsOfKey)) tags.add(tag, reads);
  }
}

const sumOf = (keys: readonly PopularKey[]): number => keys.reduce((sum, { reads }) => sum + reads, 0);

const whole = (list: readonly HeavyHitter[]): HeavyHitter[] =>
  list.map(({ key, reads, error }) => ({ key, reads: Math.round(reads), error: Math.round(error) }));
