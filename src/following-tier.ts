import type { Follower, FollowerOptions } from './cache/follower-types.ts';
import { createFollower } from './cache/follower.ts';
import type { Logger } from './core/logger.ts';
import { silentLogger } from './core/logger.ts';
import { createChangeLog } from './postgres/change-log.ts';
import type { Database } from './postgres/database.ts';
import { createRedisLogStore } from './redis/log-store.ts';

export interface FollowingTierOptions extends Pick<FollowerOptions, 'relay' | 'maxStalenessMs' | 'confirmMs' | 'onAnew' | 'onStep'> {
  /** Open and migrated; it stays its opener's. */
  readonly database: Database;
  /** `redis://…`, `rediss://…` or `unix:/PATH`; `null`: process memory only. */
  readonly redis: string | null;
  /** Put before every key in Redis. @defaultValue '' */
  readonly keyPrefix?: string;
  /** @defaultValue says nothing */
  readonly logger?: Logger;
}

/**
 * A remote tier for `createCache` that follows the log of changes of a database: nothing staler than the bound, whoever changes the rows. For caches of attached tables; `createForebay` has one of its own, `tier`.
 * Give the caches on it the same `maxStalenessMs`. Opens in the background; close it with `close`, after the caches.
 */
export function createFollowingTier(options: FollowingTierOptions): Follower {
  const { database, redis, keyPrefix = '', logger = silentLogger, ...rest } = options;
  const { maxStalenessMs = 1000 } = rest;
  const onStateChange = (state: 'up' | 'down', reason: string): void => tellRedisState(logger, state, reason);
  return createFollower({
    ...rest,
    log: createChangeLog(database.lane()),
    openStore: redis === null ? null : (tags) => createRedisLogStore({ url: redis, keyPrefix, maxStalenessMs, onStateChange }, tags),
  });
}

function tellRedisState(logger: Logger, state: 'up' | 'down', reason: string): void {
  if (state === 'up') logger.info({ redis: state }, 'Redis is connected');
  else logger.warn({ redis: state, reason }, 'Redis is away: reads go to the database until it is back; it is tried again all the time');
}
