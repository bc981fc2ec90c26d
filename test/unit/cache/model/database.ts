import { tagBuckets } from '../../../../src/cache/tags.ts';

/** A record as the model's database keeps it. */
export interface Row {
  readonly key: string;
  readonly version: number;
}

/** The keys of the model with their tags, which never change: an invalidation by tag reaches the entries that carry it. */
export const TAGS: Readonly<Record<string, readonly string[]>> = { k0: ['t0'], k1: ['t0', 't1'], k2: ['t1'], k3: [] };
export const KEYS = Object.keys(TAGS);

export function keysOfBuckets(buckets: readonly number[]): string[] {
  return KEYS.filter((key) => TAGS[key]?.some((tag) => tagBuckets([tag]).some((bucket) => buckets.includes(bucket))));
}

/** One state of one record: from this version on it was there, or was not. */
interface State {
  readonly version: number;
  readonly present: boolean;
}

/** The source of truth: versions come from one sequence, and every state that ever was is remembered, so that any answer can be dated. */
export class Database {
  #sequence = 0;
  readonly #history = new Map<string, State[]>(KEYS.map((key) => [key, [{ version: 0, present: false }]]));

  constructor() {
    for (const key of ['k0', 'k1', 'k2']) this.commit(key, true);
  }

  commit(key: string, present: boolean): void {
    this.#sequence += 1;
    this.#of(key).push({ version: this.#sequence, present });
  }

  read(key: string): Row | null {
    const { version, present } = this.current(key);
    return present ? { key, version } : null;
  }

  current(key: string): State {
    return this.#of(key).at(-1) as State;
  }

  wasPresent(key: string, version: number): boolean {
    return this.#of(key).some((state) => state.present && state.version === version);
  }

  /** The newest version as of which the record was absent: an absent answer may mean any of them, so the newest is what it has to be measured by. */
  lastAbsent(key: string): number {
    const states = this.#of(key);
    const at = states.findLastIndex((state) => !state.present);
    // It stayed absent until just before the next state.
    const next = states[at + 1];
    return at < 0 ? -1 : next === undefined ? this.#sequence : next.version - 1;
  }

  #of(key: string): State[] {
    return this.#history.get(key) as State[];
  }
}
