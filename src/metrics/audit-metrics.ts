import type { Registry } from 'prom-client';
import type { Auditor } from '../cache/auditor.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

const COUNTERS = [
  ['forebay_audit_checked_total', 'Cached entries that were compared with the database.', 'checked'],
  [
    'forebay_audit_stale_total',
    'Of those, the ones that would still be served longer than the bound after the database was seen to differ: the promise was broken.',
    'stale',
  ],
  ['forebay_audit_failed_total', 'Comparisons that the database did not answer.', 'failed'],
] as const;

/** Registers what the auditor found. */
export function registerAuditMetrics(registry: Registry, { counts }: Auditor): void {
  for (const [name, help, count] of COUNTERS) counterAtScrape(registry, { name, help }, () => one(counts[count]));
  const worst = {
    name: 'forebay_audit_worst_age_seconds',
    help: 'The longest that a stale entry was seen to be served after the database was seen to differ; 0 if there was none.',
  };
  gaugeAtScrape(registry, worst, () => one(counts.worstAgeMs / 1000));
}
