/** Parts of each octave: the edges of two buckets lie at most an eighth apart. */
const PARTS = 8;
const PART_BITS = 3;
/** Distances of 2^40 and more fall into the last bucket. */
const OCTAVES = 40;
export const BUCKETS = (OCTAVES - PART_BITS + 1) * PARTS;

/** How often entries were read again after so many others, in estimated reads. All numbers only grow, so that the difference of two is that of a period. */
export interface ReuseCounts {
  /** By bucket of the distance: how many other entries were read since. */
  readonly buckets: Float64Array;
  /** Reads that no size of the tier would have answered: of an entry's first time, and of one that had expired or been invalidated. */
  readonly cold: number;
}

/** The bucket of a distance of at least 0: one for each whole number below 8, then 8 for each octave. */
export function bucketOf(distance: number): number {
  if (distance < PARTS) return Math.floor(distance);
  // Up to 2^31 without a logarithm, which may be off by one at a power of two.
  const octave = distance < 2 ** 31 ? 31 - Math.clz32(distance) : Math.floor(Math.log2(distance));
  const bucket = (octave - PART_BITS + 1) * PARTS + Math.floor(distance / 2 ** (octave - PART_BITS)) - PARTS;
  return Math.min(bucket, BUCKETS - 1);
}

/** The least distance of a bucket. */
export function edgeOf(bucket: number): number {
  if (bucket < PARTS) return bucket;
  const octave = Math.floor(bucket / PARTS) + PART_BITS - 1;
  return (PARTS + (bucket % PARTS)) * 2 ** (octave - PART_BITS);
}

export function emptyCounts(): ReuseCounts {
  return { buckets: new Float64Array(BUCKETS), cold: 0 };
}

export function differenceOf(after: ReuseCounts, before: ReuseCounts): ReuseCounts {
  return { buckets: after.buckets.map((count, i) => count - (before.buckets[i] ?? 0)), cold: after.cold - before.cold };
}

/** Share of the re-reads, the shortest ones, among which the hottest keys are. */
const SHORT_SHARE = 0.9;

/**
 * Share of reads that an LRU tier would have answered, by its size.
 *
 * How many reads there really were is known; the sampled ones stand for more or fewer, since the few hottest keys are in the sample or not. SHARDS-adj (FAST '15, section 3.4) puts the difference to the
 * shortest distance; here it is spread over the shortest nine tenths of the re-reads, in proportion, since hot keys are read again soon and not at once: over 16 samplings of each of two recorded traces, at
 * 0.5 to 100 % of the keys, the greatest error was 3.1 points instead of 4.4, and 0.8 instead of 1.9 from 2 % on.
 */
export class MissRatioCurve {
  readonly #buckets: Float64Array;
  readonly #reads: number;

  constructor({ buckets, cold }: ReuseCounts, reads: number) {
    this.#reads = reads;
    this.#buckets = buckets.slice();
    const again = buckets.reduce((sum, count) => sum + count, 0);
    let short = 0;
    let end = 0;
    while (end < buckets.length && short < again * SHORT_SHARE) short += buckets[end++] ?? 0;
    const factor = short === 0 ? 1 : Math.max(0, 1 + (reads - again - cold) / short);
    for (let i = 0; i < end; i += 1) this.#buckets[i] = (buckets[i] ?? 0) * factor;
  }

  /** From 0 to 1; `null` without reads. */
  hitRatioAt(size: number): number | null {
    if (this.#reads <= 0) return null;
    let hits = 0;
    for (let i = 0; i < this.#buckets.length; i += 1) {
      const count = this.#buckets[i] ?? 0;
      // A read at distance d is answered when there is room for d entries and its own.
      const [from, to] = [edgeOf(i), edgeOf(i + 1)];
      if (to <= size) hits += count;
      else if (from < size) hits += (count * (size - from)) / (to - from);
    }
    return Math.min(hits / this.#reads, 1);
  }
}
