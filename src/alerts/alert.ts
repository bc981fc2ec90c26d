import { formatDuration } from '../core/duration.ts';
import type { AlertFacts } from './facts.ts';
import type { AlertThresholds } from './options.ts';

export const ALERT_NAMES = ['redis_down', 'breaker_open', 'bound_exceeded', 'outbox_deep', 'stale_found', 'database_overload'] as const;
export type AlertName = (typeof ALERT_NAMES)[number];

/** One change of one alert, as the log, `onAlert`, the webhook and `GET /v1/alerts` tell it. */
export interface Alert {
  /** Of this form. */
  readonly version: 1;
  /** Of this message: the same at each try to deliver it, and never again. */
  readonly id: string;
  /** The same in the message that it fires and in the one that it is resolved. */
  readonly episode: string;
  readonly alert: AlertName;
  /** `critical`: a promise is broken or callers are hurt. `warning`: it works, slower or with less in reserve. */
  readonly severity: 'warning' | 'critical';
  readonly state: 'firing' | 'resolved';
  /** For a human: what is measured, what it means and where to look. */
  readonly summary: string;
  /** What was measured, in `unit`; `null` where it is beyond measure, such as the staleness before the first proof. */
  readonly value: number | null;
  /** What `value` is above. */
  readonly threshold: number;
  readonly unit: 'ms' | 'changes' | 'records' | 'callers';
  /** When it was first seen, before the time that it had to last. RFC 3339, UTC. */
  readonly startedAt: string;
  /** When it was last seen to be over; the message comes later, when it stayed so. `null` while it fires. */
  readonly resolvedAt: string | null;
  /** How often it went and came back meanwhile without a message of its own. */
  readonly returns: number;
  /** Which process tells this. */
  readonly instance: string;
}

/** What an alert is: when it fires and what it says. All times and levels of all alerts stand in `alertRules`. */
export interface AlertRule {
  readonly name: AlertName;
  readonly severity: Alert['severity'];
  /** What is compared with the limit; `null` = not known at this moment, which neither fires nor resolves anything. */
  readonly measure: (facts: AlertFacts) => number | null;
  readonly limit: (thresholds: AlertThresholds) => number;
  /** Once it fires, it is over only at this share of the limit or below: a measure that hovers at the limit does not flap. */
  readonly calmShare: number;
  /** So long the measure has to be above the limit before anyone is told, in ms: a blip tells nobody. */
  readonly holdMs: (thresholds: AlertThresholds) => number;
  /** So long it has to be over before it is told to be, in ms; doubled with each time that it fired within the hour. */
  readonly clearMs: (thresholds: AlertThresholds) => number;
  /** The value that is told: the measure, all measures of the episode added up, or for how long it lasts, of which `holdMs` is then the threshold. */
  readonly tells: 'measure' | 'sum' | 'duration';
  readonly unit: Alert['unit'];
  /** `value` and `threshold` as a person writes them; without a value where it is beyond measure. */
  readonly firing: (value: string | null, threshold: string) => string;
  readonly over: string;
}

/** A finding is a moment, not a state: it is over when none has followed for so long, in ms. */
const STALE_FOUND_CLEAR_MS = 300_000;

const clearMs = (thresholds: AlertThresholds): number => thresholds.clearMs;
const isAndLasts = { limit: () => 0, calmShare: 1, clearMs, tells: 'duration', unit: 'ms' } as const;

/** Every alert. `docs/alerts.md` gives the reasons for the limits, and a test holds the two together. */
export const alertRules: readonly AlertRule[] = Object.freeze([
  {
    ...isAndLasts,
    name: 'redis_down',
    severity: 'warning',
    // A breaker that keeps calls from Redis makes it "down" too, and has an alert of its own: one trouble, one alert.
    measure: ({ redis, breaker }) => (redis === null || (breaker ?? 'closed') !== 'closed' ? null : Number(redis === 'down')),
    holdMs: ({ redisDownMs }) => redisDownMs,
    firing: (value) =>
      `Redis could not be reached for ${value}: every miss of process memory goes to the database. See whether redis-server runs and can be reached from this host.`,
    over: 'Redis can be reached again',
  },
  {
    ...isAndLasts,
    name: 'breaker_open',
    severity: 'warning',
    // Whoever isolates Redis knows of it.
    measure: ({ breaker }) => (breaker === null ? null : Number(breaker === 'open' || breaker === 'half-open')),
    holdMs: ({ breakerOpenMs }) => breakerOpenMs,
    firing: (value) =>
      `Redis was not asked for ${value}, since calls failed or took too long (the breaker is open): every miss of process memory goes to the database. See whether redis-server runs, is frozen, swaps, is full, or runs slow scripts.`,
    over: 'Redis is asked again',
  },
  {
    name: 'bound_exceeded',
    severity: 'critical',
    measure: ({ stalenessMs }) => stalenessMs,
    limit: ({ maxStalenessMs }) => maxStalenessMs,
    calmShare: 1,
    holdMs: ({ boundExceededMs }) => boundExceededMs,
    clearMs,
    tells: 'measure',
    unit: 'ms',
    firing: (value, threshold) =>
      `The caches are not used: ${value === null ? 'nothing is proven yet' : `what was committed in the last ${value} may not be known here`}, and the bound is ${threshold}. Every read goes to the database, or fails if it does not answer. See whether the database answers, a process relays, and this process has CPU.`,
    over: 'The caches are used again: the staleness is within the bound',
  },
  {
    name: 'outbox_deep',
    severity: 'warning',
    measure: ({ outboxDepth }) => outboxDepth,
    limit: ({ outboxDepth }) => outboxDepth,
    calmShare: 0.5,
    holdMs: ({ outboxDeepMs }) => outboxDeepMs,
    clearMs,
    tells: 'measure',
    unit: 'changes',
    firing: (value, threshold) =>
      `${value} changes wait to be told to the caches (alert above ${threshold}). See whether Redis is away, a process relays, and what writes so much.`,
    over: 'The changes that waited have been told to the caches',
  },
  {
    name: 'stale_found',
    severity: 'critical',
    measure: ({ staleFound }) => staleFound,
    limit: () => 0,
    calmShare: 1,
    holdMs: () => 0,
    clearMs: (thresholds) => Math.max(STALE_FOUND_CLEAR_MS, thresholds.clearMs),
    tells: 'sum',
    unit: 'records',
    firing: (value) =>
      `The auditor found cached records older than the bound: ${value}. The promise is broken. See whether somebody writes with triggers off; if not, please report it with the log of the minutes before.`,
    over: 'The auditor finds no more cached records that are older than the bound',
  },
  {
    name: 'database_overload',
    severity: 'critical',
    measure: ({ waiting, refused }) => (waiting === null || refused === null ? null : waiting + refused),
    limit: ({ databaseWaiting }) => databaseWaiting,
    calmShare: 0.5,
    holdMs: ({ databaseOverloadMs }) => databaseOverloadMs,
    clearMs,
    tells: 'measure',
    unit: 'callers',
    firing: (value, threshold) =>
      `${value} callers wait for the database or were refused in the last second (alert above ${threshold}). See what keeps the database busy; more databaseConnections or maxConcurrentLoads help only if it has room.`,
    over: 'The database keeps up again',
  },
] satisfies readonly AlertRule[]);

/** A measured time as a person reads it: whole seconds where there are any. */
export function roundedDuration(ms: number): string {
  return ms < 1000 ? formatDuration(Math.round(ms)) : formatDuration(Math.round(ms / 1000) * 1000);
}
