import type { ReuseCounts } from './reuse-histogram.ts';
import { BUCKETS, bucketOf } from './reuse-histogram.ts';

/** All hashes lie below. */
const HASHES = 2 ** 32;
/** Share of the keys that stays when there are too many: few are lost at a time, and looking through all of them costs 50 ns for each that came in. */
const KEEP = 7 / 8;
/** No fewer than one in so many keys is sampled, however many reads there are: one hot key among them must not starve the rest. */
const LEAST_SHARE = 1 / 1024;
const WINDOW_MS = 1000;

export interface ReuseSamplerOptions {
  /** Keys remembered at most; 50 bytes each, taken at once. @defaultValue 8,192: within a point of the truth on the recorded traces */
  readonly maxKeys?: number;
  /** Tiers of up to so many entries are of interest: what lies deeper is forgotten. @defaultValue 16,777,216 */
  readonly maxDepth?: number;
  /** Sampled reads a second at most; with more, fewer keys are sampled. @defaultValue 10,000: 0.2 % of one core */
  readonly maxPerSecond?: number;
}

/**
 * How far apart reads of the same entry lie, by which it is known how many a tier of any size would have answered: SHARDS of fixed size (Waldspurger, Park, Garthwaite and Ahmad: Efficient MRC
 * Construction with SHARDS, FAST '15). A key is sampled if its hash is below `threshold`, so all reads of a key are, or none; distances among the sampled keys, divided by the sampled share, are
 * those among all. The share begins at 1 and falls when there are more keys or more reads than allowed; it does not rise again.
 *
 * A read that is not sampled costs its caller one comparison: `hash < threshold`. Sampled ones cost 105 to 130 ns. Together a read that process memory answers
 * takes 0.1 to 1.6 % longer, the middle of 101 pairs in each of three runs of `bench/miss-ratio/main.ts` (2,000 and 20,000 keys, 200 to 440 ns a read, two busy cores), where 0.6 to 0.8 % of the keys were sampled in the end.
 *
 * What expiry and invalidation do: a read of an entry that has expired, that was invalidated by its key, or that the tier had and could not serve, is one that no size would have answered. An invalidated
 * entry leaves the order at once; an expired one when it is read. What is not seen: that an entry which the real tier evicted was invalidated by a tag meanwhile; for larger tiers the curve is
 * better than the truth by so much.
 *
 * The order of last reads is kept as numbered slots; a Fenwick tree counts the slots in use behind one. When the slots are used up the keys are numbered anew. A table with open addresses finds the slot of a hash;
 * what is forgotten stays in it, pointing to a slot that is not in use, until then.
 */
export class ReuseSampler {
  /** Hashes (32 bits) below this are sampled. */
  threshold = HASHES;
  readonly #maxKeys: number;
  readonly #maxPerSecond: number;
  #maxDepth: number;
  /** Reads that one sampled read stands for. */
  #weight = 1;
  readonly #table: Int32Array;
  #size = 0;
  readonly #hashes: Uint32Array;
  readonly #used: Uint8Array;
  readonly #expiresAt: Float64Array;
  readonly #tree: Int32Array;
  #next = 0;
  /** No slot before this is in use. */
  #oldest = 0;
  #windowFrom = Number.NEGATIVE_INFINITY;
  #windowReads = 0;
  readonly #buckets = new Float64Array(BUCKETS);
  #cold = 0;

  constructor({ maxKeys = 8192, maxDepth = 2 ** 24, maxPerSecond = 10_000 }: ReuseSamplerOptions = {}) {
    this.#maxKeys = maxKeys;
    this.#maxDepth = maxDepth;
    this.#maxPerSecond = maxPerSecond;
    const slots = maxKeys * 2 + 1;
    this.#hashes = new Uint32Array(slots);
    this.#used = new Uint8Array(slots);
    this.#expiresAt = new Float64Array(slots);
    this.#tree = new Int32Array(slots + 1);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(slots * 2)));
  }

  /** Keys remembered. */
  get size(): number {
    return this.#size;
  }

  /** Share of all keys that is sampled. */
  get share(): number {
    return this.threshold / HASHES;
  }

  /** Entries of the largest tier that is of interest from now on. */
  setDepth(entries: number): void {
    this.#maxDepth = Math.max(entries, 1);
  }

