import type { PopularKey } from './popular.ts';

export interface PopularCall {
  /** Called off when nobody waits any more. */
  readonly signal?: AbortSignal;
}

/** A key that instances read often, of one of their caches. */
export interface WarmKey {
  readonly cache: string;
  readonly key: string;
}

/** A popular key with its place in the order: of the same heat, the name decides. */
export interface RankedKey extends WarmKey {
  readonly heat: number;
}

/**
 * What all instances together read most, kept where it outlives Redis. Counts fade by half in each half-life; those of different times and instances add up.
 *
 * Every method rejects when the store does not answer. None is needed for a read to be right.
 */
export interface PopularStore {
  /** Adds reads of this moment; each key at most once in a call, a thousand at most. Gives how many of the keys it did not know before. */
  add(cache: string, keys: readonly PopularKey[], call?: PopularCall): Promise<number>;
  /** The most popular keys of these caches, the most popular one first; those that come after `after` in this order, or from the beginning. */
  top(caches: readonly string[], most: number, after: RankedKey | null, call?: PopularCall): Promise<RankedKey[]>;
  /** Keys of these caches that are known. */
  size(caches: readonly string[], call?: PopularCall): Promise<number>;
  /** Removes the least popular rows beyond `most`, a bounded number in one call: `removed` is 0 when there are none, or somebody else is at it. */
  trim(most: number, call?: PopularCall): Promise<{ readonly kept: number; readonly removed: number }>;
}

/** A store whose keys can be kept elsewhere and put back. */
export interface PopularArchive {
  /** Adds what a store once said of keys, each at most once in a call: of two heats of a key the higher one counts, so that what is added twice counts once. Gives how many of the keys it did not know before. */
  merge(keys: readonly RankedKey[], call?: PopularCall): Promise<number>;
}
