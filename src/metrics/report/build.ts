import { newCounts } from '../../cache/stats.ts';
import type { Room } from './curves.ts';
import { curveOf } from './curves.ts';
import type { EfficiencyReport, HotReport, LocalCacheReport, RemoteReport, TierReport } from './efficiency-report.ts';
import { periodOf } from './period.ts';
import { sentencesOf } from './sentences.ts';
import type { CacheSnapshot, ReportSnapshot, Taken } from './snapshot.ts';

/** Hottest keys, and tags, in a report. */
const HOT = 20;
/** With fewer keys the server's own memory, a mebibyte or more, is not theirs. */
const KEYS_TO_DIVIDE = 10_000;
/** What a server of Redis 7 adds to a payload with a key of 46 characters and a TTL: measured with 100 to 1,000 bytes of payload. */
const SERVER_OVERHEAD_BYTES = 200;

const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);

const none = newCounts();

/** Sums one number over all caches. */
type Over = (of: (cache: CacheSnapshot) => number) => number;

/** What callers' reads, ended or given up, came to. */
function readsOf({ counts: { lookups } }: CacheSnapshot) {
  const local = lookups.localHit + lookups.localStale + lookups.localAbsent;
  const remote = lookups.remoteHit + lookups.remoteStale + lookups.remoteAbsent;
  const source = lookups.loaded + lookups.sourceAbsent;
  return { local, remote, source, unavailable: lookups.unavailable, total: local + remote + source + lookups.unavailable };
}

export interface Asked {
  /** `null`: all since the start. */
  readonly periodMs: number | null;
  /** Monotonic ms and ms since the epoch at which the process began to count. */
  readonly startedAt: { readonly now: number; readonly at: number };
}

/** The report of the time between two snapshots; `before`: `null` for all since the start. */
export function buildReport(before: ReportSnapshot | null, after: ReportSnapshot, { periodMs, startedAt }: Asked): EfficiencyReport {
  const from = before ?? startedAt;
  const ms = Math.max(after.now - from.now, 1);
  const period = periodOf(before, after);
  const over: Over = (of) => period.caches.reduce((sum, cache) => sum + of(cache), 0);
  const answered = {
    local: over((cache) => readsOf(cache).local),
    remote: over((cache) => readsOf(cache).remote),
    source: over((cache) => readsOf(cache).source),
    unavailable: over((cache) => readsOf(cache).unavailable),
  };
  const total = over((cache) => readsOf(cache).total);
  const database = databaseOf(over, total, ms);
  const local = localOf(period, over, database.keysPerQuery);
  const remote = remoteOf(period, over, database.keysPerQuery);
  const report = {
    version: 1,
    period: {
      askedMs: periodMs,
      from: new Date(from.at).toISOString(),
      to: new Date(after.at).toISOString(),
      ms,
      sinceStart: before === null,
    },
    reads: {
      total,
      perSecond: (total * 1000) / ms,
      answered,
      hitRatio: ratio(answered.local + answered.remote, total),
      joined: over(({ counts }) => counts.joined),
    },
    local,
    remote,
    database,
    lifetimes: {
      refreshes: over(({ counts }) => counts.refreshes),
      ...sumsOf(
        none.lifetimes,
        period.caches.map(({ counts }) => counts.lifetimes),
      ),
    },
    refusals: {
      local: sumsOf(
        none.refusals,
        period.caches.map(({ counts }) => counts.refusals),
      ),
      remote: sumsOf(
        none.remoteRefusals,
        period.caches.map(({ counts }) => counts.remoteRefusals),
      ),
    },
    stale: {
      served: over(({ counts: { lookups } }) => lookups.localStale + lookups.remoteStale),
      ifError: over(({ counts }) => counts.staleIfError),
    },
    absent: absentOf(over, total),
    hot: { keys: hotOf(period.caches, 'keys'), tags: hotOf(period.caches, 'tags') },
    curves: { local: localCurve(period, local.hitRatio), remote: remote === null ? null : remoteCurve(period, over, remote) },
  } as const;
  return { ...report, sentences: sentencesOf(report) };
}

/** Adds up what has the same names as in `start`. */
function sumsOf<T extends object>(start: T, parts: readonly T[]): T {
  const names = Object.keys(start) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, parts.reduce((sum, part) => sum + Number(part[name]), 0)])) as unknown as T;
}

function takenBy(over: Over, what: keyof CacheSnapshot['taken']): { meanMs: number | null } & Taken {
  const count = over(({ taken }) => taken[what].count);
  const ms = over(({ taken }) => taken[what].ms);
  return { count, ms, meanMs: ratio(ms, count) };
}

/** What a tier's answers spared: each would have been a key for the database. */
function savedBy(over: Over, hits: number, meanMs: number | null, keysPerQuery: number | null): TierReport['saved'] {
  const source = takenBy(over, 'source').meanMs;
  return {
    keys: hits,
    queries: hits / (keysPerQuery ?? 1),
    waitMs: source === null ? null : Math.max(0, hits * (source - (meanMs ?? 0))),
  };
}

