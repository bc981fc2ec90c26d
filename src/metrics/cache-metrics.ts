import type { Registry } from 'prom-client';
import type { Cache } from '../cache/cache-types.ts';
import type { CacheStats } from '../cache/stats.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

/** What of a cache is asked for: its name and its counts, of whatever record it is. */
export type Counted = Pick<Cache<never, unknown>, 'name' | 'stats'>;

type Read = (stats: CacheStats) => readonly Sample[];

const each = (label: string, counts: object): Sample[] =>
  Object.entries(counts).map(([name, value]) => [{ [label]: snake(name) }, Number(value)]);
const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Name, help, labels beside `cache`, and where the numbers stand. The caches count in plain integers; they are read at the scrape. */
const COUNTERS: readonly (readonly [name: string, help: string, labels: readonly string[], read: Read])[] = [
  ['forebay_lookups_total', 'Look-ups by how they ended.', ['outcome'], ({ counts }) => each('outcome', counts.lookups)],
  [
    'forebay_lookups_stale_if_error_total',
    'Stale answers that were given only since the database failed; they may be staler than the bound.',
    [],
    ({ counts }) => one(counts.staleIfError),
  ],
  ['forebay_lookups_joined_total', 'Look-ups that shared a load begun by another.', [], ({ counts }) => one(counts.joined)],
  [
    'forebay_local_refusals_total',
    'Local entries that were there and not served.',
    ['reason'],
    ({ counts }) => each('reason', counts.refusals),
  ],
  [
    'forebay_remote_refusals_total',
    'Remote entries that were there and not served.',
    ['reason'],
    ({ counts }) => each('reason', counts.remoteRefusals),
  ],
  ['forebay_leases_total', 'Requests for a lease by what came of them.', ['outcome'], ({ counts }) => each('outcome', counts.leases)],
  ['forebay_fills_total', 'Loaded values on their way into Redis.', ['outcome'], ({ counts }) => each('outcome', counts.fills)],
  [
    'forebay_flights_tainted_total',
    'Loads that an invalidation met, and that were stored nowhere.',
    [],
    ({ counts }) => one(counts.tainted),
  ],
  ['forebay_reloads_total', 'Loads done again, since another gave out a newer version meanwhile.', [], ({ counts }) => one(counts.reloads)],
  [
    'forebay_floors_dropped_total',
    'Keys whose newest version was forgotten for want of room before all tiers had it.',
    [],
    ({ floors }) => one(floors.dropped),
  ],
  ['forebay_refreshes_total', 'Loads ahead of expiry.', [], ({ counts }) => one(counts.refreshes)],
  ['forebay_bus_gaps_total', 'Times the local tier was emptied since messages may have been missed.', [], ({ counts }) => one(counts.gaps)],
  ['forebay_loads_total', 'Calls of the database.', [], ({ loads }) => one(loads.calls)],
  ['forebay_loaded_keys_total', 'Keys asked of the database.', [], ({ loads }) => one(loads.keys)],
  [
    'forebay_loads_failed_total',
    'Keys that the database did not answer for.',
    ['reason'],
    ({ loads }) => each('reason', { failed: loads.failed, timedOut: loads.timedOut, refused: loads.refused }),
  ],
  ['forebay_local_evictions_total', 'Local entries that made room for others.', [], ({ local }) => one(local.evictions)],
];

const GAUGES: readonly (readonly [name: string, help: string, read: Read])[] = [
  ['forebay_local_entries', 'Entries in process memory.', ({ local }) => one(local.entries + local.absentEntries)],
  ['forebay_local_bytes', 'Bytes of process memory that entries take.', ({ local }) => one(local.bytes)],
  ['forebay_local_max_bytes', 'Limit of forebay_local_bytes.', ({ local }) => one(local.maxBytes)],
  ['forebay_loads_running', 'Calls of the database under way.', ({ loading }) => one(loading.running)],
  ['forebay_loads_queued', 'Keys that wait for a call of the database.', ({ loading }) => one(loading.queued)],
  ['forebay_loads_abandoned', 'Calls of the database given up on that have not ended.', ({ loading }) => one(loading.abandoned)],
  ['forebay_floors', 'Keys whose newest version is remembered until all tiers have it.', ({ floors }) => one(floors.kept)],
  ['forebay_flights', 'Loads under way, by key.', ({ loading }) => one(loading.flights)],
];

/** Registers the metrics of caches. */
export function registerCacheMetrics(registry: Registry, caches: readonly Counted[]): void {
  const samples = (read: Read) => (): Sample[] =>
    caches.flatMap((cache) => read(cache.stats()).map(([labels, value]): Sample => [{ cache: cache.name, ...labels }, value]));
  for (const [name, help, labels, read] of COUNTERS) counterAtScrape(registry, { name, help, labels: ['cache', ...labels] }, samples(read));
  for (const [name, help, read] of GAUGES) gaugeAtScrape(registry, { name, help, labels: ['cache'] }, samples(read));
}
