import { hashKey } from './hash.ts';

/** How many stamps there are. Tags share them by hash: an invalidation also costs the reload of the one tag in 4,096 that shares its stamp, and the table never grows. */
export const TAG_BUCKETS = 4096;

/** The bucket of a tag. */
function tagBucket(tag: string): number {
  return hashKey(tag) & (TAG_BUCKETS - 1);
}

/** Buckets of a record's tags, each once. */
export function tagBuckets(tags: readonly string[]): readonly number[] {
  return tags.length === 0 ? NO_BUCKETS : [...new Set(tags.map(tagBucket))];
}

const NO_BUCKETS: readonly number[] = Object.freeze([]);

/**
 * A point in the history of tag invalidations. Points of different generations cannot be compared: the table between them was lost, or everything was invalidated.
 */
export interface TagPoint {
  /** Drawn at random when the table was made; empty while this process knows no table. */
  readonly generation: string;
  /** Stamp of the newest invalidation: grows, in microseconds of the Redis server's clock. */
  readonly stamp: number;
}

export const UNKNOWN_POINT: TagPoint = Object.freeze({ generation: '', stamp: 0 });

/** One tag invalidation as it is told to others. */
export interface TagChange {
  readonly generation: string;
  /** The newest stamp before this change: whoever has another one has missed a change. */
  readonly previous: number;
  readonly stamp: number;
  readonly buckets: readonly number[];
}

/** What the engine asks of tag stamps, however they are kept level. */
export interface TagStamps {
  /** The newest point that is known here: what is loaded from now on is at least as new. */
  readonly point: TagPoint;
  /** Grows with every change: equal before and after means that no tag was invalidated in between, as far as is known here. */
  readonly changes: number;
  /** Whether changes are known to be missing here: then nothing is good. */
  readonly behind: boolean;
  /** Whether an entry loaded at `point`, with these buckets, is still good. Fails closed. */
  isGood(point: TagPoint, buckets: readonly number[]): boolean;
}

/**
 * This process's copy of the tag stamps: for each bucket, when a tag of it was last invalidated.
 *
 * An entry carries the point at which its load began. It is good iff the generation is the same and none of its buckets was stamped later. So invalidating a tag is one
 * write whatever the number of entries, there are no sets of keys to keep or to prune, and what is not known counts as invalidated.
 */
export class TagTable implements TagStamps {
  readonly #stamps = new Float64Array(TAG_BUCKETS);
  #point: TagPoint = UNKNOWN_POINT;
  #behind = false;
  #changes = 0;
  #missed = 0;

  /** The newest point that this copy has. */
  get point(): TagPoint {
    return this.#point;
  }

  /** Grows with every change of this copy: equal before and after means that no tag was invalidated in between, as far as is known here. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether this copy is known to have missed a change; nothing that it says counts until it was replaced. */
  get behind(): boolean {
    return this.#behind;
  }

  /** How many changes this copy is known to have missed, ever: to be noted before the whole table is asked for. */
  get missed(): number {
    return this.#missed;
  }

  /** Whether an entry loaded at `point`, with these buckets, is still good. Fails closed. */
  isGood(point: TagPoint, buckets: readonly number[]): boolean {
    if (this.#behind || point.generation !== this.#point.generation) return false;
    if (point.stamp >= this.#point.stamp) return true;
    for (const bucket of buckets) {
      // A bucket that does not exist comes from damaged bytes.
      if ((this.#stamps[bucket] ?? Number.POSITIVE_INFINITY) > point.stamp) return false;
    }
    return true;
  }

  /** Takes over one change, if it is the next one; a gap makes this copy `behind`. A change that is already known is nothing new. */
  apply(change: TagChange): void {
    if (change.generation === this.#point.generation && change.stamp <= this.#point.stamp) return;
    if (change.generation !== this.#point.generation || change.previous !== this.#point.stamp) {
      this.miss();
      return;
    }
    this.#changes += 1;
    for (const bucket of change.buckets) this.#stamps[bucket] = change.stamp;
    this.#point = { generation: change.generation, stamp: change.stamp };
  }

  /** Notes that the table changed in a way not known here. */
  miss(): void {
    this.#changes += 1;
    this.#missed += 1;
    this.#behind = true;
  }

  /**
   * Takes over the whole table, as read from where it is kept. `missed`: what this copy's `missed` was when the reading was sent; a change missed since then may not be in it, so this copy stays behind.
   */
  replace(point: TagPoint, stamps: Iterable<readonly [bucket: number, stamp: number]>, missed: number = this.#missed): void {
    const isSame = point.generation === this.#point.generation;
    // A reply that is older than what a message has brought since is no news; nor does it bring a copy level that is behind, for it would take that message back.
    if (isSame && (point.stamp < this.#point.stamp || (point.stamp === this.#point.stamp && !this.#behind))) return;
    this.#stamps.fill(0);
    for (const [bucket, stamp] of stamps) this.#stamps[bucket] = stamp;
    this.#point = point;
    this.#behind = missed !== this.#missed;
    this.#changes += 1;
  }
}