function localOf({ caches }: ReportSnapshot, over: Over, keysPerQuery: number | null): EfficiencyReport['local'] {
  const hits = over((cache) => readsOf(cache).local);
  const { meanMs } = takenBy(over, 'local');
  const size = over(({ local }) => local.bytes);
  const entries = over(({ local }) => local.entries + local.absentEntries);
  return {
    hitRatio: ratio(
      hits,
      over((cache) => readsOf(cache).total),
    ),
    hits,
    saved: savedBy(over, hits, meanMs, keysPerQuery),
    meanMs,
    entries,
    bytes: size,
    maxBytes: over(({ local }) => local.maxBytes),
    bytesPerEntry: ratio(size, entries),
    evictions: over(({ local }) => local.evictions),
    caches: caches.map((cache): LocalCacheReport => {
      const { total, local } = readsOf(cache);
      const { entries: values, absentEntries, bytes, maxBytes } = cache.local;
      return { cache: cache.name, reads: total, hitRatio: ratio(local, total), entries: values + absentEntries, bytes, maxBytes };
    }),
  };
}

function remoteOf({ remote }: ReportSnapshot, over: Over, keysPerQuery: number | null): EfficiencyReport['remote'] {
  if (remote === null) return null;
  const { keys, usedBytes, maxBytes, evicted } = remote.servers;
  const served = over(({ counts }) => counts.remoteReads.served);
  const refused = over(({ counts }) => counts.remoteReads.refused);
  const missed = over(({ counts }) => counts.remoteReads.missed);
  const hits = over((cache) => readsOf(cache).remote);
  const { meanMs } = takenBy(over, 'remote');
  const payloadBytes = ratio(
    over(({ counts }) => counts.remoteReads.bytes),
    served + refused,
  );
  const divides = keys !== null && usedBytes !== null && keys >= KEYS_TO_DIVIDE;
  const bytesPerEntry = divides ? usedBytes / keys : payloadBytes === null ? null : payloadBytes + SERVER_OVERHEAD_BYTES;
  return {
    hitRatio: ratio(served, served + refused + missed),
    hits,
    saved: savedBy(over, hits, meanMs, keysPerQuery),
    meanMs,
    bytes: usedBytes,
    maxBytes,
    bytesPerEntry,
    bytesPerEntryFrom: divides ? 'server' : payloadBytes === null ? null : 'payload',
    evictions: evicted,
    keys,
    payloadBytes,
    refused,
    missed,
    unavailable: over(({ counts }) => counts.remoteReads.unavailable),
  } satisfies TierReport & RemoteReport;
}

function databaseOf(over: Over, total: number, ms: number): EfficiencyReport['database'] {
  const queries = over(({ loads }) => loads.calls);
  const keys = over(({ loads }) => loads.keys);
  const { meanMs, ms: busyMs } = takenBy(over, 'load');
  const keysPerQuery = ratio(keys, queries);
  const without = keysPerQuery === null ? null : total / keysPerQuery;
  return {
    queries,
    keys,
    failedKeys: over(({ loads }) => loads.failed + loads.timedOut + loads.refused),
    keysPerQuery,
    meanMs,
    queriesPerSecond: (queries * 1000) / ms,
    load: busyMs / ms,
    withoutCache: {
      queriesPerSecond: without === null ? null : (without * 1000) / ms,
      load: without === null || meanMs === null ? null : (without * meanMs) / ms,
    },
  };
}

function absentOf(over: Over, total: number): EfficiencyReport['absent'] {
  const local = over(({ counts }) => counts.lookups.localAbsent);
  const remote = over(({ counts }) => counts.lookups.remoteAbsent);
  const source = over(({ counts }) => counts.lookups.sourceAbsent);
  const all = local + remote + source;
  return { total: all, share: ratio(all, total), local, remote, source };
}

function hotOf(caches: readonly CacheSnapshot[], what: 'keys' | 'tags'): HotReport[] {
  return caches
    .flatMap((cache) => {
      const { total } = readsOf(cache);
      return cache.hot[what].map(({ key, reads, error }) => ({ cache: cache.name, name: key, reads, error, share: ratio(reads, total) }));
    })
    .toSorted((a, b) => b.reads - a.reads)
    .slice(0, HOT);
}

/** Entries that fit into process memory, and what they take: whichever of the two limits is reached first, at the mean size of those that are there. */
function roomOf(cache: CacheSnapshot): Room {
  const { entries, absentEntries, bytes, maxEntries, maxBytes } = cache.local;
  const perEntry = ratio(bytes, entries + absentEntries);
  const fits = perEntry === null ? maxEntries : Math.min(maxEntries, maxBytes / perEntry);
  return {
    reuse: cache.reuse,
    reads: readsOf(cache).total + cache.counts.lookups.aborted,
    entries: fits,
    bytes: perEntry === null ? maxBytes : fits * perEntry,
  };
}

function localCurve({ caches }: ReportSnapshot, measuredHitRatio: number | null): EfficiencyReport['curves']['local'] {
  return curveOf({ rooms: caches.map((cache) => roomOf(cache)), measuredHitRatio, tier: 'process memory', sizeIs: 'limit' });
}

function remoteCurve({ remote }: ReportSnapshot, over: Over, report: RemoteReport & TierReport): EfficiencyReport['curves']['remote'] {
  if (remote === null) return null;
  const { maxBytes, bytesPerEntry, keys } = report;
  const atLimit = maxBytes !== null && bytesPerEntry !== null;
  const entries = atLimit ? maxBytes / bytesPerEntry : (keys ?? 0);
  const room = {
    reuse: remote.reuse,
    reads: over(({ counts: { remoteReads } }) => remoteReads.served + remoteReads.refused + remoteReads.missed),
    entries,
    bytes: atLimit ? maxBytes : bytesPerEntry === null ? null : entries * bytesPerEntry,
  };
  return curveOf({ rooms: [room], measuredHitRatio: report.hitRatio, tier: 'Redis', sizeIs: atLimit ? 'limit' : 'present' });
}
