import type { RemoteInvalidation } from '../cache/remote-tier.ts';

/** Keys that may wait; past that everything is invalidated instead, which is one write. */
const MAX_KEYS = 10_000;

/** Invalidations that Redis has not confirmed, put together. While there are any, this process must not read what they would have deleted. */
export class Unconfirmed {
  readonly #keys = new Set<string>();
  readonly #buckets = new Set<number>();
  #all = false;
  #purge = false;

  get isEmpty(): boolean {
    return this.#keys.size === 0 && this.#buckets.size === 0 && !this.#all;
  }

  get size(): number {
    return this.#keys.size + this.#buckets.size + (this.#all ? 1 : 0);
  }

  add(change: RemoteInvalidation): void {
    this.#purge ||= change.purge;
    this.#all ||= change.all || this.#keys.size + change.keys.length > MAX_KEYS;
    for (const bucket of change.buckets) this.#buckets.add(bucket);
    if (this.#all) this.#keys.clear();
    else for (const key of change.keys) this.#keys.add(key);
  }

  /** Whether what waits may have to do with this key. Which records have a tag is not known here. */
  concerns(key: string): boolean {
    return this.#all || this.#buckets.size > 0 || this.#keys.has(key);
  }

  /** Everything that waits. */
  get change(): RemoteInvalidation {
    return { keys: [...this.#keys], buckets: [...this.#buckets], all: this.#all, purge: this.#purge };
  }
}
