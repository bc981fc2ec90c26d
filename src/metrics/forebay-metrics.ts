import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Auditor } from '../cache/auditor.ts';
import type { BreakerControl } from '../cache/breaker-types.ts';
import type { HealthReport } from '../cache/health-types.ts';
import type { Counted } from './cache-metrics.ts';
import type { AlertCounts } from './alert-metrics.ts';
import { registerAlertMetrics } from './alert-metrics.ts';
import { registerCacheMetrics } from './cache-metrics.ts';
import { registerAuditMetrics } from './audit-metrics.ts';
import type { BackupCounts } from './backup-metrics.ts';
import { registerBackupMetrics } from './backup-metrics.ts';
import { registerBreakerMetrics } from './breaker-metrics.ts';
import { registerLogMetrics } from './log-metrics.ts';
import { registerRedisMetrics } from './redis-metrics.ts';
import type { RecoverySources } from './recovery-metrics.ts';
import { registerRecoveryMetrics } from './recovery-metrics.ts';
import type { StateSources } from './state-metrics.ts';
import { registerStateMetrics } from './state-metrics.ts';
import type { WarmthSources } from './warm-metrics.ts';
import { registerWarmMetrics } from './warm-metrics.ts';

export interface MetricsSources extends StateSources {
  readonly caches: readonly Counted[];
  /** Of Redis; `null` without one. */
  readonly breaker: BreakerControl | null;
  /** Of the servers of Redis; `null` without. */
  readonly health: HealthReport | null;
  /** `null` when none was asked for. */
  readonly auditor: Auditor | null;
  readonly alerting: AlertCounts;
  readonly warmth: WarmthSources;
  readonly recoveries: RecoverySources;
  readonly backups: BackupCounts;
}

/** Gauges of the library's that are named as if they were counters, and handles and requests, which are all among the resources. */
const LEFT_OUT = [
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
];

/** One registry with every metric of the library; the service adds those of HTTP. */
export function createMetrics(sources: MetricsSources): Registry {
  const registry = new Registry();
  registerCacheMetrics(registry, sources.caches);
  registerLogMetrics(registry, sources.follower);
  if (sources.breaker !== null) registerBreakerMetrics(registry, sources.breaker);
  if (sources.health !== null) registerRedisMetrics(registry, sources.health);
  registerWarmMetrics(registry, sources.warmth);
  registerRecoveryMetrics(registry, sources.recoveries);
  registerBackupMetrics(registry, sources.backups);
  if (sources.auditor !== null) registerAuditMetrics(registry, sources.auditor);
  registerAlertMetrics(registry, sources.alerting);
  registerStateMetrics(registry, sources);
  collectDefaultMetrics({ register: registry });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  return registry;
}
