import { createCache } from '../../../../src/cache/cache.ts';
import type { Cache } from '../../../../src/cache/cache-types.ts';
import { fixedTtl } from '../../../../src/cache/ttl.ts';
import type { MemoryConnection } from '../../../support/memory-connection.ts';
import type { MemoryServer } from '../../../support/memory-remote.ts';
import { createMemoryTier } from '../../../support/memory-remote.ts';
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

export const MAX_STALENESS_MS = 1000;
export const CACHE_NAME = 'm';

/** One process: a cache with its tier and its way to the database. */
export interface Instance {
  readonly name: string;
  readonly cache: Cache<string, Row>;
  readonly source: ScheduledSource;
  readonly lines: { readonly commands: MemoryConnection; readonly bus: MemoryConnection };
  /** Lines on which nothing moves. */
  readonly stalled: Set<MemoryConnection>;
  /** What its own invalidations promised to it. */
  readonly own: Floors;
  /** The newest version of each key that an ended read has given. */
  readonly seen: Map<string, number>;
  /** Look-ups begun, peeks that knew the answer included. */
  lookups: number;
  warmed: number;
}

export function openModelInstance(
  name: string,
  parts: { readonly server: MemoryServer; readonly clock: ScheduledClock; readonly database: Database; readonly settings: Settings },
): Instance {
  const { server, clock, database, settings } = parts;
  const { ttlMs, ...limits } = settings;
  let ids = 0;
  const chance = {
    random: () => 0.5,
    uniqueId: () => {
      ids += 1;
      return `${name}${ids}`;
    },
  };
  const { tier, commands, bus } = createMemoryTier(server, { clock, chance, confirmMs: 100, maxStalenessMs: MAX_STALENESS_MS });
  const source = new ScheduledSource(database);
  const cache = createCache<string, Row>({
    name: CACHE_NAME,
    source,
    remote: tier,
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
    random: chance.random,
    uniqueId: chance.uniqueId,
    ...limits,
  });
  return {
    name,
    cache,
    source,
    lines: { commands, bus },
    stalled: new Set(),
    own: noFloors(),
    seen: new Map(),
    lookups: 0,
    warmed: 0,
  };
}
