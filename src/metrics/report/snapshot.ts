import type { Cache } from '../../cache/cache-types.ts';
import type { HealthReport } from '../../cache/health-types.ts';
import type { Hot } from '../../cache/hot.ts';
import type { HistogramSnapshot } from '../../cache/latency.ts';
import type { ReuseCounts } from '../../cache/reuse-histogram.ts';
import type { CacheStats } from '../../cache/stats.ts';

/** What of a cache a report is made from, of whatever record it is. */
export type ReportedCache = Pick<Cache<never, unknown>, 'name' | 'stats' | 'reuse' | 'hot'>;

export interface ReportSources {
  /** The caches on one remote tier; they share its sampler. */
  readonly caches: readonly ReportedCache[];
  /** Whether there is a remote tier. */
  readonly hasRemote: boolean;
  /** Of its servers; `null` without. */
  readonly health: Pick<HealthReport, 'nodes'> | null;
}

/** How many there were and how long they took together. */
export interface Taken {
  readonly count: number;
  readonly ms: number;
}

export interface CacheSnapshot {
  readonly name: string;
  readonly counts: CacheStats['counts'];
  readonly loads: CacheStats['loads'];
  readonly local: CacheStats['local'];
  readonly taken: { readonly local: Taken; readonly remote: Taken; readonly source: Taken; readonly load: Taken };
  readonly reuse: ReuseCounts;
  readonly hot: Hot;
}

/** All primaries of the remote tier together; `null` where it is not known. */
export interface ServersSnapshot {
  readonly keys: number | null;
  readonly usedBytes: number | null;
  /** `null`: no limit, or not known. */
  readonly maxBytes: number | null;
  readonly evicted: number | null;
}

/** Everything that reports are made from, at one moment: all counts since the start, so that the difference of two is a period. */
export interface ReportSnapshot {
  /** Milliseconds since the epoch, for people. */
  readonly at: number;
  /** Monotonic ms. */
  readonly now: number;
  readonly caches: readonly CacheSnapshot[];
  /** Of all caches, since they share the room; `null` without a remote tier. */
  readonly remote: { readonly reuse: ReuseCounts; readonly servers: ServersSnapshot } | null;
}

/** Keys, and tags, of each cache in a snapshot. */
export const HOT_KEPT = 100;

export function takeSnapshot({ caches, hasRemote, health }: ReportSources, at: number, now: number): ReportSnapshot {
  const [first] = caches;
  return {
    at,
    now,
    caches: caches.map((cache) => snapshotOf(cache)),
    remote: hasRemote && first !== undefined ? { reuse: first.reuse().remote, servers: serversOf(health) } : null,
  };
}

function snapshotOf(cache: ReportedCache): CacheSnapshot {
  const { counts, loads, local, latency } = cache.stats();
  const { read, load } = latency;
  const taken = { local: takenOf(read.local), remote: takenOf(read.remote), source: takenOf(read.source), load: takenOf(load) };
  return { name: cache.name, counts, loads, local, taken, reuse: cache.reuse().local, hot: cache.hot(HOT_KEPT) };
}

const takenOf = ({ count, sum }: HistogramSnapshot): Taken => ({ count, ms: sum });

function serversOf(health: ReportSources['health']): ServersSnapshot {
  const primaries = (health?.nodes() ?? []).filter(({ role }) => role === 'primary');
  const sum = (values: readonly (number | null)[]): number | null =>
    values.length === 0 || values.includes(null) ? null : values.reduce<number>((all, value) => all + (value ?? 0), 0);
  const limits = primaries.map(({ maxMemoryBytes }) => maxMemoryBytes);
  return {
    keys: sum(primaries.map(({ keys }) => keys)),
    usedBytes: sum(primaries.map(({ usedMemoryBytes }) => usedMemoryBytes)),
    maxBytes: limits.includes(0) ? null : sum(limits),
    evicted: sum(primaries.map(({ evictedKeys }) => evictedKeys)),
  };
}
