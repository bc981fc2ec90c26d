import type { Clock, Timer } from '../core/clock.ts';
import type { PopularKey } from './popular.ts';
import type { PopularStore } from './popular-store.ts';

/** The limits and periods of recording, in one place. */
export const RECORDING = Object.freeze({
  /** Counts are written so often, in ms, and a tenth sooner or later at random, so that instances do not write together. */
  everyMs: 60_000,
  /** Keys that wait for the next writing, for each cache; of more the reads are dropped, and counted. */
  maxKeys: 20_000,
  /** Keys written at a time, the most read ones: a third of a second of the database's time in a minute, on a busy machine with two cores. */
  maxWritten: 5_000,
  /** Keys in one statement, so that none holds its rows, or PGlite's one connection, for long: 20 to 35 ms in the middle, 75 at worst, on that machine. */
  batch: 500,
  /** A writing that takes longer is given up, in ms; what was not written by then is dropped. */
  limitMs: 10_000,
  /** Of the last writing, when the process ends. */
  lastLimitMs: 1_000,
  /** The table may grow by such a share beyond its limit before it is looked at: instances together, each by its own new rows. */
  slack: 0.01,
});

/** What is told of each cache: the counts of one of its periods. */
export interface CountedCache {
  readonly name: string;
  on(event: 'popular', listener: (told: { readonly keys: readonly PopularKey[] }) => void): void;
}

export interface PopularityOptions {
  readonly store: PopularStore;
  readonly caches: readonly CountedCache[];
  /** Rows that the store keeps. */
  readonly maxRows: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * Writes down what this process reads most, in the background: the counts of a minute in statements of 500 keys. Nobody waits for it, and nothing depends on it: what cannot be written is dropped and counted, so
 * nothing is queued while the store is away.
 */
export class Popularity {
  readonly #o: PopularityOptions;
  readonly #counts = new Map<string, Map<string, number>>();
  #timer: Timer | null = null;
  #writing: Promise<void> | null = null;
  #controller = new AbortController();
  /** Rows that this process added since it looked last at how many there are. */
  #added = 0;
  #closed = false;
  /** Keys written, keys dropped for want of room or since the store did not answer, writings that failed, and rows trimmed. `rows`: how many there were when it was looked at last. */
  readonly stats = { written: 0, dropped: 0, failed: 0, trimmed: 0, rows: null as number | null };

  constructor(options: PopularityOptions) {
    this.#o = options;
    for (const cache of options.caches) {
      const counts = new Map<string, number>();
      this.#counts.set(cache.name, counts);
      cache.on('popular', ({ keys }) => this.#add(counts, keys));
    }
    this.#schedule();
  }

  /** Writes what was counted so far. Never rejects. */
  write(limitMs: number = RECORDING.limitMs): Promise<void> {
    this.#writing ??= this.#write(limitMs).finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  /** Writes for the last time, within two seconds. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    // One that is under way has taken what there was when it began.
    const late = this.#o.clock.schedule(RECORDING.lastLimitMs, () => this.#controller.abort());
    await this.#writing;
    late.cancel();
    await this.write(RECORDING.lastLimitMs);
  }

  #add(counts: Map<string, number>, keys: readonly PopularKey[]): void {
    if (this.#closed) return;
    for (const { key, reads } of keys) {
      const known = counts.get(key);
      if (known !== undefined || counts.size < RECORDING.maxKeys) counts.set(key, (known ?? 0) + reads);
      else this.stats.dropped += 1;
    }
  }

  #schedule(): void {
    const { clock, random } = this.#o;
    this.#timer = clock.schedule(RECORDING.everyMs * (0.9 + 0.2 * random()), () => {
      void this.write().then(() => {
        if (!this.#closed) this.#schedule();
      });
    });
  }

  async #write(limitMs: number): Promise<void> {
    const { clock, store, maxRows } = this.#o;
    const controller = new AbortController();
    this.#controller = controller;
    const timer = clock.schedule(limitMs, () => controller.abort());
    try {
      for (const [cache, counts] of this.#counts) await this.#writeOf(cache, counts, controller.signal);
      if (this.stats.rows === null || this.#added > maxRows * RECORDING.slack) await this.#trim(store, maxRows, controller.signal);
    } catch {
      // The store is away or slow. It is tried again in a minute, with what is counted until then.
      this.stats.failed += 1;
    } finally {
      timer.cancel();
    }
  }

  async #writeOf(cache: string, counts: Map<string, number>, signal: AbortSignal): Promise<void> {
    const keys = [...counts].map(([key, reads]) => ({ key, reads })).toSorted((a, b) => b.reads - a.reads);
    counts.clear();
    let written = 0;
    try {
      const most = Math.min(keys.length, RECORDING.maxWritten);
      while (written < most) {
        signal.throwIfAborted();
        const batch = keys.slice(written, Math.min(written + RECORDING.batch, most));
        this.#added += await this.#o.store.add(cache, batch, { signal });
        written += batch.length;
      }
    } finally {
      this.stats.written += written;
      this.stats.dropped += keys.length - written;
    }
  }

  async #trim(store: PopularStore, maxRows: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { kept, removed } = await store.trim(maxRows, { signal });
      this.stats.rows = kept;
      this.stats.trimmed += removed;
      this.#added = 0;
      if (removed === 0) return;
    }
  }
}
