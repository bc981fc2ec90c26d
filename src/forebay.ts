import type { Alert } from './alerts/alert.ts';
import { prepareAlerting } from './alerting.ts';
import { Backups } from './backups.ts';
import { Auditor } from './cache/auditor.ts';
import type { BreakerChange, BreakerControl, BreakerState } from './cache/breaker-types.ts';
import type { HealthFinding, HealthReport } from './cache/health-types.ts';
import type { RemoteTier } from './cache/remote-tier.ts';
import type { Hot } from './cache/hot.ts';
import { ReuseSampler } from './cache/reuse-sampler.ts';
import { fixedTtl } from './cache/ttl.ts';
import { systemClock } from './core/clock.ts';
import { Closing } from './core/closing.ts';
import { ForebayError } from './core/errors.ts';
import { ServingDoctor } from './doctor.ts';
import type { DoctorReport } from './doctor/report.ts';
import type { DoctorOptions } from './doctor/run.ts';
import type { Logger } from './core/logger.ts';
import { silentLogger } from './core/logger.ts';
import type { ForebayEvent } from './event-log.ts';
import { EventLog } from './event-log.ts';
import type { ForebayOptions } from './forebay-options.ts';
import { checkOptions } from './forebay-options.ts';
import type { PopularFile } from './popular-files.ts';
import { popularFiles } from './popular-files.ts';
import type { FollowingTier } from './following-tier.ts';
import { createFollowingTier } from './following-tier.ts';
import { createFiles } from './files/create-files.ts';
import type { FileCaches } from './files/file-caches.ts';
import { createFileCaches } from './files/file-caches.ts';
import type { Files } from './files/files.ts';
import type { FileId } from './files/records.ts';
import { fileId } from './files/records.ts';
import type { FileStore, StoreCall } from './files/store.ts';
import { createMetrics } from './metrics/forebay-metrics.ts';
import type { EfficiencyReport } from './metrics/report/efficiency-report.ts';
import type { ReportOptions } from './metrics/report/reporter.ts';
import { Reporter } from './metrics/report/reporter.ts';
import type { Database } from './postgres/database.ts';
import { openDatabase } from './postgres/database.ts';
import { createFileStore } from './postgres/file-store.ts';
import { createFileFinder } from './postgres/file-finder.ts';
import { migrate } from './postgres/migrate.ts';
import { createPopularStore } from './postgres/popular-store.ts';
import type { RestoreOptions, RestoreReport } from './restore-backup.ts';
import type { BackupOptions } from './take-backup.ts';
import { readiness } from './readiness.ts';
import type { RecoverReport, RecoverRequest } from './recover.ts';
import { recover } from './recover.ts';
import { recoveryFacts } from './recoveries.ts';
import type { Recovery } from './recovery/recovery.ts';
import type { RecoveryFacts } from './recovery/tracker.ts';
import { RecoveryTracker } from './recovery/tracker.ts';
import type { Vitals } from './vitals.ts';
import { readVitals, VitalsWatch } from './vitals.ts';
import type { WarmGain, WarmRequest } from './warm-request.ts';
import { warm } from './warm-request.ts';
import { WarmStart } from './warm-start.ts';

/** Whether Forebay can serve, and what is amiss. */
export interface Readiness {
  /** The database answers. */
  readonly ready: boolean;
  readonly database: 'up' | 'down';
  /** `off` when none is configured. */
  readonly redis: 'up' | 'down' | 'off';
  /** Of Redis; closed = calls pass. `off` when none is configured. */
  readonly breaker: BreakerState | 'off';
  /** Everything that was committed longer ago than this is known here, in ms; `null` while nothing is proven. Reads are answered from caches while it is at most `maxStalenessMs`. */
  readonly stalenessMs: number | null;
  readonly maxStalenessMs: number;
  /** Sentences for people, one for each thing amiss. */
  readonly reasons: readonly string[];
}

