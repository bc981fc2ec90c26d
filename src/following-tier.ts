import type { BreakerChange, BreakerControl } from './cache/breaker-types.ts';
import type { HealthFinding, HealthReport } from './cache/health-types.ts';
import type { Follower, FollowerOptions } from './cache/follower-types.ts';
import { createFollower } from './cache/follower.ts';
import type { LogStore } from './cache/log-store.ts';
import type { LogTags } from './cache/log-tags.ts';
import { checkMaxStaleness } from './cache/options.ts';
import type { StoredKeys } from './cache/stored-keys.ts';
import type { Logger } from './core/logger.ts';
import { silentLogger } from './core/logger.ts';
import { createChangeLog } from './postgres/change-log.ts';
import type { Database } from './postgres/database.ts';
import type { BreakerOptions } from './redis/breaker-options.ts';
import { createRedisLogStore } from './redis/log-store.ts';
import type { RedisServer } from './redis/server-address.ts';

export interface FollowingTierOptions extends Pick<
  FollowerOptions,
  'relay' | 'maxStalenessMs' | 'confirmMs' | 'onAnew' | 'onStep' | 'tracer'
> {
  /** Open and migrated; it stays its opener's. */
  readonly database: Database;
  /** A URL, or a URL and what goes with it; `null`: process memory only. */
  readonly redis: string | RedisServer | null;
  /** Put before every key in Redis: at most 256 characters, no braces. @defaultValue '' */
  readonly keyPrefix?: string;
  /** When calls of Redis are given up, and tried again. @defaultValue as in docs/breaker.md */
  readonly breaker?: Partial<BreakerOptions>;
  /** Told of each change of the breaker of Redis, once. @defaultValue does nothing */
  readonly onBreakerChange?: (change: BreakerChange) => void;
  /** Told once of each setting or state of a server of Redis that endangers a promise. @defaultValue does nothing */
  readonly onFinding?: (finding: HealthFinding) => void;
  /** Told of each change between up and down: of Redis as a whole, and of each node of a Cluster. @defaultValue does nothing */
  readonly onRedisChange?: (state: 'up' | 'down', reason: string, node: string | null) => void;
  /** @defaultValue says nothing */
  readonly logger?: Logger;
}

export interface FollowingTier extends Follower {
  /** What keeps calls from a Redis that fails; `null` without one. */
  readonly breaker: BreakerControl | null;
  /** How the servers of Redis are; `null` without. */
  readonly health: HealthReport | null;
  /** Tries at once what of Redis is away, instead of after its delay; an isolation stays. */
  probe(): void;
  /** The names of the keys that are in Redis; `null` without. */
  readonly keys: StoredKeys | null;
}

/**
 * A remote tier for `createCache` that follows the log of changes of a database: nothing staler than the bound, whoever changes the rows. For caches of attached tables; `createForebay` has one of its own, `tier`.
 * Give the caches on it the same `maxStalenessMs`. Opens in the background; close it with `close`, after the caches.
 * @throws {ForebayError} `CONFIG_INVALID`
 */
export function createFollowingTier(options: FollowingTierOptions): FollowingTier {
  const { database, redis, keyPrefix = '', logger = silentLogger, breaker, onBreakerChange, onFinding, onRedisChange, ...rest } = options;
  const { maxStalenessMs = 1000 } = rest;
  checkMaxStaleness(maxStalenessMs);
  const onStateChange = (state: 'up' | 'down', reason: string): void => {
    tellRedisState(logger, state, reason);
    onRedisChange?.(state, reason, null);
  };
  const redisOptions = {
    keyPrefix,
    maxStalenessMs,
    onStateChange,
    onBreakerChange: (change: BreakerChange) => {
      tellBreakerChange(logger, change);
      onBreakerChange?.(change);
    },
    onNodeChange: (node: string, state: 'up' | 'down', reason: string) => {
      tellNodeState(logger, node, state, reason);
      onRedisChange?.(state, reason, node);
    },
    onFinding: (finding: HealthFinding) => {
      const { code, node, text } = finding;
      logger.warn({ code, node }, `the Redis server ${node}: ${text}`);
      onFinding?.(finding);
    },
    ...(breaker === undefined ? {} : { breaker }),
  };
  const opened: { probe: () => void; breaker: BreakerControl | null; health: HealthReport | null; keys: StoredKeys | null } = {
    breaker: null,
    health: null,
    probe: () => {},
    keys: null,
  };
  const open = (url: string | RedisServer, tags: LogTags): LogStore => {
    const store = createRedisLogStore({ url, ...redisOptions }, tags);
    opened.breaker = store.breaker;
    opened.health = store.health;
    opened.probe = () => store.probe();
    opened.keys = store.keys;
    return store;
  };
  const follower = createFollower({
    ...rest,
    log: createChangeLog(database.lane(), {
      onIncompatible: (error) => logger.error({ code: error.code }, `the caches are not used: ${error.message}`),
    }),
    onUnreadable: (what) => tellUnreadable(logger, what),
    openStore: redis === null ? null : (tags) => open(redis, tags),
  });
  return Object.assign(follower, opened);
}

function tellRedisState(logger: Logger, state: 'up' | 'down', reason: string): void {
  if (state === 'up') logger.info({ redis: state }, 'Redis is connected');
  else logger.warn({ redis: state, reason }, 'Redis is away: reads go to the database until it is back; it is tried again all the time');
}

/** Once in the life of a process; the metric `forebay_log_unreadable_total` counts on. */
function tellUnreadable(logger: Logger, what: 'message' | 'entry'): void {
  if (what === 'message')
    logger.warn(
      { what },
      'another instance says on the bus what this version cannot read: it reads the log itself; see docs/upgrades.md if not all instances are being upgraded',
    );
  else
    logger.warn(
      { what },
      'the log of changes has an entry that this version cannot read: every cache forgets everything with each of them; upgrade this instance (docs/upgrades.md)',
    );
}

function tellNodeState(logger: Logger, node: string, state: 'up' | 'down', reason: string): void {
  if (state === 'up') logger.info({ node }, 'a node of the Cluster is connected');
  else
    logger.warn(
      { node, reason },
      'a node of the Cluster is away: reads of its keys go to the database until it is back, or another has its slots',
    );
}

/** One line for each change of state, however many calls fail. The probes of a breaker that stays open are of no news. */
function tellBreakerChange(logger: Logger, { from, to, reason }: BreakerChange): void {
  const fields = { breaker: to, from, reason };
  switch (to) {
    case 'closed':
      logger.info(fields, 'the breaker of Redis is closed: calls pass again');
      break;
    case 'half-open':
      logger.debug(fields, 'the breaker of Redis is half-open: it asks whether Redis answers');
      break;
    case 'open':
      if (from === 'half-open') logger.debug(fields, 'the breaker of Redis stays open');
      else logger.warn(fields, 'the breaker of Redis is open: Redis is not asked until it answers probes, and reads go to the database');
      break;
    case 'isolated':
      logger.warn(fields, 'Redis is isolated: it is not asked until it is restored, and reads go to the database');
      break;
    default:
      to satisfies never;
  }
}
