import { existsSync } from 'node:fs';
import { ForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { doctorSettings, instanceOpener } from '../doctor.ts';
import type { DoctorTargets } from '../doctor/check.ts';
import { openDatabase } from '../postgres/database.ts';
import { toForebayOptions, type Config } from '../service/config.ts';
import type { Closing } from '../core/closing.ts';
import { openDataDir, type DataDir } from './embedded/data-dir.ts';
import { startPrivateRedis } from './embedded/redis.ts';
import type { Shell } from './shell.ts';

/** Its own statements and those of its two caches; a look needs no more. */
const CONNECTIONS = 4;
const CONNECT_MS = 3_000;
const STATEMENT_MS = 5_000;

/**
 * What the settings say, to be opened by the checks themselves, so that one that cannot be is a finding. The embedded database and Redis are opened too, when no process has them and they have ever been made.
 * @throws {ForebayError} `DATA_DIR_IN_USE`, `CONFIG_INVALID`
 */
export function targetsOf(config: Config, shell: Shell, logger: Logger, closing: Closing): DoctorTargets {
  const options = toForebayOptions(config, { logger });
  const settings = doctorSettings(options, shell.env);
  const usesDataDir = config.databaseUrl === 'embedded' || config.redisUrl === 'embedded';
  const embedded = usesDataDir ? openFolder(config, closing) : null;
  return {
    settings,
    running: null,
    openDatabase: async () => {
      const database = await openDatabase(options.database, {
        logger,
        maxConnections: CONNECTIONS,
        connectTimeoutMs: CONNECT_MS,
        statementTimeoutMs: STATEMENT_MS,
      });
      closing.add('database', () => database.close());
      return database;
    },
    findRedis: () => {
      if (config.redisUrl === 'none') return Promise.resolve(null);
      return embedded === null || config.redisUrl !== 'embedded'
        ? Promise.resolve(config.redisUrl)
        : embedded.startRedis(config, shell, logger, closing);
    },
    openInstance: instanceOpener(settings),
  };
}

interface EmbeddedParts {
  startRedis(config: Config, shell: Shell, logger: Logger, closing: Closing): Promise<string>;
}

function openFolder(config: Config, closing: Closing): EmbeddedParts {
  if (!existsSync(config.data))
    throw new ForebayError(
      'CONFIG_INVALID',
      `there is no data folder ${config.data}: nothing was started here yet; run forebay start, or name the folder with --data DIR, or a database with --database-url`,
      { field: 'data' },
    );
  const folder: DataDir = openDataDir(config.data);
  // What was written while it looked is in the log of changes, which Redis has followed or will: the snapshot agrees if it did before and is whole.
  let isWhole = true;
  closing.add('data folder', () => {
    if (folder.snapshotAgrees && isWhole) folder.markSnapshot();
    folder.close();
  });
  return {
    startRedis: async (_config, shell, logger, toClose) => {
      isWhole = false;
      const redis = await startPrivateRedis({
        dir: folder.redisDir,
        maxMemoryBytes: config.redisMaxBytes,
        useSnapshot: folder.snapshotAgrees && config.databaseUrl === 'embedded',
        logger,
      });
      const takeOff = shell.endAtOnce(() => redis.kill());
      toClose.add('Redis', async () => {
        isWhole = await redis.stop();
        takeOff();
      });
      return `unix:${redis.socketPath}`;
    },
  };
}
