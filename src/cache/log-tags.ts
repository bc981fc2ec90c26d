import type { LogEntry } from './change-log.ts';
import type { TagPoint, TagStamps } from './tags.ts';
import { TAG_BUCKETS, UNKNOWN_POINT } from './tags.ts';

/**
 * Tag stamps that are numbers of the log: for each bucket, the last entry that invalidated a tag of it. An entry of a cache carries the number up to which this process had followed the log
 * when its load began; it is good iff none of its buckets was stamped later.
 */
export class LogTags implements TagStamps {
  readonly #stamps = new Float64Array(TAG_BUCKETS);
  #point: TagPoint = UNKNOWN_POINT;
  /** What was loaded before this number does not count, whatever its tags. */
  #floor = 0;
  #changes = 0;

  get point(): TagPoint {
    return this.#point;
  }

  get changes(): number {
    return this.#changes;
  }

  get behind(): boolean {
    return this.#point.generation === '';
  }

  isGood(point: TagPoint, buckets: readonly number[]): boolean {
    if (point.generation !== this.#point.generation || point.generation === '' || point.stamp < this.#floor) return false;
    for (const bucket of buckets) {
      // A bucket that does not exist comes from damaged bytes.
      if ((this.#stamps[bucket] ?? Number.POSITIVE_INFINITY) > point.stamp) return false;
    }
    return true;
  }

  /** Begins at this number of a history of which nothing is known; entries of before it do not count. */
  restart(epoch: string, number: number): void {
    this.#changes += 1;
    this.#stamps.fill(0);
    this.#floor = number;
    this.#point = Object.freeze({ generation: epoch, stamp: number });
  }

  /** Begins at this number, with the stamps of before to come by `merge`. */
  begin(epoch: string, number: number): void {
    this.restart(epoch, number);
    this.#floor = 0;
  }

  /** Takes over the next entry of the log. */
  follow({ number, buckets, all }: LogEntry): void {
    if (all || buckets.length > 0) this.#changes += 1;
    if (all) this.#floor = number;
    for (const bucket of buckets) this.#stamps[bucket] = number;
    this.#point = Object.freeze({ generation: this.#point.generation, stamp: number });
  }

  /** Adds stamps of before this process followed the log. */
  merge(stamps: Iterable<readonly [bucket: number, number: number]>): void {
    this.#changes += 1;
    for (const [bucket, number] of stamps) {
      if (bucket in this.#stamps) this.#stamps[bucket] = Math.max(this.#stamps[bucket] ?? 0, number);
    }
  }
}
