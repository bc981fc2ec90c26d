import type { Alert } from './alerts/alert.ts';
import { Alerts } from './alerts/alerts.ts';
import type { AlertSources } from './alerts/facts.ts';
import type { AlertOptions } from './alerts/options.ts';
import { resolveAlertOptions } from './alerts/options.ts';
import { Webhook } from './alerts/webhook.ts';
import type { Auditor } from './cache/auditor.ts';
import { systemClock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import { systemChance } from './core/random.ts';
import type { FollowingTier } from './following-tier.ts';
import type { FileCaches } from './files/file-caches.ts';
import type { Database } from './postgres/database.ts';

/** What alerts look at. */
export interface WatchedParts {
  readonly caches: FileCaches;
  readonly follower: FollowingTier;
  /** `null` when none was asked for. */
  readonly auditor: Auditor | null;
  readonly database: Database;
  readonly maxStalenessMs: number;
  readonly logger: Logger;
}

/** The alerts of one Forebay and the webhook that they go to. */
export interface Alerting {
  readonly alerts: Alerts;
  /** `null` when none was asked for. */
  readonly webhook: Webhook | null;
  /** Looks no more, and gives what waits for the webhook two seconds to go out. */
  close(): Promise<void>;
}

/** `note`: told each change first. Checks the options, so that a mistake in them shows before anything is opened; what it returns begins to look. */
export function prepareAlerting(
  options: AlertOptions,
  maxStalenessMs: number,
  note: (alert: Alert) => void = () => {},
): (parts: WatchedParts) => Alerting {
  const { thresholds, instance, onAlert, webhook: target } = resolveAlertOptions(options, maxStalenessMs);
  return (parts) => {
    const common = { logger: parts.logger, clock: systemClock, chance: systemChance };
    const webhook = target === null ? null : new Webhook({ ...common, target });
    const tell = (alert: Alert): void => {
      note(alert);
      webhook?.send(alert);
      onAlert(alert);
    };
    const alerts = new Alerts({ ...common, sources: sourcesOf(parts), thresholds, instance, tell });
    return {
      alerts,
      webhook,
      close: async () => {
        alerts.close();
        await webhook?.close();
      },
    };
  };
}

function sourcesOf({ caches, follower, auditor, database }: WatchedParts): AlertSources {
  const loads = (): ReturnType<FileCaches['info']['stats']>[] => [caches.info.stats(), caches.meta.stats()];
  return {
    redis: () => follower.state(),
    breaker: () => follower.breaker?.state ?? null,
    stalenessMs: () => {
      const now = systemClock.now();
      return now - follower.asOf(now);
    },
    outboxDepth: () => follower.depth(),
    staleFound: () => auditor?.counts.stale ?? 0,
    waiting: () => loads().reduce((sum, { loading }) => sum + loading.queued, database.stats().waiting),
    refused: () => loads().reduce((sum, { loads: { refused } }) => sum + refused, 0),
  };
}
