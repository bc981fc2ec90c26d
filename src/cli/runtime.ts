import type { Tracer } from '../cache/tracer.ts';
import type { Logger } from '../core/logger.ts';
import { ForebayError } from '../core/errors.ts';
import { createForebay, type Forebay } from '../forebay.ts';
import type { FileBulkStore } from '../files/store.ts';
import { openDatabase, type Database } from '../postgres/database.ts';
import { createFileBulkStore } from '../postgres/file-bulk-store.ts';
import { migrate } from '../postgres/migrate.ts';
import { toForebayOptions, type Config } from '../service/config.ts';
import type { Closing } from '../core/closing.ts';
import { openDataDir, type DataDir } from './embedded/data-dir.ts';
import { startPrivateRedis } from './embedded/redis.ts';
import type { Shell } from './shell.ts';

/** Everything that a command works on, open. */
export interface Runtime {
  readonly forebay: Forebay;
  /** Bulk access to the same database, for indexing. */
  readonly bulkStore: FileBulkStore;
  /** The data folder, if the database or Redis is the embedded one. */
  readonly dataDir: string | null;
}

/**
 * Opens what the configuration asks for, and puts each part on `closing`: closed in the opposite order, that is the cache, the private Redis, the
 * database, and the lock of the data folder last.
 *
 * @throws {ForebayError} `DATA_DIR_IN_USE`, `DATABASE_UNAVAILABLE`, `SCHEMA_NEWER`, `CLOSED` when told to stop meanwhile
 */
export async function openRuntime(config: Config, shell: Shell, logger: Logger, closing: Closing): Promise<Runtime> {
  const usesDataDir = config.databaseUrl === 'embedded' || config.redisUrl === 'embedded';
  const dataDir = usesDataDir ? openDataDir(config.data) : null;
  let snapshotIsWhole = false;
  closing.add('data folder', () => {
    if (snapshotIsWhole) dataDir?.markSnapshot();
    dataDir?.close();
  });

  const database = await openMigrated(config, logger, closing);
  checkStop(shell);
  let embeddedRedisUrl: string | null = null;
  if (dataDir !== null && config.redisUrl === 'embedded') {
    const stopRedis = await startEmbeddedRedis(config, shell, logger, dataDir);
    embeddedRedisUrl = stopRedis?.url ?? null;
    closing.add('Redis', async () => {
      snapshotIsWhole = (await stopRedis?.stop()) === true;
    });
    checkStop(shell);
  }

  const tracer = config.traces ? await openTracer() : null;
  const forebay = await createForebay({ ...toForebayOptions(config, { logger, embeddedRedisUrl }), database, tracer });
  closing.add('cache', () => forebay.close());
  checkStop(shell);
  return { forebay, bulkStore: createFileBulkStore(database), dataDir: dataDir?.path ?? null };
}

/** The API is loaded by those alone who want traces. @throws {ForebayError} `CONFIG_INVALID` when it is not there. */
async function openTracer(): Promise<Tracer> {
  try {
    const { openTelemetryTracer } = await import('../opentelemetry/index.ts');
    return openTelemetryTracer();
  } catch (cause) {
    throw new ForebayError('CONFIG_INVALID', 'traces = true: the package @opentelemetry/api is missing; npm install @opentelemetry/api', {
      field: 'traces',
      cause,
    });
  }
}

async function openMigrated(config: Config, logger: Logger, closing: Closing): Promise<Database> {
  const { database: url, databaseConnections } = toForebayOptions(config, { logger });
  const database = await openDatabase(url, { logger, maxConnections: databaseConnections });
  closing.add('database', () => database.close());
  await migrate(database, { logger });
  return database;
}

async function startEmbeddedRedis(
  config: Config,
  shell: Shell,
  logger: Logger,
  dataDir: DataDir,
): Promise<{ readonly url: string; stop(): Promise<boolean> } | null> {
  try {
    const redis = await startPrivateRedis({
      dir: dataDir.redisDir,
      maxMemoryBytes: config.redisMaxBytes,
      // A database outside of the folder may have been written to while nobody watched from here.
      useSnapshot: dataDir.snapshotAgrees && config.databaseUrl === 'embedded',
      logger,
    });
    const takeOff = shell.endAtOnce(() => redis.kill());
    return {
      url: `unix:${redis.socketPath}`,
      stop: async () => {
        const isWhole = await redis.stop();
        takeOff();
        return isWhole;
      },
    };
  } catch (error) {
    if (!(error instanceof ForebayError)) throw error;
    // Redis is optional at every moment, this one included.
    logger.warn({ code: error.code }, `running without Redis: ${error.message}`);
    return null;
  }
}

/** Between the steps of the start: a Ctrl-C then ends it with what is open so far closed in order. */
function checkStop(shell: Shell): void {
  if (shell.stop.aborted) throw new ForebayError('CLOSED', 'told to stop while starting');
}
