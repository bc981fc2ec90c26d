import { Command, CommanderError } from 'commander';
import { attachCommand } from './commands/attach.ts';
import { benchCommand } from './commands/bench.ts';
import { backupCommand } from './commands/backup.ts';
import { configCommand } from './commands/config.ts';
import { detachCommand } from './commands/detach.ts';
import { doctorCommand } from './commands/doctor.ts';
import { indexCommand } from './commands/index-files.ts';
import { inspectCommand } from './commands/inspect.ts';
import { invalidateCommand } from './commands/invalidate.ts';
import { recoverCommand } from './commands/recover.ts';
import { reportCommand } from './commands/report.ts';
import { restoreCommand } from './commands/restore.ts';
import { serveCommand } from './commands/serve.ts';
import { statusCommand } from './commands/status.ts';
import { startCommand } from './commands/start.ts';
import { warmCommand } from './commands/warm.ts';
import { topCommand } from './commands/top.ts';
import { EXIT, explain, type ExitCode, type Shell } from './shell.ts';
import { packageVersion } from '../version.ts';

const HELP = `
Examples:
  forebay start                          everything in one process: database, Redis and service; indexes this folder
  forebay start --index ~/Pictures       the same for another folder
  forebay serve --database-url postgres://user:password@host/name --redis-url redis://host:6379
  forebay index ~/Pictures --hash        put file records into the database, without serving
  forebay attach --table documents --id id    caches hear of every change of a table of your own
  forebay report --period 1h             what the caches of a running service saved, and what more memory would
  forebay status                         whether a running service can serve, and what is amiss
  forebay top                            its rates, latencies, connections and hot keys, live
  forebay bench                          throughput, latencies, hit ratio and database load under a load of your choice
  forebay doctor                         whether all is as it should be, proven by a row of its own
  forebay inspect ID                     what each tier holds of a file
  forebay invalidate --tag folder:/srv   make every cache forget
  forebay warm                           fill the caches ahead of demand
  forebay recover                        recover from an outage now, and follow it
  forebay backup --out FILE              what Redis holds, into a file; forebay restore FILE puts it back
  forebay config                         what is in effect, and why

Settings are flags, variables (FOREBAY_PORT=8080) or a JSON file (--config FILE), the first of them winning.

Exit codes: 0 done, or stopped as asked; 1 failed; 2 wrong command line or configuration; 3 done, with warnings (doctor); 130 interrupted before the work was done.
FOREBAY_DEBUG=1 adds stacks to error messages.`;

/** Runs one command line and resolves to its exit code. Never rejects. */
export async function run(args: readonly string[], shell: Shell): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const done = (code: ExitCode): void => {
    exitCode = code;
  };
  const program = new Command('forebay')
    .description('File metadata served through process memory and Redis, from Postgres: the service, and what prepares and explains it.')
    .version(packageVersion(), '-V, --version')
    .addHelpText('after', HELP);
  for (const make of [
    startCommand,
    serveCommand,
    indexCommand,
    attachCommand,
    detachCommand,
    reportCommand,
    statusCommand,
    topCommand,
    benchCommand,
    doctorCommand,
    inspectCommand,
    invalidateCommand,
    warmCommand,
    recoverCommand,
    backupCommand,
    restoreCommand,
    configCommand,
  ])
    program.addCommand(make(shell, done));
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .showHelpAfterError(`(forebay ${command === program ? '' : `${command.name()} `}--help lists what there is)`)
      .configureOutput({ writeOut: (text) => shell.out(text.trimEnd()), writeErr: (text) => shell.note(text.trimEnd()) });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Help and version end by a CommanderError too, with exit code 0; it has been shown already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { text, exitCode: code } = explain(error, (shell.env['FOREBAY_DEBUG'] ?? '') !== '');
    shell.note(text);
    return code;
  }
}
