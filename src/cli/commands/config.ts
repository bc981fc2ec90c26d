import { Command } from 'commander';
import { renderConfig } from '../../service/config.ts';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

/** `forebay config`: what would be in effect, and where each value comes from. */
export function configCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('config')
    .description('Print the effective configuration and where each value comes from, secrets hidden. Checks it; starts nothing.')
    .option('--json', 'print JSON: {"port": {"value": 7070, "from": "default"}, …}');
  addSettingFlags(command);
  return command
    .addHelpText(
      'after',
      '\nExamples:\n  forebay config\n  FOREBAY_PORT=8080 forebay config --json\n  forebay config --config forebay.json',
    )
    .action(() => {
      const config = configOf(command, shell);
      shell.out(renderConfig(config, { json: command.opts<{ json?: boolean }>().json === true }));
      done(EXIT.ok);
    });
}
