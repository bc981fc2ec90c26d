import path from 'node:path';
import { Command } from 'commander';
import { parseDuration } from '../../core/duration.ts';
import { ForebayError } from '../../core/errors.ts';
import type { EfficiencyReport } from '../../metrics/report/efficiency-report.ts';
import { reportHtml } from '../../metrics/report/html.ts';
import { reportText } from '../../metrics/report/text.ts';
import { reportSchema } from '../../service/routes/report-schema.ts';
import { askService, serviceUrl } from '../ask-service.ts';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import { writeWhole } from '../write-whole.ts';

interface Flags {
  readonly url?: string;
  readonly period?: string;
  readonly html?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  forebay report                                    all since the start of the service at the address of the settings
  forebay report --period 1h --url http://10.0.0.5:7070
  forebay report --period 1d --html report.html     a page with plots, in one file
  FOREBAY_TOKEN_FILE=token forebay report --json | jq .curves.local.recommended

It is of one instance. NO_COLOR=1 makes it plain, as it is wherever it does not go to a terminal. docs/report.md explains every number.`;

const USED: ReadonlySet<string> = new Set(['host', 'port', 'token', 'tokenFile']);

/** `forebay report`: what the caches of a running service did, and what other sizes would do. */
export function reportCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('report')
    .description('Say what the caches of a running service saved, what was hot, and what hit ratio other sizes would give.')
    .option('--url <URL>', 'where the service is (default: the host and port of the settings)')
    .option('--period <TIME>', 'of how long, up to now: 1s to 1d, such as 15m (default: all since its start)')
    .option('--json', 'print JSON')
    .option('--html <FILE>', 'write a page with plots, in one file');
  addSettingFlags(command, ({ name }) => USED.has(name));
  return command.addHelpText('after', EXAMPLES).action(async () => {
    done(await report(command, shell));
  });
}

async function report(command: Command, shell: Shell): Promise<ExitCode> {
  const flags = command.opts<Flags>();
  const config = configOf(command, shell);
  const url = serviceUrl(flags.url, config);
  const query = flags.period === undefined ? '' : `?period=${checkedPeriod(flags.period)}ms`;
  let answer: unknown;
  try {
    answer = await askService(`/v1/report${query}`, { url, token: config.token, signal: shell.stop });
  } catch (error) {
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  }
  const made = checkedReport(answer, url);
  if (flags.html !== undefined) await writePage(path.resolve(shell.cwd, flags.html), made, shell);
  if (flags.json === true) shell.out(JSON.stringify(made, null, 2));
  else if (flags.html === undefined) shell.out(reportText(made, { fancy: shell.isOutputTerminal && (shell.env['NO_COLOR'] ?? '') === '' }));
  return EXIT.ok;
}

function checkedPeriod(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 1000 && ms <= 86_400_000) return ms;
  throw new ForebayError('INPUT_INVALID', `--period=${JSON.stringify(text)}: must be a duration from 1s to 1d, such as 15m or 1h`, {
    field: 'period',
  });
}

function checkedReport(answer: unknown, { origin }: URL): EfficiencyReport {
  const checked = reportSchema.safeParse(answer);
  if (checked.success) return checked.data;
  throw new ForebayError(
    'SERVICE_UNREACHABLE',
    `what ${origin} answered is no report that this version reads: is it a service of Forebay, of the same version?`,
  );
}

async function writePage(file: string, made: EfficiencyReport, shell: Shell): Promise<void> {
  try {
    await writeWhole(file, reportHtml(made));
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ForebayError(
      'INPUT_INVALID',
      `--html=${JSON.stringify(file)}: cannot be written (${why}); name a file in a folder that is there and may be written to`,
      {
        field: 'html',
        cause: error,
      },
    );
  }
  shell.note(`Written to ${file}.`);
}
