import { Command } from 'commander';
import { ForebayError } from '../../core/errors.ts';
import type { CheckReport, DoctorReport } from '../../doctor/report.ts';
import { runChecks } from '../../doctor/run.ts';
import { createLogger } from '../../service/logger.ts';
import { doctorProgressSchema, doctorSchema } from '../../service/routes/doctor.ts';
import { Closing } from '../../core/closing.ts';
import { targetsOf } from '../doctor-targets.ts';
import { DoctorText } from '../doctor-text.ts';
import { serviceOf } from '../service-command.ts';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

interface Flags {
  readonly url?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
It needs no running service: it connects by the settings, as a service would, and says of everything that is amiss why it matters and what mends it. It writes a record of its own
(/forebay-doctor/…), changes it a few times by plain SQL, times until another cache knows, and removes it. The embedded database is open to one process only: while a service has
it, that service is asked to look. docs/doctor.md lists every check.

Examples:
  forebay doctor                                              the embedded default
  FOREBAY_DATABASE_URL=postgres://… FOREBAY_REDIS_URL=redis://… forebay doctor
  forebay doctor --url http://10.0.0.5:7070                   as seen by a running service
  forebay doctor --dry-run                                    without the checks that write
  forebay doctor --json | jq -r '.checks[].findings[] | .severity + ": " + .what'

Exit codes: 0 nothing amiss; 3 warnings only; 1 errors, or it could not look; 2 wrong command line or configuration; 130 stopped.`;

/** `forebay doctor`: whether all is as it should be. */
export function doctorCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('doctor')
    .description(
      'Check settings, the database and Redis, prove the way of a change with a record of its own, and say what mends what is amiss.',
    )
    .option('--url <URL>', 'ask this running service to look, instead of connecting by the settings')
    .option('--dry-run', 'leave out the checks that write')
    .option('--json', 'print the report as JSON');
  addSettingFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    done(await doctor(command, shell));
  });
}

async function doctor(command: Command, shell: Shell): Promise<ExitCode> {
  const flags = command.opts<Flags>();
  const { json = false } = flags;
  const text = new DoctorText(shell.isOutputTerminal && (shell.env['NO_COLOR'] ?? '') === '');
  const tell = (check: CheckReport): void => {
    if (!json) for (const line of text.check(check)) shell.out(line);
  };
  let report: DoctorReport;
  try {
    report = await look(command, shell, flags, tell);
  } catch (error) {
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  }
  for (const line of json ? [JSON.stringify(report)] : text.summary(report)) shell.out(line);
  if (report.stopped) return EXIT.interrupted;
  return { ok: EXIT.ok, warning: EXIT.warned, error: EXIT.failed }[report.status];
}

/** By the settings; by a service where one was named, or where it has the data folder. */
async function look(command: Command, shell: Shell, flags: Flags, tell: (check: CheckReport) => void): Promise<DoctorReport> {
  if (flags.url !== undefined) return askService(command, shell, flags, tell);
  try {
    return await lookHere(command, shell, flags, tell);
  } catch (error) {
    if (!(error instanceof ForebayError) || error.code !== 'DATA_DIR_IN_USE') throw error;
    shell.note(`Another process has the data folder ${configOf(command, shell).data}: it is asked to look.`);
    return askService(command, shell, flags, tell);
  }
}

async function lookHere(
  command: Command,
  shell: Shell,
  { dryRun = false }: Flags,
  tell: (check: CheckReport) => void,
): Promise<DoctorReport> {
  const config = configOf(command, shell);
  // What is amiss is said by the findings; a log beside them would say it twice.
  const logger = createLogger({ level: config.logLevel === 'debug' ? 'debug' : 'silent', format: config.logFormat });
  const closing = new Closing();
  // Nothing else may keep the process alive while a check waits.
  const alive = setInterval(() => {}, 60_000);
  try {
    const targets = targetsOf(config, shell, logger, closing);
    return await runChecks(targets, { dryRun, signal: shell.stop, onCheck: tell });
  } finally {
    await closing.close();
    clearInterval(alive);
  }
}

async function askService(
  command: Command,
  shell: Shell,
  { dryRun = false }: Flags,
  tell: (check: CheckReport) => void,
): Promise<DoctorReport> {
  const service = serviceOf(command, shell);
  const report = await service.follow(
    '/v1/doctor',
    { progress: doctorProgressSchema, result: doctorSchema },
    {
      body: { dryRun },
      onProgress: ({ check, done, total }) => {
        if (shell.isTerminal) shell.note(`${done} of ${total}: ${check}`);
      },
    },
  );
  for (const check of report.checks) tell(check);
  return report;
}
