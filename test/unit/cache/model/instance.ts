import { createCache } from '../../../../src/cache/cache.ts';
import type { Cache } from '../../../../src/cache/cache-types.ts';
import { fixedTtl } from '../../../../src/cache/ttl.ts';
import { createFollower } from '../../../../src/cache/follower.ts';
import type { Follower } from '../../../../src/cache/follower-types.ts';
import type { LogStore } from '../../../../src/cache/log-store.ts';
import type { LogTags } from '../../../../src/cache/log-tags.ts';
import type { RemoteTier } from '../../../../src/cache/remote-tier.ts';
import type { Chance } from '../../../../src/core/random.ts';
import type { BreakerOptions } from '../../../../src/redis/breaker-options.ts';
import type { MemoryLines, MemoryServer } from '../../../support/memory-remote.ts';
import { createMemoryLogStore, createMemoryTier } from '../../../support/memory-remote.ts';
import type { ModelLog } from './log.ts';
import { ScheduledLog } from './log.ts';
import type { Line } from './program.ts';
import type { ScheduledQueries } from './source.ts';
import type { Database, Row } from './database.ts';
import { TAGS } from './database.ts';
import type { Floors } from './floors.ts';
import { noFloors } from './floors.ts';
import type { ScheduledClock } from './scheduled-clock.ts';
import { ScheduledSource } from './source.ts';

/** What differs between runs. */
export interface Settings {
  readonly maxEntries: number;
  readonly refreshAhead: number;
  readonly softTimeoutMs: number;
  readonly leaseMs: number;
  readonly ttlMs: number;
}

export interface LogSettings extends Settings {
  /** Whether the second process brings the store level too. */
  readonly relay: 'always' | 'never';
  readonly rowsPerEntry: number;
}

export const MAX_STALENESS_MS = 1000;
export const CACHE_NAME = 'm';

/** One process: a cache with its tier and its way to the database. */
export interface Instance {
  readonly name: string;
  readonly cache: Cache<string, Row>;
  readonly source: ScheduledSource;
  /** All that asks the database. */
  readonly queries: readonly ScheduledQueries[];
  readonly lines: MemoryLines;
  /** Ways out of the process on which nothing moves. */
  readonly stalled: Set<Line>;
  /** What its own invalidations promised to it. */
  readonly own: Floors;
  /** The newest version of each key that an ended read has given. */
  readonly seen: Map<string, number>;
  /** Look-ups begun, peeks that knew the answer included. */
  lookups: number;
  /** Those with limits of their own: what they join may not be enough for them. */
  limited: number;
  warmed: number;
}

/** What an instance is made of. */
interface Parts {
  readonly server: MemoryServer;
  readonly clock: ScheduledClock;
  readonly database: Database;
}

/** In one of the processes the breaker opens at every failure, and closes soon. */
const breakerOf = (name: string): { readonly breaker: Partial<BreakerOptions> } => ({
  breaker:
    name === 'b'
      ? { minCalls: 1, failureShare: 0.01, timeoutsInRow: 1, silentMs: 0, firstDelayMs: 1, maxDelayMs: 20, probesToClose: 1 }
      : {},
});

/** A process that hears of changes from those who make them. */
export function openTierInstance(name: string, parts: Parts, settings: Settings): Instance {
  const { server, clock } = parts;
  const chance = chanceOf(name);
  const { tier, ...lines } = createMemoryTier(server, {
    clock,
    chance,
    ...breakerOf(name),
    confirmMs: 100,
    maxStalenessMs: MAX_STALENESS_MS,
  });
  return openInstance(name, { ...parts, chance, remote: tier, lines, settings });
}

/** A process that follows the database's log of changes. */
export interface LogInstance extends Instance {
  readonly follower: Follower;
  readonly log: ScheduledLog;
}

export function openLogInstance(
  name: string,
  parts: Parts & { readonly log: ModelLog; readonly relay: 'always' | 'never' },
  settings: Settings,
): LogInstance {
  const { server, clock, relay } = parts;
  const chance = chanceOf(name);
  const log = new ScheduledLog(parts.log);
  let lines: MemoryLines | null = null;
  const openStore = (tags: LogTags): LogStore => {
    const opened = createMemoryLogStore(server, { clock, chance, ...breakerOf(name), maxStalenessMs: MAX_STALENESS_MS }, tags);
    lines = opened;
    return opened.store;
  };
  const follower = createFollower({ log, openStore, relay, clock, confirmMs: 100, maxStalenessMs: MAX_STALENESS_MS });
  const instance = openInstance(name, { ...parts, chance, remote: follower, lines: lines as unknown as MemoryLines, settings });
  return { ...instance, follower, log, queries: [...instance.queries, log] };
}

function chanceOf(name: string): Chance {
  let ids = 0;
  return {
    random: () => 0.5,
    uniqueId: () => {
      ids += 1;
      return `${name}${ids}`;
    },
  };
}

function openInstance(
  name: string,
  parts: Parts & { readonly chance: Chance; readonly remote: RemoteTier; readonly lines: MemoryLines; readonly settings: Settings },
): Instance {
  const { clock, database, chance, remote, lines } = parts;
  const { ttlMs, maxEntries, refreshAhead, softTimeoutMs, leaseMs } = parts.settings;
  const source = new ScheduledSource(database);
  const cache = createCache<string, Row>({
    name: CACHE_NAME,
    source,
    remote,
    describe: ({ key, version }) => ({ version, tags: TAGS[key] ?? [] }),
    ttl: fixedTtl(ttlMs),
    absentTtlMs: 400,
    graceMs: 400,
    budgetMs: 50,
    hardTimeoutMs: 400,
    leaseWaitMs: 40,
    leasePollMs: 10,
    maxStalenessMs: MAX_STALENESS_MS,
    clock,
    random: () => chance.random(),
    uniqueId: () => chance.uniqueId(),
    maxEntries,
    refreshAhead,
    softTimeoutMs,
    leaseMs,
  });
  return {
    name,
    cache,
    source,
    queries: [source],
    lines: { commands: lines.commands, bus: lines.bus },
    stalled: new Set(),
    own: noFloors(),
    seen: new Map(),
    lookups: 0,
    limited: 0,
    warmed: 0,
  };
}
