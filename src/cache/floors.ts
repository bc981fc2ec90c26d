import type { LocalEntry } from './local-entry.ts';

/** Keys that a floor is remembered for. */
const MAX_FLOORS = 10_000;
/** Floors that have served their time, looked at with each new one: more than one, so that they go faster than they come. */
const PRUNED_AT_ONCE = 2;

/** "There is no such record" after some version: no entry that the tiers still hold can be known to be newer. */
const ABSENT = Number.POSITIVE_INFINITY;

interface Floor {
  readonly version: number;
  /** Monotonic ms at which the source had answered. */
  readonly at: number;
}

/**
 * What the source has said of keys, so that reads of this process never go backwards. The remote tier may follow the source with a delay:
 *
 * 1. the record changes from version 1 to version 2; the remote tier has not heard of it and holds version 1;
 * 2. a read asks the source, for whatever reason, and gives version 2;
 * 3. the local entry goes: it was evicted, its tag was invalidated, its proof is too old;
 * 4. the next read finds version 1 in the remote tier, within the bound, and must not give it.
 *
 * A floor is no longer needed once all that was committed up to the source's answer, at that moment of the clock too, is applied in the tiers. Past 10,000 keys the oldest floors go, and are counted: only then can step 4 happen.
 * Records without versions have no floors.
 */
export class Floors {
  readonly #floors = new Map<string, Floor>();
  #versioned = false;
  /** Floors that made room for others before their time. */
  dropped = 0;

  get size(): number {
    return this.#floors.size;
  }

  /** The least version that may follow this entry. */
  after(entry: LocalEntry<unknown>): number {
    if (entry.version > 0) this.#versioned = true;
    return entry.absent ? ABSENT : entry.version;
  }

  /** Whether an entry may be older than what a floor stands for. An absent entry has no version, so only an absence may be followed by it. */
  isBelow(entry: LocalEntry<unknown>, floor: number): boolean {
    if (floor === 0 || (entry.absent && floor === ABSENT)) return false;
    return floor === ABSENT ? entry.version > 0 || this.#versioned : entry.version < floor;
  }

  /**
   * Notes what the source answered. `askedAt`, `answeredAt`: monotonic ms. What was asked after the last answer takes its place, even with a lower version: then the record was made anew.
   * `asOf`: up to where the tiers have followed the source.
   */
  note(
    text: string,
    entry: LocalEntry<unknown>,
    { askedAt, answeredAt, asOf }: { askedAt: number; answeredAt: number; asOf: number },
  ): void {
    const version = this.after(entry);
    if (version === 0 || asOf > answeredAt) return;
    const known = this.#floors.get(text);
    this.#floors.delete(text);
    this.#prune(asOf);
    const newest = known !== undefined && askedAt < known.at ? Math.max(known.version, version) : version;
    this.#floors.set(text, { version: newest, at: answeredAt });
  }

  /** The floor of a key; 0 if there is none. */
  of(text: string, asOf: number): number {
    const floor = this.#floors.get(text);
    if (floor === undefined) return 0;
    if (asOf <= floor.at) return floor.version;
    this.#floors.delete(text);
    return 0;
  }

  forget(text: string): void {
    this.#floors.delete(text);
  }

  clear(): void {
    this.#floors.clear();
  }

  /** Makes room for one. They stand in the order of their times. */
  #prune(asOf: number): void {
    let left = PRUNED_AT_ONCE;
    for (const [text, { at }] of this.#floors) {
      const isOver = asOf > at;
      if (left === 0 || (!isOver && this.#floors.size < MAX_FLOORS)) return;
      this.#floors.delete(text);
      left -= 1;
      if (!isOver) this.dropped += 1;
    }
  }
}
