import type { Registry } from 'prom-client';
import type { Follower } from '../cache/follower-types.ts';
import { gaugeAtScrape, one } from './at-scrape.ts';

export interface StateSources {
  readonly follower: Follower;
  readonly maxStalenessMs: number;
  /** Connections of the database. */
  readonly pool: () => { readonly total: number; readonly idle: number; readonly limit: number; readonly waiting: number };
  /** Monotonic ms. */
  readonly now: () => number;
}

/** `null`: there is no such thing, or it is not known. */
type Gauge = readonly [name: string, help: string, read: (sources: StateSources) => number | null];

const GAUGES: readonly Gauge[] = [
  [
    'forebay_redis_up',
    'Whether Redis can be asked: there is a connection, and the breaker lets calls pass (1), or not (0); absent without Redis.',
    ({ follower }) => (follower.state() === 'off' ? null : Number(follower.state() === 'up')),
  ],
  ['forebay_bus_up', 'Whether the bus is subscribed (1) or not (0); absent without Redis.', ({ follower }) => flag(follower.stats().hears)],
  [
    'forebay_database_up',
    'Whether the database answered the last look at the log of changes (1) or not (0).',
    ({ follower }) => flag(follower.stats().answered),
  ],
  [
    'forebay_staleness_seconds',
    'Everything that was committed longer ago than this is known here: the staleness bound as it is now.',
    ({ follower, now }) => (now() - follower.asOf(now())) / 1000,
  ],
  [
    'forebay_staleness_limit_seconds',
    'The bound that is promised: beyond it the caches are not used.',
    ({ maxStalenessMs }) => maxStalenessMs / 1000,
  ],
  [
    'forebay_outbox_lag_seconds',
    'Everything that was committed longer ago than this is applied in Redis; absent without a relay here, and until it was so once.',
    ({ follower, now }) => {
      const { levelAt } = follower.stats();
      return levelAt === null ? null : (now() - levelAt) / 1000;
    },
  ],
  ['forebay_database_connections', 'Open connections to the database.', ({ pool }) => pool().total],
  ['forebay_database_connections_idle', 'Open connections to the database without work.', ({ pool }) => pool().idle],
  ['forebay_database_connections_limit', 'Connections to the database that may be open at once.', ({ pool }) => pool().limit],
  ['forebay_database_waiting', 'Callers that wait for a connection to the database.', ({ pool }) => pool().waiting],
];

const flag = (value: boolean | null): number | null => (value === null ? null : Number(value));

/** Registers the state of connections, of freshness, and of the database's pool. */
export function registerStateMetrics(registry: Registry, sources: StateSources): void {
  for (const [name, help, read] of GAUGES) {
    gaugeAtScrape(registry, { name, help }, () => {
      const value = read(sources);
      return value === null ? [] : one(value);
    });
  }
}
