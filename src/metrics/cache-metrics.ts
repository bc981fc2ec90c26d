import type { Registry } from 'prom-client';
import type { Cache } from '../cache/cache-types.ts';
import type { CacheStats } from '../cache/stats.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, oncePerScrape, one } from './at-scrape.ts';
import { registerTimings } from './timing-metrics.ts';

/** What of a cache is asked for: its name and its counts, of whatever record it is. */
export type Counted = Pick<Cache<never, unknown>, 'name' | 'stats'>;

type Read = (stats: CacheStats) => readonly Sample[];

const each = (label: string, counts: object): Sample[] =>
  Object.entries(counts).map(([name, value]) => [{ [label]: snake(name) }, Number(value)]);
const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Each look-up is counted under where it was answered and what it came to; `none`: nowhere. */
const LOOKUPS = {
  localHit: ['local', 'hit'],
  remoteHit: ['remote', 'hit'],
  localStale: ['local', 'stale'],
  remoteStale: ['remote', 'stale'],
  localAbsent: ['local', 'absent'],
  remoteAbsent: ['remote', 'absent'],
  loaded: ['source', 'loaded'],
  sourceAbsent: ['source', 'absent'],
  unavailable: ['none', 'unavailable'],
  aborted: ['none', 'aborted'],
} as const satisfies Record<keyof CacheStats['counts']['lookups'], readonly [tier: string, outcome: string]>;

function lookups({ counts }: CacheStats): Sample[] {
  return Object.entries(LOOKUPS).map(([name, [tier, outcome]]) => [{ tier, outcome }, counts.lookups[name as keyof typeof LOOKUPS]]);
}

/** Name, help, labels beside `cache`, and where the numbers stand. The caches count in plain integers; they are read at the scrape. */
const COUNTERS: readonly (readonly [name: string, help: string, labels: readonly string[], read: Read])[] = [
  [
    'forebay_lookups_total',
    'Look-ups by the tier that answered (local, remote, source; none) and how they ended.',
    ['tier', 'outcome'],
    lookups,
  ],
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
  [
    'forebay_leases_total',
    "Requests for a lease: won; waited for another instance's, and its fill came; lost to another, and loaded without storing; unavailable, since Redis was.",
    ['outcome'],
    ({ counts: { leases } }) =>
      each('outcome', {
        won: leases.granted,
        waited: leases.filledMeanwhile,
        lost: leases.waitedOut + leases.notWaited,
        unavailable: leases.unavailable,
      }),
  ],
  ['forebay_lease_held_total', 'Looks for a lease that found that another instance has it.', [], ({ counts }) => one(counts.leases.held)],
  ['forebay_fills_total', 'Loaded values that were stored in Redis.', [], ({ counts }) => one(counts.fills.stored)],
  [
    'forebay_fills_refused_total',
    'Values that were not stored: lease_gone, since they were invalidated meanwhile; tainted, as that was known here; too_large; unavailable, since Redis was.',
    ['reason'],
    ({ counts: { fills } }) =>
      each('reason', { leaseGone: fills.refused, tainted: fills.tainted, tooLarge: fills.tooLarge, unavailable: fills.unavailable }),
  ],
  [
    'forebay_invalidations_total',
    "Times that this process forgot something: self, asked for by a call here; log, heard of through the log of changes, in which this process's own writes come round too.",
    ['origin'],
    ({ counts: { invalidations } }) => each('origin', { self: invalidations.self, log: invalidations.log }),
  ],
  [
    'forebay_invalidated_keys_total',
    'Keys that those named.',
    ['origin'],
    ({ counts: { invalidations } }) => each('origin', { self: invalidations.selfKeys, log: invalidations.logKeys }),
  ],
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
  [
    'forebay_local_emptied_total',
    'Times that process memory was emptied since something may have been missed.',
    [],
    ({ counts }) => one(counts.gaps),
  ],
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
  ['forebay_local_max_entries', 'Limit of the entries in process memory, absent ones not counted.', ({ local }) => one(local.maxEntries)],
  ['forebay_loads_running', 'Calls of the database under way.', ({ loading }) => one(loading.running)],
  ['forebay_loads_queued', 'Keys that wait for a call of the database.', ({ loading }) => one(loading.queued)],
  ['forebay_loads_abandoned', 'Calls of the database given up on that have not ended.', ({ loading }) => one(loading.abandoned)],
  ['forebay_floors', 'Keys whose newest version is remembered until all tiers have it.', ({ floors }) => one(floors.kept)],
  ['forebay_flights', 'Loads under way, by key.', ({ loading }) => one(loading.flights)],
];

/** Registers the metrics of caches. */
export function registerCacheMetrics(registry: Registry, caches: readonly Counted[]): void {
  const stats = oncePerScrape(() => caches.map((cache) => [cache.name, cache.stats()] as const));
  const samples = (read: Read) => (): Sample[] =>
    stats().flatMap(([cache, each]) => read(each).map(([labels, value]): Sample => [{ cache, ...labels }, value]));
  for (const [name, help, labels, read] of COUNTERS) counterAtScrape(registry, { name, help, labels: ['cache', ...labels] }, samples(read));
  for (const [name, help, read] of GAUGES) gaugeAtScrape(registry, { name, help, labels: ['cache'] }, samples(read));
  registerTimings(registry, () => stats().map(([cache, { latency }]) => [cache, latency] as const));
}
