import type { AlertOptions } from './alerts/options.ts';
import type { BreakerChange } from './cache/breaker-types.ts';
import type { FollowerStep } from './cache/follower-types.ts';
import type { HealthFinding } from './cache/health-types.ts';
import type { Tracer } from './cache/tracer.ts';
import { ForebayError } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { FileCacheTuning } from './files/file-caches.ts';
import type { Database } from './postgres/database.ts';
import type { BreakerOptions } from './redis/breaker-options.ts';
import type { RedisServer } from './redis/server-address.ts';
import type { WarmMode } from './warm-start.ts';

export interface ForebayOptions {
  /** `postgres://…`, `pglite:DIR` or `pglite:memory`, which is then migrated, owned and closed; or an open, migrated database, which stays its opener's. */
  readonly database: string | Database;
  /** A URL (`redis://…`, `redis+sentinel://…`, `redis+cluster://…`, with TLS `rediss…`, or `unix:/PATH`), or a URL and what goes with it; `null` runs without Redis, each process for itself. */
  readonly redis: string | RedisServer | null;
  /** Put before every key in Redis: at most 256 characters, no braces. @defaultValue '' */
  readonly keyPrefix?: string;
  /** Room in process memory, for both caches together. @defaultValue 50,000 entries, 128 MiB, S3-FIFO */
  readonly local?: { readonly maxEntries?: number; readonly maxBytes?: number; readonly policy?: 's3fifo' | 'lru' };
  /** A fixed TTL in ms instead of the adaptive one. */
  readonly ttl?: { readonly fixedMs?: number };
  /** Longest wait for Redis in one read, in ms. @defaultValue 50 */
  readonly redisBudgetMs?: number;
  /** When calls of Redis are given up, and tried again. @defaultValue as in docs/breaker.md */
  readonly breaker?: Partial<BreakerOptions>;
  /** Told of each change of the breaker of Redis, once. @defaultValue does nothing */
  readonly onBreakerChange?: (change: BreakerChange) => void;
  /** Told once of each setting or state of a server of Redis that endangers a promise. @defaultValue does nothing */
  readonly onFinding?: (finding: HealthFinding) => void;
  /** Queries of each cache under way at once. @defaultValue 16 */
  readonly maxConcurrentLoads?: number;
  /** Connections to Postgres, when `database` is a URL. @defaultValue 10 */
  readonly databaseConnections?: number;
  /** @defaultValue says nothing */
  readonly logger?: Logger;
  /** No read that begins so long after a commit, in ms, gives an older value; at least 100. @defaultValue 1,000 */
  readonly maxStalenessMs?: number;
  /** While the database is down, entries that may be staler than the bound by at most so much may be served, marked stale, in ms; 0 = never. @defaultValue 0 */
  readonly staleIfErrorMs?: number;
  /** Whether this process moves changes from the database to Redis. At least one process has to. @defaultValue 'always' */
  readonly relay?: 'always' | 'never';
  /** Cached entries compared with the database, a second; 0 = none. @defaultValue 0 */
  readonly auditPerSecond?: number;
  /** What is told of state changes that a human should know, and where to beside the log. */
  readonly alerts?: AlertOptions;
  /** Whether caches are filled with what is popular at the start and when Redis comes back empty: not at all, while serving, or before (for a minute at most). @defaultValue 'background' */
  readonly warm?: WarmMode;
  /** Rows kept in the table of what is popular: best half of the records that Redis can hold. 0: this process counts for nobody. @defaultValue 100,000 */
  readonly popularRows?: number;
  /** Is told of reads and of the relay's work as spans; `openTelemetryTracer()` of `forebay/opentelemetry` makes one. @defaultValue none */
  readonly tracer?: Tracer | null;
  /** Called at each step of following the log, in the course of the work: for tests. @defaultValue does nothing */
  readonly onFollowerStep?: (step: FollowerStep) => void;
  /** Further settings of the engine, for both caches. */
  readonly cache?: FileCacheTuning;
}

/** What the parts check themselves is not checked here. @throws {ForebayError} `CONFIG_INVALID` */
export function checkOptions(options: ForebayOptions): void {
  for (const name of ['auditPerSecond', 'popularRows'] as const) {
    const value = options[name];
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
    throw new ForebayError('CONFIG_INVALID', `${name} = ${String(value).slice(0, 80)}: has to be a whole number of at least 0`, {
      field: name,
    });
  }
}
