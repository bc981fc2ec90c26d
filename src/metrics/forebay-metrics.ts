import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Auditor } from '../cache/auditor.ts';
import type { BreakerControl } from '../cache/breaker-types.ts';
import type { HealthReport } from '../cache/health-types.ts';
import type { Follower } from '../cache/follower-types.ts';
import type { Counted } from './cache-metrics.ts';
import type { AlertCounts } from './alert-metrics.ts';
import { registerAlertMetrics } from './alert-metrics.ts';
import { registerCacheMetrics } from './cache-metrics.ts';
import { gaugeAtScrape, one } from './at-scrape.ts';
import { registerAuditMetrics } from './audit-metrics.ts';
import { registerBreakerMetrics } from './breaker-metrics.ts';
import { registerLogMetrics } from './log-metrics.ts';
import { registerRedisMetrics } from './redis-metrics.ts';
import type { WarmthSources } from './warm-metrics.ts';
import { registerWarmMetrics } from './warm-metrics.ts';

export interface MetricsSources {
  readonly caches: readonly Counted[];
  readonly follower: Follower;
  /** Of Redis; `null` without one. */
  readonly breaker: BreakerControl | null;
  /** Of the servers of Redis; `null` without. */
  readonly health: HealthReport | null;
  /** `null` when none was asked for. */
  readonly auditor: Auditor | null;
  readonly alerting: AlertCounts;
  readonly warmth: WarmthSources;
  /** Connections of the database. */
  readonly pool: () => { readonly total: number; readonly idle: number; readonly waiting: number };
  /** Monotonic ms. */
  readonly now: () => number;
}

/** One registry with every metric of the library; the service adds those of HTTP. */
export function createMetrics(sources: MetricsSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerCacheMetrics(registry, sources.caches);
  registerLogMetrics(registry, sources.follower);
  if (sources.breaker !== null) registerBreakerMetrics(registry, sources.breaker);
  if (sources.health !== null) registerRedisMetrics(registry, sources.health);
  registerWarmMetrics(registry, sources.warmth);
  if (sources.auditor !== null) registerAuditMetrics(registry, sources.auditor);
  registerAlertMetrics(registry, sources.alerting);
  const gauges: [name: string, help: string, read: () => number][] = [
    [
      'forebay_redis_up',
      'Whether Redis can be asked (1) or not (0); absent without Redis.',
      () => (sources.follower.state() === 'up' ? 1 : 0),
    ],
    [
      'forebay_staleness_seconds',
      'Everything that was committed longer ago than this is known here: the staleness bound as it is now.',
      () => (sources.now() - sources.follower.asOf(sources.now())) / 1000,
    ],
    ['forebay_database_connections', 'Open connections to the database.', () => sources.pool().total],
    ['forebay_database_connections_idle', 'Open connections to the database without work.', () => sources.pool().idle],
    ['forebay_database_waiting', 'Callers that wait for a connection to the database.', () => sources.pool().waiting],
  ];
  const offered = sources.follower.state() === 'off' ? gauges.filter(([name]) => name !== 'forebay_redis_up') : gauges;
  for (const [name, help, read] of offered) gaugeAtScrape(registry, { name, help }, () => one(read()));
  return registry;
}
