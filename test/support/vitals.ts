import { newFollowerCounts } from '../../src/cache/follower-types.ts';
import { noRecorder } from '../../src/cache/recorder.ts';
import { newCounts } from '../../src/cache/stats.ts';
import type { CacheStats } from '../../src/cache/stats.ts';
import type { Vitals } from '../../src/vitals.ts';

/** What a cache says that has nothing to do. */
export function calmStats(): CacheStats {
  return {
    counts: newCounts(),
    loads: { calls: 0, keys: 0, refused: 0, timedOut: 0, failed: 0 },
    loading: { running: 0, queued: 0, abandoned: 0, flights: 0 },
    floors: { kept: 0, dropped: 0 },
    local: { entries: 0, bytes: 0, maxEntries: 1000, maxBytes: 1_000_000, evictions: 0, absentEntries: 0 },
    latency: noRecorder.snapshot(),
  };
}

/** What a Forebay says of itself on a calm day. */
export function calmVitals(): Vitals {
  return {
    instance: 'host:1',
    caches: [
      { name: 'file:info', stats: calmStats() },
      { name: 'file:meta', stats: calmStats() },
    ],
    follower: {
      counts: { ...newFollowerCounts(), asked: 10 },
      relay: { rounds: 0, applied: 0, ahead: 0, behind: 0, failed: 0, restarts: 0 },
      number: 5,
      last: 5,
      fence: 5,
      settling: 0,
      levelAt: null,
      answered: true,
      hears: true,
      source: { tookMs: 1, waitingMs: 0, failingMs: null },
    },
    stalenessMs: 120,
    maxStalenessMs: 1000,
    redis: {
      state: 'up',
      breaker: { state: 'closed', reason: 'calls pass from the start' },
      nodes: [
        {
          node: '127.0.0.1:6379',
          state: 'up',
          connected: true,
          breaker: 'closed',
          pingMs: 0.2,
          version: '7.0.15',
          role: 'primary',
          connectedReplicas: 0,
          keys: 100,
          usedMemoryBytes: 2_000_000,
          maxMemoryBytes: 256_000_000,
          policy: 'allkeys-lru',
          evictedKeys: 0,
          fragmentation: 1.1,
        },
      ],
      findings: [],
    },
    database: { kind: 'postgres', pool: { total: 10, idle: 10, limit: 10, waiting: 0 } },
    outbox: { depth: 0, alertAbove: 1000 },
    pacer: { recovering: false, load: 50, calmLoad: 50 },
    warming: { running: false, loaded: 0, found: 0 },
    audit: null,
    alerts: [],
  };
}