  counts(): ReuseCounts {
    return { buckets: this.#buckets.slice(), cold: this.#cold };
  }

  /**
   * Notes a read of the key with this hash, which is below `threshold`; `served`: whether the tier answered it. One that it answered is not cold, though the key may be unknown here: it was warmed, or filled by
   * another process. It is then not counted at all, and so taken for one of the short distances.
   */
  read(hash: number, now: number, served: boolean): void {
    const last = this.#next - 1;
    const place = this.#placeOf(hash);
    const slot = (this.#table[place] ?? 0) - 1;
    if (this.#used[slot] !== 1) {
      if (!served) this.#cold += this.#weight;
      this.#add(hash, Number.POSITIVE_INFINITY);
    } else {
      const expiresAt = this.#expiresAt[slot] ?? 0;
      if (!served && now >= expiresAt) this.#cold += this.#weight;
      else this.#count(bucketOf((this.#size - this.#before(slot + 1)) * this.#weight));
      if (slot === last) return;
      this.#take(slot);
      this.#append(hash, expiresAt, place);
    }
    this.#keepToRate(now);
  }

  /** Notes until when the tier will serve the entry that it was given for this hash. */
  put(hash: number, expiresAt: number): void {
    const slot = (this.#table[this.#placeOf(hash)] ?? 0) - 1;
    if (this.#used[slot] === 1) this.#expiresAt[slot] = expiresAt;
  }

  /** The entry of this hash is gone from a tier of any size. */
  forget(hash: number): void {
    const slot = (this.#table[this.#placeOf(hash)] ?? 0) - 1;
    if (this.#used[slot] === 1) this.#take(slot);
  }

  /** All entries are gone. */
  clear(): void {
    this.#size = 0;
    this.#table.fill(0);
    this.#used.fill(0);
    this.#tree.fill(0);
    this.#next = 0;
    this.#oldest = 0;
  }

  #count(bucket: number): void {
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + this.#weight;
  }

  #add(hash: number, expiresAt: number): void {
    const deepest = this.#maxDepth * this.share;
    if (this.#size >= Math.min(deepest, this.#maxKeys)) {
      if (deepest <= this.#maxKeys) this.#dropOldest();
      else this.#lower(KEEP);
      if (hash >= this.threshold) return;
    }
    this.#append(hash, expiresAt, this.#placeOf(hash));
  }

  /** `place`: of the hash in the table. */
  #append(hash: number, expiresAt: number, place: number): void {
    if (this.#next === this.#used.length) {
      this.#renumber();
      this.#append(hash, expiresAt, this.#placeOf(hash));
      return;
    }
    const slot = this.#next;
    this.#next += 1;
    this.#hashes[slot] = hash;
    this.#used[slot] = 1;
    this.#expiresAt[slot] = expiresAt;
    this.#table[place] = slot + 1;
    this.#size += 1;
    this.#change(slot, 1);
  }

  /** Takes a slot out of use. */
  #take(slot: number): void {
    this.#used[slot] = 0;
    this.#size -= 1;
    this.#change(slot, -1);
  }

  #dropOldest(): void {
    while (this.#oldest < this.#next && this.#used[this.#oldest] !== 1) this.#oldest += 1;
    this.forget(this.#hashes[this.#oldest] ?? 0);
  }

  #keepToRate(now: number): void {
    if (now - this.#windowFrom >= WINDOW_MS) {
      this.#windowFrom = now;
      this.#windowReads = 0;
    }
    this.#windowReads += 1;
    if (this.#windowReads <= this.#maxPerSecond) return;
    this.#windowReads = 0;
    this.#windowFrom = now;
    if (this.share > LEAST_SHARE) this.#lower(1 / 2);
  }

  /** Samples only such a share of what was sampled before. */
  #lower(share: number): void {
    this.threshold = Math.max(1, Math.floor(this.threshold * share));
    this.#weight = HASHES / this.threshold;
    this.#renumber();
  }

  /** Numbers the keys anew from 0, in order, without those that are not sampled any more. */
  #renumber(): void {
    let next = 0;
    this.#table.fill(0);
    for (let slot = 0; slot < this.#next; slot += 1) {
      if (this.#used[slot] !== 1) continue;
      const hash = this.#hashes[slot] ?? 0;
      this.#used[slot] = 0;
      if (hash >= this.threshold) continue;
      this.#hashes[next] = hash;
      this.#expiresAt[next] = this.#expiresAt[slot] ?? 0;
      this.#used[next] = 1;
      next += 1;
      this.#table[this.#placeOf(hash)] = next;
    }
    this.#next = next;
    this.#size = next;
    this.#oldest = 0;
    this.#tree.fill(0);
    for (let i = 1; i < this.#tree.length; i += 1) {
      const parent = i + (i & -i);
      const sum = (this.#tree[i] ?? 0) + (this.#used[i - 1] ?? 0);
      this.#tree[i] = sum;
      if (parent < this.#tree.length) this.#tree[parent] = (this.#tree[parent] ?? 0) + sum;
    }
  }

  /** Where the table has the hash, or would have it. Never full: a place is taken by a slot, and it has twice as many. */
  #placeOf(hash: number): number {
    const mask = this.#table.length - 1;
    let place = hash & mask;
    for (let slot = this.#table[place] ?? 0; slot !== 0; slot = this.#table[place] ?? 0) {
      if (this.#hashes[slot - 1] === hash) break;
      place = (place + 1) & mask;
    }
    return place;
  }

  #change(slot: number, by: number): void {
    for (let i = slot + 1; i < this.#tree.length; i += i & -i) this.#tree[i] = (this.#tree[i] ?? 0) + by;
  }

  /** Slots in use before this one. */
  #before(slot: number): number {
    let sum = 0;
    for (let i = slot; i > 0; i -= i & -i) sum += this.#tree[i] ?? 0;
    return sum;
  }
}
