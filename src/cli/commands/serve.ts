import { Command } from 'commander';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { serveUntilStopped } from '../serve-until-stopped.ts';
import type { ExitCode, Shell } from '../shell.ts';

/** `forebay serve`: the service for an operator, who says which database and which Redis. */
export function serveCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('serve')
    .description('Run the HTTP service on the configured database and Redis. Indexes only the folder that --index names.')
    .option('--json', 'print one line {"url": …, "pid": …} when it listens, and no examples');
  addSettingFlags(command);
  return command
    .addHelpText('after', '\nExample:\n  forebay serve --database-url postgres://user:password@host/name --redis-url redis://host:6379')
    .action(async () => {
      const config = configOf(command, shell);
      done(await serveUntilStopped(config, shell, { indexDir: config.index, json: command.opts<{ json?: boolean }>().json === true }));
    });
}
