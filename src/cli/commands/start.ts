import { Command } from 'commander';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { serveUntilStopped } from '../serve-until-stopped.ts';
import type { ExitCode, Shell } from '../shell.ts';

/** `forebay start`: the main job with nothing set up; what `npm start` runs. */
export function startCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('start')
    .description(
      'Run everything in one go: an embedded Postgres and a private Redis in a data folder, the HTTP service, and an index of a folder ' +
        '(default: the current one; none when a database URL is given). A later start reuses the data and indexes what has changed. Ctrl-C stops it all in order; a second one at once.',
    )
    .option('--json', 'print one line {"url": …, "pid": …} when it listens, and no examples');
  addSettingFlags(command);
  // After `--index DIR`, or commander would give that one the default `true`.
  command.option('--no-index', 'index nothing');
  return command
    .addHelpText('after', '\nExamples:\n  forebay start\n  forebay start --index ~/Pictures --data ~/.forebay-pictures --port 8080')
    .action(async () => {
      const { json, index } = command.opts<{ json?: boolean; index?: string | boolean }>();
      const config = configOf(command, shell);
      const isEmbedded = config.databaseUrl === 'embedded';
      const indexDir = index === false ? null : (config.index ?? (isEmbedded ? shell.cwd : null));
      done(await serveUntilStopped(config, shell, { indexDir, json: json === true }));
    });
}
