import { opendir } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../core/logger.ts';
import { indexTree } from '../files/index-tree/index-tree.ts';
import type { IndexReport } from '../files/index-tree/options.ts';
import { perSecond, showWork } from './progress.ts';
import type { Runtime } from './runtime.ts';
import type { Shell } from './shell.ts';

export interface IndexFolderOptions {
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Compute the SHA-256 of every file. */
  readonly hash: boolean;
  /** Delete the records of files that are gone. */
  readonly prune: boolean;
}

/** Skipped entries that are named, at the level `debug`; the rest is told as a number. */
const MAX_SKIPS_TOLD = 5;

/** Indexes a folder, shows how far it is, and waits batch by batch until the caches have heard of what has changed. */
export async function indexFolder(runtime: Runtime, shell: Shell, logger: Logger, options: IndexFolderOptions): Promise<IndexReport> {
  const { dir, signal, hash, prune } = options;
  const exclude = runtime.dataDir === null ? [] : [runtime.dataDir];
  const progress = showWork(shell, `Indexing ${dir}`, 'files');
  let total: number | null = null;
  const counting = new AbortController();
  const counted = shell.isTerminal
    ? countFiles(dir, exclude, AbortSignal.any([signal, counting.signal])).then((files) => {
        total = files;
      })
    : Promise.resolve();
  try {
    const report = await indexTree(dir, {
      store: runtime.bulkStore,
      hash,
      prune,
      exclude,
      signal,
      onProgress: ({ discovered }) =>
        progress.update({ done: discovered, share: total === null ? null : discovered / Math.max(1, total, discovered) }),
      onChanged: async (ids) => {
        await runtime.forebay.files.settle(ids);
      },
    });
    progress.end();
    tell(shell, logger, dir, report);
    return report;
  } finally {
    progress.end();
    counting.abort();
    await counted;
  }
}

function tell(shell: Shell, logger: Logger, dir: string, report: IndexReport): void {
  const { inserted, changed, unchanged, gone, pruned } = report;
  const removed = gone === 0 ? `${pruned} removed` : `${gone} gone from the disk (forebay index --prune removes their records)`;
  shell.note(
    `Indexed ${dir}: ${report.files} files, ${perSecond(report.files, report.elapsedMs)}, ${(report.elapsedMs / 1000).toFixed(1)} s: ${inserted} new, ${changed} changed, ${unchanged} as they were, ${removed}`,
  );
  const skips = Object.entries(report.skippedByReason).filter(([reason]) => reason !== 'excluded');
  if (skips.length > 0)
    shell.note(`Skipped: ${skips.map(([reason, count]) => `${count} ${reason}`).join(', ')} (--log-level debug names the first ones)`);
  const told = report.skipped.filter(({ reason }) => reason !== 'excluded' && reason !== 'symlink').slice(0, MAX_SKIPS_TOLD);
  // Logs go further than the terminal: names of files are in them only when somebody asks.
  for (const { path, reason, detail } of told) logger.debug({ path, reason }, `skipped: ${detail}`);
}

/**
 * Counts files ahead of the index, for the bar to have an end: names only, which takes a fraction of looking at each file.
 * What cannot be read counts as nothing; when called off, it gives what it has.
 */
async function countFiles(dir: string, exclude: readonly string[], signal: AbortSignal): Promise<number> {
  let files = 0;
  const pending = [dir];
  for (let at = pending.pop(); at !== undefined && !signal.aborted; at = pending.pop()) {
    try {
      for await (const entry of await opendir(at, { bufferSize: 256 })) {
        const child = path.join(at, entry.name);
        if (entry.isFile()) files += 1;
        else if (entry.isDirectory() && !exclude.includes(child)) pending.push(child);
      }
    } catch {
      // The index itself reports what cannot be read.
    }
  }
  return files;
}
