import type { Command } from 'commander';
import type { Database } from '../postgres/database.ts';
import { openDatabase } from '../postgres/database.ts';
import { toForebayOptions, type ConfigOption } from '../service/config.ts';
import { createLogger } from '../service/logger.ts';
import { Closing } from '../core/closing.ts';
import { openDataDir } from './embedded/data-dir.ts';
import { configOf } from './setting-flags.ts';
import type { Shell } from './shell.ts';

const USED: ReadonlySet<string> = new Set(['databaseUrl', 'data', 'logLevel', 'logFormat']);

/** The settings of a command that needs the database alone. */
export const databaseSettings = ({ name }: ConfigOption): boolean => USED.has(name);

/**
 * Opens the configured database for `work`, and closes it. The embedded one is opened too, when no other process has it.
 * @throws {ForebayError} `CONFIG_INVALID`, `DATA_DIR_IN_USE`, `DATABASE_UNAVAILABLE`
 */
export async function withDatabase<T>(command: Command, shell: Shell, work: (database: Database) => Promise<T>): Promise<T> {
  const config = configOf(command, shell);
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const closing = new Closing();
  try {
    if (config.databaseUrl === 'embedded') {
      shell.note(`This is about the embedded database in ${config.data}; for one of your own give --database-url or FOREBAY_DATABASE_URL.`);
      const dataDir = openDataDir(config.data);
      closing.add('data folder', () => dataDir.close());
    }
    const database = await openDatabase(toForebayOptions(config, { logger }).database, { logger, maxConnections: 1 });
    closing.add('database', () => database.close());
    return await work(database);
  } finally {
    for (const { name, error } of await closing.close()) logger.error({ error }, `closing the ${name} failed`);
  }
}
