import type { Clock, Timer } from '../core/clock.ts';

/** An entry of process memory that would be served at this moment. */
export interface SampledEntry {
  /** The key as text. */
  readonly key: string;
  /** `null`: the entry says that there is no such record. */
  readonly version: number | null;
}

/** What the auditor needs of a cache. */
export interface AuditedCache {
  readonly name: string;
  /** Up to `most` entries of process memory, picked at random, that would be served now. */
  sample(most: number): readonly SampledEntry[];
  /** The entry of this key, if it would be served now. */
  holds(key: string): SampledEntry | undefined;
}

export interface AuditTarget {
  readonly cache: AuditedCache;
  /** Versions in the source by key, as text; a key that is missing has no record. Rejects when the source does not answer. */
  versions(keys: readonly string[], call: { readonly signal: AbortSignal }): Promise<ReadonlyMap<string, number>>;
}

/** An entry that was served though the source had another version for longer than the bound. */
export interface StaleFinding {
  readonly cache: string;
  readonly key: string;
  readonly held: number | null;
  readonly current: number | null;
  /** How long it has been known that the source has another version, in ms: the entry is at least so stale. */
  readonly ageMs: number;
}

export interface AuditorOptions {
  readonly targets: readonly AuditTarget[];
  /** Entries compared a second, all caches together. */
  readonly perSecond: number;
  readonly maxStalenessMs: number;
  readonly clock: Clock;
  /** Told once of each entry that broke the promise. */
  onStale(finding: StaleFinding): void;
}

interface Suspect {
  readonly target: AuditTarget;
  readonly key: string;
  readonly held: number | null;
  readonly current: number | null;
  readonly since: number;
  told: boolean;
}

const EVERY_MS = 1000;
/** Entries that differ and are watched; more are left to later samples. */
const MAX_SUSPECTS = 1000;

/**
 * Measures the promise where it is made: takes entries of process memory at random and compares their versions with the source's. An entry may lawfully differ for as long as the bound, so one that does is looked at again
 * after the bound; only if it would still be served then is it stale, at least by the time since the source was asked.
 */
export class Auditor {
  readonly #o: AuditorOptions;
  #suspects: Suspect[] = [];
  #timer: Timer | null = null;
  #closed = false;
  readonly #controller = new AbortController();
  /** Entries compared; those found stale; comparisons that the source did not answer; and the worst age, in ms. */
  readonly counts = { checked: 0, stale: 0, failed: 0, worstAgeMs: 0 };

  constructor(options: AuditorOptions) {
    this.#o = options;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#controller.abort();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#o.clock.schedule(EVERY_MS, () => {
      this.#judge();
      void Promise.all(this.#o.targets.map((target) => this.#compare(target))).then(() => this.#schedule());
    });
  }

  /** Those that were found to differ before: gone by now, or stale. */
  #judge(): void {
    const now = this.#o.clock.now();
    this.#suspects = this.#suspects.filter((suspect) => {
      const { target, key, held, current, since } = suspect;
      if (target.cache.holds(key)?.version !== held) return false;
      const ageMs = now - since;
      if (ageMs <= this.#o.maxStalenessMs) return true;
      this.counts.worstAgeMs = Math.max(this.counts.worstAgeMs, ageMs);
      if (!suspect.told) {
        suspect.told = true;
        this.counts.stale += 1;
        this.#o.onStale({ cache: target.cache.name, key, held, current, ageMs });
      }
      return true;
    });
  }

  async #compare(target: AuditTarget): Promise<void> {
    const share = Math.ceil((this.#o.perSecond * EVERY_MS) / 1000 / this.#o.targets.length);
    const sampled = target.cache.sample(share);
    if (sampled.length === 0) return;
    try {
      const versions = await target.versions(
        sampled.map(({ key }) => key),
        { signal: this.#controller.signal },
      );
      // From here on the source is known to differ; it may have for longer.
      const since = this.#o.clock.now();
      this.counts.checked += sampled.length;
      for (const { key, version } of sampled) {
        const current = versions.get(key) ?? null;
        if (current !== version) this.#suspect({ target, key, held: version, current, since, told: false });
      }
    } catch {
      this.counts.failed += sampled.length;
    }
  }

  #suspect(suspect: Suspect): void {
    const isKnown = this.#suspects.some(
      ({ target, key, held }) => target === suspect.target && key === suspect.key && held === suspect.held,
    );
    if (!isKnown && this.#suspects.length < MAX_SUSPECTS) this.#suspects.push(suspect);
  }
}
