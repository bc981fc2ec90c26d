import type { Registry } from 'prom-client';
import type { Recovery } from '../recovery/recovery.ts';
import { RECOVERY_PHASES } from '../recovery/recovery.ts';
import type { RecoveryCounts } from '../recovery/tracker.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

export interface RecoverySources {
  readonly current: Recovery | null;
  readonly counts: RecoveryCounts;
}

/** Registers the metrics of recoveries. */
export function registerRecoveryMetrics(registry: Registry, sources: RecoverySources): void {
  counterAtScrape(
    registry,
    {
      name: 'forebay_recovery_causes_total',
      help: 'What recoveries began with, or met on the way; one recovery may have several causes.',
      labels: ['cause'],
    },
    () => Object.entries(sources.counts.causes).map(([cause, count]): Sample => [{ cause }, count]),
  );
  counterAtScrape(registry, { name: 'forebay_recoveries_completed_total', help: 'Recoveries after which all traffic was back.' }, () =>
    one(sources.counts.completed),
  );
  counterAtScrape(
    registry,
    { name: 'forebay_recovery_seconds_total', help: 'How long those took together, from what was seen amiss.' },
    () => one(sources.counts.tookMs / 1000),
  );
  counterAtScrape(
    registry,
    { name: 'forebay_recovery_replayed_total', help: 'Entries of the log that this process applied to Redis in recoveries.' },
    () => one(sources.counts.replayed),
  );
  gaugeAtScrape(
    registry,
    {
      name: 'forebay_recovery_phase',
      help: 'Where the recovery under way is (1 for its phase); `over`: there is none.',
      labels: ['phase'],
    },
    () => RECOVERY_PHASES.map((phase): Sample => [{ phase }, Number((sources.current?.phase ?? 'over') === phase)]),
  );
}
