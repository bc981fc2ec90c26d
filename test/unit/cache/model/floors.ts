import type { Invalidated } from '../../../support/memory-redis.ts';
import type { Database } from './database.ts';
import { KEYS, keysOfBuckets } from './database.ts';

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** The oldest versions that may be answered: `any` whatever the answer, `tagged` if the answer is a record (an absent entry has no tags, so no tag reaches it). */
export interface Floor {
  any: number;
  tagged: number;
}

export type Floors = Map<string, Floor>;

interface Executed {
  /** Place in the server's history. */
  readonly mark: number;
  /** Time at which it was carried out. */
  readonly at: number;
  /** Who asked for it. */
  readonly by: string;
  readonly floors: Floors;
}

export function noFloors(): Floors {
  return new Map(KEYS.map((key) => [key, { any: 0, tagged: 0 }]));
}

export function raise(floors: Floors, by: Floors): void {
  for (const [key, floor] of by) {
    const mine = floors.get(key) as Floor;
    mine.any = Math.max(mine.any, floor.any);
    mine.tagged = Math.max(mine.tagged, floor.tagged);
  }
}

/** What an invalidation promises when it is carried out now: nothing older than what the database holds, of the keys that it reaches. */
export function promisedBy(
  change: DistributiveOmit<Invalidated, 'origin'>,
  database: Database,
  keyOf: (remoteKey: string) => string,
): Floors {
  const all = change.kind === 'tags' && change.all;
  const keys = all ? KEYS : change.kind === 'keys' ? change.keys.map(keyOf) : keysOfBuckets(change.buckets);
  const kind: keyof Floor = change.kind === 'tags' && !all ? 'tagged' : 'any';
  const floors: Floors = new Map();
  for (const key of keys) floors.set(key, { any: 0, tagged: 0, [kind]: database.current(key).version });
  return floors;
}

/** Invalidations that the server carried out, and which of them a process must know of. */
export class History {
  readonly #executed: Executed[] = [];

  get mark(): number {
    return this.#executed.length;
  }

  add(at: number, by: string, floors: Floors): void {
    this.#executed.push({ mark: this.mark + 1, at, by, floors });
  }

  /**
   * What binds the process `name` that has received all up to `heard`, and whatever was carried out before `provenBefore`, heard of or not. Its own invalidations are not among it: they promise
   * something to it when they resolve, of what was committed when they were called; one that was queued may be carried out much later.
   */
  binding(name: string, heard: number, provenBefore: number): Floors {
    const floors = noFloors();
    for (const { mark, by, at, floors: promised } of this.#executed) {
      if (by !== name && (mark <= heard || at < provenBefore)) raise(floors, promised);
    }
    return floors;
  }
}
