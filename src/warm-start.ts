import { Pacer } from './cache/pacer.ts';
import { Popularity } from './cache/popularity.ts';
import type { RemoteTier } from './cache/remote-tier.ts';
import { Warmer } from './cache/warming.ts';
import type { WarmRunOptions, WarmReport } from './cache/warming.ts';
import { systemClock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import { systemChance } from './core/random.ts';
import type { FileCaches } from './files/file-caches.ts';
import type { FileId } from './files/records.ts';
import { fileId } from './files/records.ts';
import type { WarmthSources } from './metrics/warm-metrics.ts';
import type { Database } from './postgres/database.ts';
import { createPopularStore } from './postgres/popular-store.ts';

/** Whether caches are filled with what is popular, at the start and whenever Redis has come back empty. */
export type WarmMode =
  /** Only when asked for. */
  | 'off'
  /** While serving. */
  | 'background'
  /** At the start before serving, for a minute at most; later while serving. */
  | 'blocking';

/** Longest that a start waits for its caches to be warm; they are warmed on while serving. */
const MAX_BLOCK_MS = 60_000;
/** Popular keys kept by default: half of what a Redis of 256 MiB holds of file records is about as many again. */
const POPULAR_ROWS = 100_000;

export interface WarmStartOptions {
  readonly mode?: WarmMode | undefined;
  /** Rows of the table of popular keys; 0: this process writes none. */
  readonly popularRows?: number | undefined;
  readonly database: Database;
  readonly logger: Logger;
}

/** What brings caches back: the record of what is popular, the warming, and the pacer that both obey. Made before the caches, since they load through the pacer; then `open`, and `start` when Redis was looked for. */
export class WarmStart {
  readonly pacer: Pacer;
  readonly #mode: WarmMode;
  readonly #rows: number;
  readonly #options: WarmStartOptions;
  #remote: RemoteTier | null = null;
  #warmer: Warmer | null = null;
  #popularity: Popularity | null = null;
  #started = false;
  /** Warmings that there had been when Redis began anew the last time; `null`: it has not. */
  #warmedBefore: number | null = null;

  constructor(options: WarmStartOptions) {
    this.#options = options;
    this.#mode = options.mode ?? 'background';
    this.#rows = options.popularRows ?? POPULAR_ROWS;
    this.pacer = new Pacer({ clock: systemClock, isUp: () => this.#remote?.state() !== 'down' });
  }

  /** Rows that the table of popular keys is kept to. */
  get maxRows(): number {
    return this.#rows > 0 ? this.#rows : POPULAR_ROWS;
  }

  open(caches: FileCaches, remote: RemoteTier): void {
    const { database, logger } = this.#options;
    const store = createPopularStore(database);
    const shared = { store, clock: systemClock, random: () => systemChance.random() };
    this.#remote = remote;
    if (this.#rows > 0) this.#popularity = new Popularity({ ...shared, caches: [caches.info, caches.meta], maxRows: this.#rows });
    const targets = [caches.info, caches.meta].map((cache: FileCaches['info'] | FileCaches['meta']) => ({
      name: cache.name,
      warm: (keys: readonly string[], call: { storedOnly?: boolean }) => cache.warm(idsOf(keys), call),
    }));
    this.#warmer = new Warmer({
      ...shared,
      targets,
      remote,
      pacer: this.pacer,
      maxKeys: this.maxRows,
      uniqueId: () => systemChance.uniqueId(),
      logger,
    });
  }

  /** Begins what the mode says; resolves when serving may begin. */
  async start(): Promise<void> {
    this.#started = true;
    if (this.#mode === 'off' || this.#warmer === null) return;
    const warming = this.#warmer.runOnce();
    if (this.#mode === 'background') return;
    const late = Promise.withResolvers<void>();
    const timer = systemClock.schedule(MAX_BLOCK_MS, () => {
      this.#options.logger.warn(
        { waitedMs: MAX_BLOCK_MS },
        'the caches are not warm yet: serving begins all the same, and warming goes on',
      );
      late.resolve();
    });
    await Promise.race([warming, late.promise]);
    timer.cancel();
  }

  /** Redis has begun anew. */
  onAnew(mine: boolean): void {
    this.#warmedBefore = this.#warmed;
    // What is found at the start is warmed by the start.
    if (this.#mode === 'off' || !this.#started) this.pacer.begin();
    else void this.#warmer?.onAnew(mine);
  }

  run(options?: WarmRunOptions): Promise<WarmReport> {
    if (this.#warmer === null) throw new Error('the caches are not open');
    return this.#warmer.run(options);
  }

  /** Redis began anew, and nobody has warmed it since, as far as this process knows. */
  get isCold(): boolean {
    return this.#warmedBefore === this.#warmed;
  }

  /** Warmings that came to their end, here or elsewhere. */
  get #warmed(): number {
    const { done, elsewhere } = this.#warmer?.counts.runs ?? { done: 0, elsewhere: 0 };
    return done + elsewhere;
  }

  /** What metrics show. */
  get sources(): WarmthSources & { readonly isWarming: () => boolean; readonly isOff: boolean } {
    return {
      isWarming: () => this.#warmer?.isRunning ?? false,
      isOff: this.#mode === 'off',
      pacer: this.pacer,
      warmer: () => this.#warmer?.counts ?? null,
      popularity: () => this.#popularity?.stats ?? null,
    };
  }

  /** Before the caches are closed. */
  async close(): Promise<void> {
    await Promise.all([this.#warmer?.close(), this.#popularity?.close()]);
  }
}

/** What is no id was written by somebody else. */
function idsOf(keys: readonly string[]): FileId[] {
  return keys.flatMap((key) => {
    try {
      return [fileId(key)];
    } catch {
      return [];
    }
  });
}
