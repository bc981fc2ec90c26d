import { systemClock } from './core/clock.ts';
import { ForebayError } from './core/errors.ts';
import { silentLogger } from './core/logger.ts';
import type { DoctorSettings, DoctorTargets, ProbeInstance } from './doctor/check.ts';
import type { DoctorReport } from './doctor/report.ts';
import type { DoctorOptions } from './doctor/run.ts';
import { runChecks } from './doctor/run.ts';
import type { FileCaches } from './files/file-caches.ts';
import { createFileCaches } from './files/file-caches.ts';
import { fileId } from './files/records.ts';
import type { FollowingTier } from './following-tier.ts';
import { createFollowingTier } from './following-tier.ts';
import type { Database } from './postgres/database.ts';
import { createFileStore } from './postgres/file-store.ts';
import type { RedisServer } from './redis/server-address.ts';

/** What a doctor is told of the settings; each as in `ForebayOptions`, with the same default. */
export interface DoctoredSettings {
  readonly keyPrefix?: string;
  readonly maxStalenessMs?: number;
  readonly redisBudgetMs?: number;
  readonly relay?: 'always' | 'never';
  readonly ttl?: { readonly fixedMs?: number };
  readonly databaseConnections?: number;
  /** A URL, or an open database, of which the connection itself is not checked. */
  readonly database: string | Database;
}

/** An instance has few entries: those of the doctor. */
const ENTRIES = 100;

/** The settings as checks want them. */
export function doctorSettings(given: DoctoredSettings, env: Readonly<Record<string, string | undefined>>): DoctorSettings {
  const { keyPrefix = '', maxStalenessMs = 1000, redisBudgetMs = 50, relay = 'always', ttl, databaseConnections = 10, database } = given;
  const unverifiedTls: string[] = [];
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    unverifiedTls.push('NODE_TLS_REJECT_UNAUTHORIZED=0: no certificate of any server is verified by this process');
  if (typeof database === 'string' && /[?&]sslmode=no-verify\b/.test(database))
    unverifiedTls.push('the database URL says sslmode=no-verify: the certificate of the database is not verified');
  const migrates = typeof database === 'string';
  return {
    keyPrefix,
    maxStalenessMs,
    redisBudgetMs,
    relay,
    fixedTtlMs: ttl?.fixedMs ?? null,
    databaseConnections,
    migrates,
    unverifiedTls,
  };
}

/** Opens a cache of the doctor's own beside those of all processes, as those are. */
export function instanceOpener(settings: DoctorSettings): DoctorTargets['openInstance'] {
  const { keyPrefix, maxStalenessMs, redisBudgetMs } = settings;
  return async (database, redis, relay) => {
    const follower = createFollowingTier({ database, redis, keyPrefix, maxStalenessMs, relay, logger: silentLogger });
    const caches = createFileCaches(createFileStore(database), follower, {
      maxStalenessMs,
      budgetMs: redisBudgetMs,
      maxEntries: ENTRIES,
      maxBytes: 2 ** 20,
    });
    await caches.info.start();
    return probeOf(caches, follower, async () => {
      await Promise.all([caches.info.close(), caches.meta.close()]);
      await follower.close();
    });
  };
}

function probeOf(caches: FileCaches, follower: FollowingTier, close: () => Promise<void>): ProbeInstance {
  return {
    lookup: (id) => caches.info.lookup(fileId(id)),
    isShared: async (id) => (await caches.info.inspect(fileId(id))).remote.state === 'fresh',
    stats: () => follower.stats(),
    asOf: () => follower.asOf(systemClock.now()),
    close,
  };
}

/** Looks at settings, database, Redis and the way of a change from the service that has them in use; one at a time. */
export class ServingDoctor {
  readonly #targets: DoctorTargets;
  readonly #closing = new AbortController();
  #atWork: Promise<DoctorReport> | null = null;

  constructor(settings: DoctoredSettings & { readonly redis: string | RedisServer | null }, database: Database, follower: FollowingTier) {
    const checked = doctorSettings(settings, process.env);
    this.#targets = {
      settings: checked,
      openDatabase: () => Promise.resolve(database),
      findRedis: () => Promise.resolve(settings.redis),
      openInstance: instanceOpener(checked),
      running: {
        asOf: () => follower.asOf(systemClock.now()),
        breaker: () => follower.breaker,
      },
    };
  }

  /** @throws {ForebayError} `OVERLOADED` while one is at work here */
  async run(options: DoctorOptions = {}): Promise<DoctorReport> {
    if (this.#atWork !== null) throw new ForebayError('OVERLOADED', 'a doctor is at work in this process; ask again when it is done');
    const { signal } = this.#closing;
    const signals = options.signal === undefined ? [signal] : [signal, options.signal];
    this.#atWork = runChecks(this.#targets, { ...options, signal: AbortSignal.any(signals) });
    try {
      return await this.#atWork;
    } finally {
      this.#atWork = null;
    }
  }

  /** Ends what is at work, which removes its row first: before the database is closed. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#atWork;
  }
}
