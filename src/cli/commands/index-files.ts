import path from 'node:path';
import { Command } from 'commander';
import type { IndexReport } from '../../files/index-tree/options.ts';
import { createLogger } from '../../service/logger.ts';
import { Closing } from '../../core/closing.ts';
import { indexFolder } from '../index-folder.ts';
import { openRuntime } from '../runtime.ts';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

/** `forebay index`: file records into the database, without serving. */
export function indexCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('index')
    .description('Put the records of all files below folders into the database. A second run writes only what has changed.')
    .argument('<DIR...>', 'folders to index')
    .option('--prune', 'delete the records of files that are gone')
    .option('--json', 'print the report as one line of JSON for each folder');
  addSettingFlags(command, ({ name, group }) => name !== 'index' && ['Storage', 'Cache', 'Logs'].includes(group));
  return command
    .addHelpText('after', '\nExamples:\n  forebay index ~/Pictures ~/Music\n  forebay index /srv/files --hash --prune --json')
    .action(async (dirs: string[]) => {
      done(await indexAll(command, shell, dirs));
    });
}

async function indexAll(command: Command, shell: Shell, dirs: readonly string[]): Promise<ExitCode> {
  const { json, prune } = command.opts<{ json?: boolean; prune?: boolean }>();
  const given = configOf(command, shell);
  // Nobody serves from the data folder while this command holds its lock, so there is no private Redis to tell; the snapshot of the last one is
  // dropped by opening the folder.
  // Nor are there readers to warm caches for.
  const config = { ...given, warm: 'off', popularRows: 0, ...(given.redisUrl === 'embedded' ? { redisUrl: 'none' } : {}) } as const;
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const closing = new Closing();
  try {
    const runtime = await openRuntime(config, shell, logger, closing);
    for (const dir of dirs) {
      const options = { dir: path.resolve(shell.cwd, dir), signal: shell.stop, hash: config.hash, prune: prune === true };
      const report = await indexFolder(runtime, shell, logger, options);
      if (json === true) shell.out(reportLine(options.dir, report));
    }
    return EXIT.ok;
  } catch (error) {
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    for (const { name, error } of await closing.close()) logger.error({ error }, `closing the ${name} failed`);
  }
}

const reportLine = (dir: string, report: IndexReport): string => JSON.stringify({ dir, ...report });
