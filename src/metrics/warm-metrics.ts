import type { Registry } from 'prom-client';
import type { Pacer } from '../cache/pacer.ts';
import type { Popularity } from '../cache/popularity.ts';
import type { Warmer } from '../cache/warming.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

/** What brings caches back. The warmer's counts and those of the record of popular keys are `null` while there are none. */
export interface WarmthSources {
  readonly pacer: Pacer;
  readonly warmer: () => Warmer['counts'] | null;
  readonly popularity: () => Popularity['stats'] | null;
}

type Read = (sources: WarmthSources) => readonly Sample[];

const COUNTERS: readonly (readonly [name: string, help: string, labels: readonly string[], read: Read])[] = [
  [
    'forebay_warm_runs_total',
    'Warmings by how they ended.',
    ['outcome'],
    ({ warmer }) => Object.entries(warmer()?.runs ?? {}).map(([outcome, count]): Sample => [{ outcome }, count]),
  ],
  ['forebay_warmed_entries_total', 'Records that warming loaded from the database.', [], ({ warmer }) => one(warmer()?.loaded ?? 0)],
  ['forebay_warm_found_entries_total', 'Records that warming found in the tiers.', [], ({ warmer }) => one(warmer()?.found ?? 0)],
  [
    'forebay_popular_written_total',
    'Popular keys whose counts were written to the database.',
    [],
    ({ popularity }) => one(popularity()?.written ?? 0),
  ],
  [
    'forebay_popular_dropped_total',
    'Popular keys whose counts were dropped, for want of room or since the database did not answer.',
    [],
    ({ popularity }) => one(popularity()?.dropped ?? 0),
  ],
  [
    'forebay_popular_failures_total',
    'Writings of counts that the database did not answer in time.',
    [],
    ({ popularity }) => one(popularity()?.failed ?? 0),
  ],
  [
    'forebay_pacer_recoveries_total',
    'Times that loads began to be paced, since Redis was away or came back empty.',
    [],
    ({ pacer }) => one(pacer.counts.recoveries),
  ],
  [
    'forebay_pacer_held_total',
    'Calls of the database that were held back for a moment so that more keys could join them.',
    [],
    ({ pacer }) => one(pacer.counts.held),
  ],
  [
    'forebay_pacer_warm_wait_seconds_total',
    'Time that warming waited for its turn.',
    [],
    ({ pacer }) => one(pacer.counts.warmWaitMs / 1000),
  ],
];

const GAUGES: readonly (readonly [name: string, help: string, read: (sources: WarmthSources) => number | null])[] = [
  [
    'forebay_popular_rows',
    'Rows in the table of popular keys, when this process looked last; absent until it has.',
    ({ popularity }) => popularity()?.rows ?? null,
  ],
  ['forebay_pacer_recovering', 'Whether loads are paced at this moment (1) or not (0).', ({ pacer }) => (pacer.recovering ? 1 : 0)],
  ['forebay_pacer_load', 'Calls of the database under way, on average over the last seconds.', ({ pacer }) => pacer.load / 1000],
  [
    'forebay_pacer_calm_load',
    'The mean of that while Redis was up and level; absent for the first minute.',
    ({ pacer }) => (pacer.calmMean === null ? null : pacer.calmMean / 1000),
  ],
];

/** Registers the metrics of popularity, warming and pacing. */
export function registerWarmMetrics(registry: Registry, sources: WarmthSources): void {
  for (const [name, help, labels, read] of COUNTERS) counterAtScrape(registry, { name, help, labels }, () => read(sources));
  for (const [name, help, read] of GAUGES) {
    gaugeAtScrape(registry, { name, help }, () => {
      const value = read(sources);
      return value === null ? [] : one(value);
    });
  }
}
