import type { Alert } from '../../../src/alerts/alert.ts';
import { Alerts } from '../../../src/alerts/alerts.ts';
import type { AlertSources } from '../../../src/alerts/facts.ts';
import type { AlertOptions } from '../../../src/alerts/options.ts';
import { resolveAlertOptions } from '../../../src/alerts/options.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

export const BOUND_MS = 1000;

/** What the sources say; a function is called, and may throw. */
export type Said = { -readonly [N in keyof AlertSources]: ReturnType<AlertSources[N]> | AlertSources[N] };

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** Alerts over facts that a test sets, on a clock that it turns. */
export function watch(options: AlertOptions = {}, tell: (alert: Alert) => void = () => {}) {
  const clock = new FakeClock();
  const said: Said = { redis: 'up', breaker: 'closed', stalenessMs: 0, outboxDepth: async () => 0, staleFound: 0, waiting: 0, refused: 0 };
  const read = <N extends keyof AlertSources>(name: N): ReturnType<AlertSources[N]> => {
    const value: unknown = said[name];
    return (typeof value === 'function' ? value() : value) as ReturnType<AlertSources[N]>;
  };
  const sources = Object.fromEntries(
    Object.keys(said).map((name) => [name, () => read(name as keyof AlertSources)]),
  ) as unknown as AlertSources;
  const told: Alert[] = [];
  const lines: LogLine[] = [];
  const log =
    (level: LogLine['level']) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields: fields as Record<string, unknown>, message });
  const logger: Logger = { debug: () => {}, info: log('info'), warn: log('warn'), error: log('error') };
  let ids = 0;
  const { thresholds, instance } = resolveAlertOptions({ instance: 'host:1', ...options }, BOUND_MS);
  const alerts = new Alerts({
    sources,
    thresholds,
    instance,
    logger,
    clock,
    chance: { random: () => 0.5, uniqueId: () => `episode-${++ids}` },
    tell: (alert) => {
      told.push(alert);
      tell(alert);
    },
  });
  return { clock, said, told, lines, alerts, states: () => told.map(({ alert, state }) => `${alert} ${state}`) };
}
