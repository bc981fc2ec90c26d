import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupDatabase } from './backup/format.ts';
import type { Pacer } from './cache/pacer.ts';
import { packageVersion } from './version.ts';
import { ForebayError } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { FileCaches } from './files/file-caches.ts';
import { fileInfoSchema, fileMetaSchema } from './files/records.ts';
import type { FollowingTier } from './following-tier.ts';
import type { Database } from './postgres/database.ts';
import { createPopularStore } from './postgres/popular-store.ts';
import { readTimeline } from './postgres/timeline.ts';
import type { RestoreCounts, RestoreOptions, RestoreReport, RestoreTarget } from './restore-backup.ts';
import { BackupRestorer, RESTORING } from './restore-backup.ts';
import type { BackupOptions } from './take-backup.ts';
import { takeBackup } from './take-backup.ts';

const RETRY_MS = 100;
/** One backup waits so long for another to end before it is refused, and a restore for a restore, in ms. */
const BUSY_MS = 5_000;

export interface BackupsOptions {
  readonly caches: FileCaches;
  readonly tier: FollowingTier;
  readonly database: Database;
  readonly pacer: Pacer;
  readonly popularRows: number;
  readonly logger: Logger;
}

/** Backups of the caches, and their way back. One of each at a time in a process; several processes that restore at once only do each other's work. */
export class Backups {
  readonly #o: BackupsOptions;
  readonly #popular: ReturnType<typeof createPopularStore>;
  readonly #running = new Set<'backup' | 'restore'>();
  readonly #closing = new AbortController();
  readonly counts = {
    backups: { done: 0, failed: 0 },
    bytes: 0,
    restored: { restored: 0, loaded: 0, found: 0, absent: 0, failed: 0 },
  };

  constructor(options: BackupsOptions) {
    this.#o = options;
    this.#popular = createPopularStore(options.database);
  }

  async *take(options: BackupOptions): AsyncGenerator<Buffer> {
    const { caches, tier, logger } = this.#o;
    await this.#begin('backup', this.#stop(options.signal));
    const startedAt = performance.now();
    let bytes = 0;
    let outcome: 'done' | 'failed' = 'failed';
    try {
      const parts = {
        tier,
        keys: tier.keys,
        caches: [caches.info.name, caches.meta.name],
        popular: this.#popular,
        database: (signal: AbortSignal) => this.#history(signal),
        version: packageVersion(),
      };
      for await (const { bytes: piece, isEnd } of takeBackup(parts, { ...options, signal: this.#stop(options.signal) })) {
        bytes += piece.length;
        this.counts.bytes += piece.length;
        if (isEnd) outcome = 'done';
        yield piece;
      }
    } finally {
      this.#running.delete('backup');
      this.counts.backups[outcome] += 1;
      logger.info({ outcome, bytes, tookMs: Math.round(performance.now() - startedAt) }, 'a backup ended');
    }
  }

  /** @throws {ForebayError} as `BackupRestorer.restore`, and `ALREADY_RUNNING` */
  async restore(source: AsyncIterable<Uint8Array>, options: RestoreOptions): Promise<RestoreReport> {
    const { caches, tier, pacer, popularRows } = this.#o;
    await this.#begin('restore', this.#stop(options.signal));
    let counted: RestoreCounts | null = null;
    const count = (counts: RestoreCounts): void => {
      if (options.dryRun !== true)
        for (const name of Object.keys(this.counts.restored) as (keyof Backups['counts']['restored'])[])
          this.counts.restored[name] += counts[name] - (counted?.[name] ?? 0);
      counted = counts;
      options.onProgress?.(counts);
    };
    const info: RestoreTarget = targetOf(caches.info, fileInfoSchema);
    const meta: RestoreTarget = targetOf(caches.meta, fileMetaSchema);
    const database = (signal: AbortSignal): Promise<BackupDatabase> => this.#history(signal);
    const parts = { tier, targets: [info, meta], pacer, popular: this.#popular, popularRows, database };
    try {
      const restorer = new BackupRestorer(parts, { ...options, signal: this.#stop(options.signal), onProgress: count });
      return await restorer.restore(source, options.partial ?? false);
    } finally {
      this.#running.delete('restore');
    }
  }

  close(): void {
    this.#closing.abort(new ForebayError('CLOSED', 'it was ended; what was done stays done'));
  }

  /** One that was called off is given a moment to end. */
  async #begin(what: 'backup' | 'restore', signal: AbortSignal): Promise<void> {
    for (const giveUpAt = performance.now() + BUSY_MS; this.#running.has(what); await sleep(RETRY_MS, undefined, { signal })) {
      if (performance.now() >= giveUpAt)
        throw new ForebayError('ALREADY_RUNNING', `this process has a ${what} under way: wait for its end, or ask another instance`);
    }
    this.#running.add(what);
  }

  #stop(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }

  async #history(signal: AbortSignal): Promise<BackupDatabase> {
    const { tier, database } = this.#o;
    const giveUpAt = performance.now() + RESTORING.historyMs;
    while (tier.tags.point.generation === '') {
      if (performance.now() >= giveUpAt)
        throw new ForebayError(
          'DATABASE_UNAVAILABLE',
          `the database has not said for ${RESTORING.historyMs / 1000} s where its log of changes is`,
        );
      await sleep(RETRY_MS, undefined, { signal });
    }
    const { generation: epoch, stamp: number } = tier.tags.point;
    return { epoch, number, timeline: await readTimeline(database, { signal }) };
  }
}

function targetOf(cache: FileCaches['info'] | FileCaches['meta'], schema: RestoreTarget['schema']): RestoreTarget {
  return {
    name: cache.name,
    schema,
    restore: (entries) => cache.restore(entries),
    compare: (entries, options) => cache.compare(entries, options),
  };
}