/** A running Forebay: the file layer with its two caches, the database and Redis. */
export interface Forebay extends AsyncDisposable {
  readonly files: Files;
  /** The tier that follows the log of this database: for caches of your own on attached tables. Closed with this Forebay. */
  readonly tier: RemoteTier;
  /** Keeps calls from a Redis that fails, and lets an operator do so: `isolate`, `restore`. `null` without Redis. */
  readonly redis: BreakerControl | null;
  /** What the servers of Redis say of themselves, and what of it endangers a promise; `null` without Redis. */
  readonly health: HealthReport | null;
  /** Asks the database now; takes at most a second. */
  readiness(): Promise<Readiness>;
  /**
   * Brings files into the tiers at the pace of the pacer: those named by id, by tag or by a condition on their records, or what all instances read most. What is there is left. Resolves with what was gained, also when it
   * did not come to its end (`outcome`).
   * @throws {ForebayError} `INPUT_INVALID`; `DATABASE_UNAVAILABLE`, `OVERLOADED` when it could not begin
   */
  warm(request?: WarmRequest): Promise<WarmGain>;
  /** The recovery that is under way, or `null`, and the last ten that are over, the oldest first. They go on by themselves. */
  recoveries(): { readonly current: Recovery | null; readonly past: readonly Recovery[] };
  /** Recovers now what can be, and follows until all traffic is back, or says what is still broken. Never rejects. */
  recover(request?: RecoverRequest): Promise<RecoverReport>;
  /** The alerts that fire now. */
  alerts(): readonly Alert[];
  /** All that is known at this moment, from memory: what the dashboard shows. */
  vitals(): Vitals;
  /** The last things that happened, 200 at most, the oldest first; `after`: only those with a higher number. */
  events(after?: number): readonly ForebayEvent[];
  /** The files that this process read most in the last ten seconds or so, at most `limit`, most read first. */
  popular(limit: number): readonly PopularFile[];
  /** What the caches of this process did, since the start or in a period up to now. @throws {ForebayError} `INPUT_INVALID` */
  report(options?: ReportOptions): EfficiencyReport;
  /** What is read most here since the start, at most `limit` keys and tags of each cache, by the cache's name. @throws {ForebayError} `INPUT_INVALID` */
  hot(limit: number): Readonly<Record<string, Hot>>;
  /**
   * Looks whether all is as it should be, and proves it with a row of its own: settings, the database, Redis, and the way of a change from one to the other. Takes some seconds; one at a time.
   * @throws {ForebayError} `OVERLOADED` while another one is at work in this process
   */
  doctor(options?: DoctorOptions): Promise<DoctorReport>;
  /**
   * A backup of what both caches have in Redis, as bytes: write them to a file. Its last piece says that it is whole; a reader refuses one without.
   * Rejects, at the first piece, with `REDIS_UNAVAILABLE`, `DATABASE_UNAVAILABLE`, `INPUT_INVALID` or `ALREADY_RUNNING`.
   */
  backup(options?: BackupOptions): AsyncIterable<Uint8Array>;
  /**
   * Puts a backup back into Redis: entries whose version the database still says, the others loaded anew, so never anything older than the database. Each chunk is checked before it is used; to see before that all of it is whole, read it with
   * `verifyBackup` first. May be run again, and then leaves what is there.
   * @throws {ForebayError} `BACKUP_INVALID`, `REDIS_UNAVAILABLE`, `DATABASE_UNAVAILABLE`, `ALREADY_RUNNING`
   */
  restore(source: AsyncIterable<Uint8Array>, options?: RestoreOptions): Promise<RestoreReport>;
  /** Prometheus text exposition of every metric. */
  metricsText(): Promise<{ contentType: string; body: string }>;
  /** Ends background work and closes what `createForebay` opened, in order. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens Forebay: the database, Redis, and the caches of file records between them. Redis may be away, now and at any time.
 * @throws {ForebayError} `CONFIG_INVALID`, `DATABASE_UNAVAILABLE`, `SCHEMA_NEWER`
 */
export async function createForebay(options: ForebayOptions): Promise<Forebay> {
  const closing = new Closing();
  try {
    return await openForebay(options, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** Puts each part on `closing` as soon as it is open. */
async function openForebay(options: ForebayOptions, closing: Closing): Promise<Forebay> {
  checkOptions(options);
  const { logger = silentLogger } = options;
  const events = new EventLog(() => systemClock.wallNow());
  const { maxStalenessMs = 1000, staleIfErrorMs = 0, redisBudgetMs, maxConcurrentLoads, local, ttl } = options;
  const startAlerting = prepareAlerting(options.alerts ?? {}, maxStalenessMs, (alert) => events.alerted(alert));
  const database = typeof options.database === 'string' ? await openOwn(options.database, options, closing) : options.database;
  const store = createFileStore(database);
  const warmth = new WarmStart({ mode: options.warm, popularRows: options.popularRows, database, logger });
  const remoteReuse = new ReuseSampler();
  let tracker: RecoveryTracker | null = null;
  const onAnew = (mine: boolean): void => {
    remoteReuse.clear();
    warmth.onAnew(mine);
    // What is found at the start is a start.
    tracker?.onAnew();
  };
  const follower = createFollowingTier({ ...pickTierOptions(options, events, () => tracker?.look()), database, maxStalenessMs, onAnew });
  closing.add('tier', () => follower.close());
  const caches = createFileCaches(store, follower, {
    ...(redisBudgetMs === undefined ? {} : { budgetMs: redisBudgetMs }),
    ...(maxConcurrentLoads === undefined ? {} : { maxConcurrentLoads }),
    ...(ttl?.fixedMs === undefined ? {} : { ttl: fixedTtl(ttl.fixedMs) }),
    maxStalenessMs,
    ...(staleIfErrorMs === 0 ? {} : { staleIfErrorMs }),
    pacer: warmth.pacer,
    remoteReuse,
    ...(options.tracer === undefined ? {} : { tracer: options.tracer }),
    ...local,
    ...options.cache,
  });
  closing.add('caches', async () => void (await Promise.all([caches.info.close(), caches.meta.close()])));
  warmth.open(caches, follower);
  closing.add('warming', () => warmth.close());
  await caches.info.start();
  await warmth.start();
  const auditor = openAuditor(options, store, caches, maxStalenessMs, logger);
  closing.add('auditor', () => auditor?.close());
  const alerting = startAlerting({ caches, follower, auditor, database, maxStalenessMs, logger });
  closing.add('alerts', () => alerting.close());
  const watched = { caches, follower, database, warmth: warmth.sources, auditor, alerting, maxStalenessMs, clock: systemClock };
  const watch = new VitalsWatch(watched, events);
  closing.add('vitals', () => watch.close());
  const facts = (): RecoveryFacts => recoveryFacts({ follower, warmth: warmth.sources, clock: systemClock });
  const recoveries = new RecoveryTracker({
    facts,
    clock: systemClock,
    logger,
    onEvent: (level, text) => events.add('recovery', level, text),
  });
  closing.add('recoveries', () => recoveries.close());
  tracker = recoveries;
  const backups = new Backups({ caches, tier: follower, database, pacer: warmth.pacer, popularRows: warmth.maxRows, logger });
  closing.add('backups', () => backups.close());
  const registry = createMetrics({
    alerting,
    caches: [caches.info, caches.meta],
    follower,
    breaker: follower.breaker,
    health: follower.health,
    auditor,
    warmth: warmth.sources,
    recoveries,
    backups: backups.counts,
    maxStalenessMs,
    pool: () => database.stats(),
    now: () => systemClock.now(),
  });
  const reporter = openReporter(caches, follower, remoteReuse);
  closing.add('reporter', () => reporter.close());
  const warmParts = {
    caches,
    warmth,
    finder: createFileFinder(database),
    popular: createPopularStore(database),
    remoteState: () => follower.state(),
    isIsolated: () => follower.breaker?.state === 'isolated',
  };
  const doctor = new ServingDoctor(options, database, follower);
  closing.add('doctor', () => doctor.close());
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => (closed ??= closeAll(closing));
  return {
    files: createFiles(store, caches, (call) => warmth.run(call)),
    tier: follower,
    redis: follower.breaker,
    health: follower.health,
    readiness: () => readiness(store, follower, maxStalenessMs),
    warm: (request = {}) => warm(warmParts, request),
    recoveries: () => ({ current: recoveries.current, past: recoveries.past }),
    recover: (request) => recover({ tracker: recoveries, facts, follower, warmth, clock: systemClock }, request),
    alerts: () => alerting.alerts.firing(),
    vitals: () => readVitals(watched),
    events: (after) => events.since(after),
    popular: (limit) => popularFiles(caches, limit),
    report: (asked) => reporter.report(asked),
    hot: (limit) => hottest(caches, limit),
    doctor: (asked) => doctor.run(asked),
    backup: (asked = {}) => backups.take(asked),
    restore: (source, asked = {}) => backups.restore(source, asked),
    metricsText: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** @throws what the first part that failed to close said; all others are closed */
async function closeAll(closing: Closing): Promise<void> {
  const [failure] = await closing.close();
  if (failure !== undefined) throw failure.error;
}

/** Sizes up to so many times what Redis holds are of interest. */
const CURVE_DEPTH = 16;

function openReporter({ info, meta }: FileCaches, follower: FollowingTier, remoteReuse: ReuseSampler): Reporter {
  const sources = { caches: [info, meta], hasRemote: follower.state() !== 'off', health: follower.health };
  return new Reporter(sources, systemClock, ({ remote }) => {
    const { keys, usedBytes, maxBytes } = remote?.servers ?? { keys: null, usedBytes: null, maxBytes: null };
    if (keys === null || keys === 0) return;
    const fits = usedBytes === null || usedBytes === 0 || maxBytes === null ? keys : (keys * maxBytes) / usedBytes;
    remoteReuse.setDepth(CURVE_DEPTH * Math.max(keys, fits));
  });
}

function hottest({ info, meta }: FileCaches, limit: number): Record<string, Hot> {
  if (!(Number.isSafeInteger(limit) && limit >= 1))
    throw new ForebayError('INPUT_INVALID', `limit = ${String(limit)}: has to be a whole number of at least 1`, { field: 'limit' });
  return { [info.name]: info.hot(limit), [meta.name]: meta.hot(limit) };
}

async function openOwn(url: string, { databaseConnections, logger = silentLogger }: ForebayOptions, closing: Closing): Promise<Database> {
  const database = await openDatabase(url, {
    logger,
    ...(databaseConnections === undefined ? {} : { maxConnections: databaseConnections }),
  });
  closing.add('database', () => database.close());
  await migrate(database, { logger });
  return database;
}

/** `null` when none was asked for. */
function openAuditor(
  { auditPerSecond = 0 }: ForebayOptions,
  store: FileStore,
  caches: FileCaches,
  maxStalenessMs: number,
  logger: Logger,
): Auditor | null {
  if (auditPerSecond === 0) return null;
  const versionsBy =
    <R extends { readonly version: number }>(load: (ids: readonly FileId[], call: StoreCall) => Promise<Map<FileId, R>>) =>
    async (keys: readonly string[], call: StoreCall): Promise<Map<string, number>> => {
      const records = await load(keys.map(fileId), call);
      return new Map([...records].map(([id, { version }]) => [id, version]));
    };
  return new Auditor({
    targets: [
      { cache: caches.info, versions: versionsBy((ids, call) => store.loadInfos(ids, call)) },
      { cache: caches.meta, versions: versionsBy((ids, call) => store.loadMetas(ids, call)) },
    ],
    perSecond: auditPerSecond,
    maxStalenessMs,
    clock: systemClock,
    onStale: (finding) =>
      logger.error(finding, 'a cached record was older than the bound: please report this, with the log of the minutes before'),
  });
}

function pickTierOptions(
  { redis, keyPrefix, relay, logger, tracer, onFollowerStep, breaker, onBreakerChange, onFinding }: ForebayOptions,
  events: EventLog,
  changed: () => void,
) {
  return {
    redis,
    ...(keyPrefix === undefined ? {} : { keyPrefix }),
    ...(relay === undefined ? {} : { relay }),
    ...(logger === undefined ? {} : { logger }),
    ...(breaker === undefined ? {} : { breaker }),
    onBreakerChange: (change: BreakerChange) => {
      events.breakerChanged(change);
      changed();
      onBreakerChange?.(change);
    },
    onFinding: (finding: HealthFinding) => {
      events.found(finding);
      onFinding?.(finding);
    },
    onRedisChange: (state: 'up' | 'down', reason: string, node: string | null) => {
      if (node === null) events.redisChanged(state, reason);
      else events.nodeChanged(node, state, reason);
      changed();
    },
    ...(tracer === undefined ? {} : { tracer }),
    ...(onFollowerStep === undefined ? {} : { onStep: onFollowerStep }),
  };
}
