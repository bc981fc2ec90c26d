import type { ForebayError } from '../core/errors.ts';
import type { KeptEntry, KeptOutcome } from './kept.ts';
import type { ResolvedOptions } from './options.ts';
import type { ReadPath } from './read-path.ts';

/** What became of entries, in their order, and why some failed. */
export interface RestoreResult {
  readonly outcomes: readonly KeptOutcome[];
  /** Of one of those that failed. */
  readonly error: ForebayError | null;
}

/**
 * Puts entries back into the remote tier that were kept elsewhere. Each goes the way of a load that nobody asked for: what is there and counts is left; else a lease is taken, *then* the source is asked whether the version is
 * still that one, and what it says is filled in under the lease. So an invalidation that comes meanwhile keeps it out as it does any load, and the tags and the point of the entry are those of now.
 */
export class Restores<K, V> {
  readonly #o: ResolvedOptions<K, V>;
  readonly #reads: ReadPath<K, V>;

  constructor(options: ResolvedOptions<K, V>, reads: ReadPath<K, V>) {
    this.#o = options;
    this.#reads = reads;
  }

  /** All at once: as many as one call of the source takes are a good number. Never rejects. */
  async restore(entries: readonly KeptEntry<K>[]): Promise<RestoreResult> {
    let error: ForebayError | null = null;
    const outcomes = await Promise.all(
      entries.map(async ({ key, version, json, ttlMs }): Promise<KeptOutcome> => {
        const flight = this.#reads.bring(key, this.#o.keyText(key), { version, json, ttlMs, isCurrent: false });
        if (flight === null) return 'failed';
        const lookup = await flight.landed;
        if (lookup.outcome === 'unavailable') error = lookup.error;
        if (lookup.outcome === 'hit' || lookup.outcome === 'absent') return lookup.outcome === 'hit' ? 'found' : 'absent';
        // Without an answer of the fill it may be there or not: it is tried again, and then found.
        if (lookup.outcome !== 'loaded' || (await flight.filled) !== 'stored') return 'failed';
        return flight.kept?.isCurrent === true ? 'restored' : 'loaded';
      }),
    );
    return { outcomes, error };
  }

  /** What `restore` would do at this moment; changes nothing. `found`: which of them are there already. Rejects when the source does not answer. */
  async compare(entries: readonly KeptEntry<K>[], found: readonly boolean[], signal: AbortSignal): Promise<RestoreResult> {
    const { clock, pacer, versions } = this.#o;
    const missing = entries.filter((_, i) => !found[i]);
    const startedAt = clock.now();
    const now =
      versions === null || missing.length === 0
        ? null
        : await versions(
            missing.map(({ key }) => key),
            { signal },
          );
    if (now !== null) pacer.note(clock.now() - startedAt, missing.length, missing.length);
    const outcomes = entries.map(({ key, version, json }, i): KeptOutcome => {
      if (found[i] === true) return 'found';
      if (now === null) return 'loaded';
      if (!now.has(key)) return 'absent';
      return json !== null && now.get(key) === version ? 'restored' : 'loaded';
    });
    return { outcomes, error: null };
  }
}
