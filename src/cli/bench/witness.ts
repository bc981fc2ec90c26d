/** Writes that are not yet older than the bound, at most; beyond that the oldest are not asked for. */
const MAX_RECENT = 200_000;

interface Write {
  readonly key: number;
  readonly version: number;
  readonly at: number;
}

/** What a read that begins now has to give at least. */
export interface Required {
  /** The newest version whose write was answered longer ago than the bound: an older one breaks the promise. */
  readonly bound: number;
  /** When that was, monotonic ms. */
  readonly boundAt: number;
  /** The newest version whose write was answered. */
  readonly own: number;
  /** When that was, monotonic ms. */
  readonly ownAt: number;
}

export interface WitnessCounts {
  /** Reads of records that this run had written before. */
  readonly checked: number;
  /** Of these, those that gave an older version more than the bound after a newer one was committed. */
  readonly stalerThanBound: number;
  /** Of these, those that gave an older version than a write that was answered before, however short before. */
  readonly behindOwnWrites: number;
  /** The longest time after the answer to a write at which a read that began then still gave an older version, in ms: of the writes that a read missed, the newest that was due, or the newest of all where none was. */
  readonly oldestMs: number;
}

/**
 * Holds reads against the writes of this run. A write was committed before it was answered, so the time of the answer, on this process's own monotonic clock, is at or after that of the commit: nothing is called stale that is not.
 */
export class Witness {
  readonly #boundMs: number;
  readonly #due: Float64Array;
  readonly #dueAt: Float64Array;
  readonly #own: Float64Array;
  readonly #ownAt: Float64Array;
  #recent: Write[] = [];
  #first = 0;
  #counts = { checked: 0, stalerThanBound: 0, behindOwnWrites: 0, oldestMs: 0 };

  constructor(keys: number, boundMs: number) {
    this.#boundMs = boundMs;
    this.#due = new Float64Array(keys);
    this.#dueAt = new Float64Array(keys);
    this.#own = new Float64Array(keys);
    this.#ownAt = new Float64Array(keys);
  }

  get counts(): WitnessCounts {
    return { ...this.#counts };
  }

  /** Counts anew; what was written stays known. */
  reset(): void {
    this.#counts = { checked: 0, stalerThanBound: 0, behindOwnWrites: 0, oldestMs: 0 };
  }

  /** A write was answered. */
  wrote(key: number, version: number, at: number): void {
    if (version <= (this.#own[key] ?? 0)) return;
    this.#own[key] = version;
    this.#ownAt[key] = at;
    if (this.#recent.length - this.#first >= MAX_RECENT) this.#first += 1;
    this.#recent.push({ key, version, at });
  }

  /** To be asked when the read begins. `null`: this run has not written the record. */
  required(key: number, now: number): Required | null {
    this.#advance(now - this.#boundMs);
    const own = this.#own[key] ?? 0;
    if (own === 0) return null;
    return { bound: this.#due[key] ?? 0, boundAt: this.#dueAt[key] ?? 0, own, ownAt: this.#ownAt[key] ?? 0 };
  }

  /** What a read gave that began at `begunAt`. */
  saw(required: Required, version: number, begunAt: number): void {
    this.#counts.checked += 1;
    if (version >= required.own) return;
    this.#counts.behindOwnWrites += 1;
    const isStaler = version < required.bound;
    if (isStaler) this.#counts.stalerThanBound += 1;
    this.#counts.oldestMs = Math.max(this.#counts.oldestMs, begunAt - (isStaler ? required.boundAt : required.ownAt));
  }

  /** Writes answered until then are due from now on. */
  #advance(until: number): void {
    for (let write = this.#recent[this.#first]; write !== undefined && write.at < until; write = this.#recent[this.#first]) {
      // In the order of answers, and of each record in that of versions too.
      this.#due[write.key] = write.version;
      this.#dueAt[write.key] = write.at;
      this.#first += 1;
    }
    if (this.#first < 1024 || this.#first * 2 < this.#recent.length) return;
    this.#recent = this.#recent.slice(this.#first);
    this.#first = 0;
  }
}
