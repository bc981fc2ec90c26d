import { Command } from 'commander';
import type { z } from 'zod';
import { ForebayError } from '../../core/errors.ts';
import { parseDuration } from '../../core/duration.ts';
import { stepsInWords } from '../../recovery/recovery.ts';
import { recoverProgress, recoverResult } from '../../service/routes/recovery-schema.ts';
import { addServiceOrAloneFlags, withService } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import { inWords } from '../progress.ts';

interface Flags {
  readonly restore?: boolean;
  readonly watch?: boolean;
  readonly wait?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

type Recovery = z.output<typeof recoverProgress>;
type Report = z.output<typeof recoverResult>;

const MAX_WAIT_MS = 3_600_000;

const EXAMPLES = `
A service recovers by itself; this asks it to do so now, and shows the steps: what does not answer is tried at once, Redis is believed again once it has followed every change, what is popular is loaded,
and it ends when calls of the database are not held back any more. It asks one instance; the others recover by themselves.

Examples:
  forebay recover                        now, and follow it
  forebay recover --restore              and use a Redis again that an operator has isolated
  forebay recover --watch                only follow what goes on by itself
  forebay recover --dry-run              only say what would be done
  forebay recover --wait 5m              longest wait for what is away (default 1m)
  forebay recover --alone                without a running service: brings Redis level with the database, and warms it

Exit codes: 0 all traffic is back, or there was nothing to recover; 1 something is still broken: it says what, and what to do next; 2 wrong command line; 130 interrupted: the service goes on by itself.`;

/** `forebay recover`: what a service does after an outage, now and in sight. */
export function recoverCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('recover')
    .description('After an outage: try what is away at once, verify Redis, warm it, and follow until all traffic is back.')
    .option('--restore', 'also end an isolation of Redis by hand')
    .option('--watch', 'do nothing, follow the recovery that is under way')
    .option('--wait <DURATION>', 'longest wait for what is away to answer and to be verified', '1m')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--json', 'print the outcome as JSON');
  addServiceOrAloneFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    done(await recover(command, shell));
  });
}

async function recover(command: Command, shell: Shell): Promise<ExitCode> {
  const { restore = false, watch = false, dryRun = false, json = false, wait = '' } = command.opts<Flags>();
  if (watch && (restore || dryRun))
    throw new ForebayError('INPUT_INVALID', '--watch does nothing: leave out --restore and --dry-run, or --watch', { field: 'watch' });
  const body = { restore, watch, dryRun, waitMs: waitOf(wait) };
  const steps = new Steps(shell);
  try {
    const report = await withService(command, shell, (service) =>
      service.follow(
        '/v1/recovery',
        { progress: recoverProgress, result: recoverResult },
        { body, onProgress: (recovery) => steps.show(recovery) },
      ),
    );
    if (report.recovery !== null) steps.show(report.recovery);
    if (json) shell.out(JSON.stringify(report));
    else for (const line of described(report, watch)) shell.out(line);
    return report.outcome === 'broken' || report.outcome === 'stopped' ? EXIT.failed : EXIT.ok;
  } catch (error) {
    if (!shell.stop.aborted) throw error;
    if (steps.shown) shell.note('forebay: stopped following; the service goes on recovering by itself (forebay recover --watch shows it)');
    return EXIT.interrupted;
  }
}

function waitOf(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms <= MAX_WAIT_MS) return ms;
  throw new ForebayError('INPUT_INVALID', `--wait=${JSON.stringify(text.slice(0, 64))}: must be a duration up to 1h, such as 90s or 5m`, {
    field: 'wait',
  });
}

/** Shows each step once; one that has to be taken again is shown again. */
class Steps {
  readonly #shell: Shell;
  #last: readonly string[] = [];
  shown = false;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  show(recovery: Recovery): void {
    const steps = stepsInWords(recovery);
    for (const [at, step] of steps.entries()) if (this.#last[at] !== step) this.#shell.note(`recovery ${recovery.number}: ${step}`);
    this.#last = steps;
    this.shown = true;
  }
}

function described(report: Report, isWatching: boolean): string[] {
  const { outcome, steps, broken, tookMs, recovery } = report;
  const left = broken.flatMap(({ text, advice }) => [`  broken  ${text}`, `  do      ${advice}`]);
  switch (outcome) {
    case 'well':
      return [
        isWatching ? 'No recovery is under way.' : 'Nothing to recover: Redis and the database answer, and Redis has followed all changes.',
      ];
    case 'planned':
      return ['It would:', ...steps.map((step, at) => `  ${at + 1}. ${step}`), ...left];
    case 'recovered':
      return [
        `Recovered in ${inWords(tookMs)}: ${[...steps, 'all traffic is back'].join('; ')}.`,
        ...(recovery === null ? [] : [`The outage and its recovery took ${inWords(recovery.tookMs ?? 0)} in all.`]),
      ];
    case 'broken':
      return [
        `Not recovered after ${inWords(tookMs)}; the service goes on trying by itself.`,
        ...steps.map((step) => `  done    ${step}`),
        ...left,
      ];
    case 'stopped':
      return ['It was not followed to its end; the service goes on by itself.', ...left];
    default:
      return outcome satisfies never;
  }
}
