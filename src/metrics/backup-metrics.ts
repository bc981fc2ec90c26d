import type { Registry } from 'prom-client';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, one } from './at-scrape.ts';

/** What backups and restores of this process came to. */
export interface BackupCounts {
  readonly backups: Readonly<Record<'done' | 'failed', number>>;
  /** Bytes given out. */
  readonly bytes: number;
  /** Entries of restores by what became of them. */
  readonly restored: Readonly<Record<'restored' | 'loaded' | 'found' | 'absent' | 'failed', number>>;
}

const byOutcome = (counts: Readonly<Record<string, number>>): Sample[] =>
  Object.entries(counts).map(([outcome, count]): Sample => [{ outcome }, count]);

/** Registers the metrics of backups and restores. */
export function registerBackupMetrics(registry: Registry, counts: BackupCounts): void {
  const runs = { name: 'forebay_backup_runs_total', help: 'Backups of this process by how they ended.', labels: ['outcome'] };
  counterAtScrape(registry, runs, () => byOutcome(counts.backups));
  const bytes = { name: 'forebay_backup_bytes_total', help: 'Bytes of backups that were given out.', labels: [] };
  counterAtScrape(registry, bytes, () => one(counts.bytes));
  const entries = {
    name: 'forebay_restore_entries_total',
    help: 'Entries of backups by what became of them: put back as they were, loaded anew since the record has another version, found in Redis, of no record any more, or failed.',
    labels: ['outcome'],
  };
  counterAtScrape(registry, entries, () => byOutcome(counts.restored));
}
