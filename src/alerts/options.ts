import { hostname } from 'node:os';
import { ForebayError } from '../core/errors.ts';
import type { Alert } from './alert.ts';

/** Where alerts are posted, and with which secret they are signed. */
export interface WebhookTarget {
  /** `http:` or `https:`, without user and password in it. What stands in its path may be a secret: it is never logged. */
  readonly url: string;
  /** At least 16 characters; the receiver checks the signature with it. */
  readonly secret: string;
}

export interface AlertOptions {
  /** Receives each change of an alert as signed JSON. @defaultValue none */
  readonly webhook?: WebhookTarget;
  /** Called with each change of an alert. What it throws is logged. @defaultValue does nothing */
  readonly onAlert?: (alert: Alert) => void;
  /** Names this process in alerts; 1 to 128 characters. @defaultValue `HOST:PID` */
  readonly instance?: string;
  /** Redis cannot be reached for so long, in ms. @defaultValue 10,000 */
  readonly redisDownMs?: number;
  /** The breaker keeps calls from Redis for so long, in ms. @defaultValue 10,000 */
  readonly breakerOpenMs?: number;
  /** The staleness is beyond the bound for so long, in ms. @defaultValue 5,000 */
  readonly boundExceededMs?: number;
  /** More changes than this wait in the outbox or for Redis; from 0 to 9,999, since they are counted up to 10,000. @defaultValue 1,000 */
  readonly outboxDepth?: number;
  /** And do for so long, in ms: an outbox that a burst of writes fills is empty again within seconds. @defaultValue 30,000 */
  readonly outboxDeepMs?: number;
  /** More callers than this wait for the database, or are refused within a second. @defaultValue 100 */
  readonly databaseWaiting?: number;
  /** And do for so long, in ms: bursts are what the queues are for. @defaultValue 5,000 */
  readonly databaseOverloadMs?: number;
  /** An alert has to be over for so long before it is told to be, in ms, from 1,000; doubled with each time that it fired within the hour. @defaultValue 30,000 */
  readonly clearMs?: number;
}

/** Limits of the numbers: [least, most, default]. */
const NUMBERS = {
  redisDownMs: [0, 86_400_000, 10_000],
  breakerOpenMs: [0, 86_400_000, 10_000],
  boundExceededMs: [0, 86_400_000, 5_000],
  outboxDepth: [0, 9_999, 1_000],
  outboxDeepMs: [0, 86_400_000, 30_000],
  databaseWaiting: [0, 1_000_000, 100],
  databaseOverloadMs: [0, 86_400_000, 5_000],
  clearMs: [1_000, 3_600_000, 30_000],
} as const;
const OTHERS = new Set(['webhook', 'onAlert', 'instance']);

/** The numbers against which facts are held. */
export type AlertThresholds = Readonly<Record<keyof typeof NUMBERS, number>> & { readonly maxStalenessMs: number };

export interface ResolvedAlertOptions {
  readonly thresholds: AlertThresholds;
  readonly webhook: WebhookTarget | null;
  readonly instance: string;
  readonly onAlert: (alert: Alert) => void;
}

/**
 * Checks options and fills in the defaults.
 * @throws {ForebayError} `CONFIG_INVALID`, naming the option and the rule; an unknown option is an error too.
 */
export function resolveAlertOptions(options: AlertOptions, maxStalenessMs: number): ResolvedAlertOptions {
  const given = options as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(NUMBERS, name) && !OTHERS.has(name)) throw invalid(name, 'is not an option of alerts');
  }
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [least, most, byDefault]]) => {
      const value = given[name] ?? byDefault;
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return [name, value];
      throw invalid(
        name,
        `has to be a whole number from ${least} to ${most}, and is ${typeof value === 'number' ? value : `of type ${typeof value}`}`,
      );
    }),
  ) as Record<keyof typeof NUMBERS, number>;
  const { instance = `${hostname()}:${process.pid}`, onAlert = () => {}, webhook } = options;
  if (!/^[^\p{C}]{1,128}$/u.test(instance)) throw invalid('instance', 'has to be 1 to 128 characters that can be seen');
  if (typeof onAlert !== 'function') throw invalid('onAlert', 'has to be a function');
  if (webhook !== undefined) checkTarget(webhook);
  return Object.freeze({
    thresholds: Object.freeze({ ...numbers, maxStalenessMs }),
    webhook: webhook === undefined ? null : Object.freeze({ url: webhook.url, secret: webhook.secret }),
    instance,
    onAlert,
  });
}

/** Never says what was given: both parts are secrets. */
function checkTarget({ url, secret }: WebhookTarget): void {
  if (!isWebhookUrl(url)) throw invalid('webhook.url', 'has to be an http: or https: URL without user and password in it');
  if (typeof secret !== 'string' || secret.length < 16) throw invalid('webhook.secret', 'has to have at least 16 characters');
}

/** Whether alerts can be posted there. */
export function isWebhookUrl(url: string): boolean {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === '';
}

function invalid(name: string, rule: string): ForebayError {
  return new ForebayError('CONFIG_INVALID', `alerts.${name} ${rule}`, { field: `alerts.${name}` });
}
