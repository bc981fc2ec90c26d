import { Command } from 'commander';
import { ForebayError } from '../../core/errors.ts';
import type { ServiceCaller } from '../service-command.ts';
import { addServiceFlags, serviceOf } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import { wholeNumber } from '../whole-number.ts';
import { cleanJson } from '../top/cells.ts';
import { frame } from '../top/frame.ts';
import { paint } from '../top/paint.ts';
import { Screen } from '../top/screen.ts';
import { View } from '../top/view.ts';
import { askHot, watch } from '../top/watch.ts';

interface Flags {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly count?: string;
}

/** How often it draws when nothing comes: ages grow all the same. */
const EVERY_MS = 1_000;
/** Columns of a frame that goes to no terminal. */
const PLAIN_COLUMNS = 120;
const MAX_COUNT = 1_000_000;

const EXAMPLES = `
It shows one instance. q or Ctrl-C ends it. Where the output is no terminal, one frame is printed as plain text. NO_COLOR=1 makes it plain on a terminal too.

Examples:
  forebay top
  FOREBAY_TOKEN_FILE=token forebay top --url http://10.0.0.5:7070     with the token, hot keys and tags too
  forebay top --once | head -3
  forebay top --json --count 60 | jq -r .snapshot.reads.all           reads a second, for a minute

Exit codes: 0 ended as asked; 1 nobody answers; 2 wrong command line; 130 interrupted before --count was reached. docs/top.md says what is shown.`;

/** `forebay top`: a running service, live. */
export function topCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('top')
    .description('Watch a running service: rates, hit ratio, latencies, staleness, connections, memory, hot keys and events, every second.')
    .option('--once', 'print one frame and end')
    .option('--json', 'print one JSON object a second, each on a line')
    .option('--count <N>', 'with --json: end after so many');
  addServiceFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    done(await top(command, shell));
  });
}

async function top(command: Command, shell: Shell): Promise<ExitCode> {
  const { once = false, json = false, count } = command.opts<Flags>();
  if (count !== undefined && !json)
    throw new ForebayError('INPUT_INVALID', '--count is for --json: add that, or leave it out', { field: 'count' });
  const most = once ? 1 : count === undefined ? null : wholeNumber('count', count, 1, MAX_COUNT);
  const service = serviceOf(command, shell);
  const view = new View(service.url.origin, performance.now());
  if (json) return printJson(service, view, shell, most);
  if (once || !shell.isOutputTerminal || shell.env['TERM'] === 'dumb') return printFrame(service, view, shell);
  await show(service, view, shell);
  return EXIT.ok;
}

/** In place, until the person ends it. */
async function show(service: ServiceCaller, view: View, shell: Shell): Promise<void> {
  const ended = new AbortController();
  const color = (shell.env['NO_COLOR'] ?? '') === '';
  const opened: { screen?: Screen } = {};
  const draw = (): void => {
    if (opened.screen === undefined) return;
    const { columns, rows } = opened.screen.size;
    opened.screen.draw(frame(view, { columns, rows, now: performance.now() }).map((line) => paint(line, columns, color)));
  };
  const timer = setInterval(draw, EVERY_MS);
  try {
    await watch(service, view, {
      signal: AbortSignal.any([shell.stop, ended.signal]),
      onChange: () => {
        // Not before it answers: who mistyped the address reads that on the screen that stays.
        opened.screen ??= new Screen({ onEnd: () => ended.abort(), onResize: draw });
        draw();
      },
    });
  } catch (error) {
    if (!shell.stop.aborted) throw error;
  } finally {
    clearInterval(timer);
    opened.screen?.[Symbol.dispose]();
  }
}

async function printFrame(service: ServiceCaller, view: View, shell: Shell): Promise<ExitCode> {
  if (!(await firstNumbers(service, view, shell))) return EXIT.interrupted;
  const lines = frame(view, { columns: PLAIN_COLUMNS, rows: Number.POSITIVE_INFINITY, now: performance.now() });
  shell.out(lines.map((line) => paint(line, PLAIN_COLUMNS, false)).join('\n'));
  return EXIT.ok;
}

/** Waits for the numbers of a second and what is hot; `false` when told to stop before. */
async function firstNumbers(service: ServiceCaller, view: View, shell: Shell): Promise<boolean> {
  const ended = new AbortController();
  try {
    await watch(service, view, {
      signal: AbortSignal.any([shell.stop, ended.signal]),
      onChange: () => {
        if (view.snapshot !== null) ended.abort();
      },
    });
    if (!shell.stop.aborted && view.hot === null) await askHot(service, view, shell.stop);
  } catch (error) {
    if (!shell.stop.aborted) throw error;
  }
  return !shell.stop.aborted;
}

async function printJson(service: ServiceCaller, view: View, shell: Shell, most: number | null): Promise<ExitCode> {
  const ended = new AbortController();
  let printed = 0;
  let told = 0;
  const print = (): void => {
    if (view.snapshot === null || ended.signal.aborted) return;
    const { url, link, heardAt, snapshot, hot } = view;
    const lost = link.state === 'lost';
    const ageMs = Math.round(performance.now() - heardAt);
    const last = view.events.at(-1)?.number ?? 0;
    // Numbers that are lower than those told are of another process.
    const events = last < told ? view.events : view.events.filter(({ number }) => number > told);
    told = last;
    shell.out(cleanJson({ url, live: !lost, problem: lost ? link.why : null, ageMs, snapshot, hot: hot === 'token' ? null : hot, events }));
    printed += 1;
    if (printed === most) ended.abort();
  };
  let timer: NodeJS.Timeout | undefined;
  let isRead = true;
  // As `head` does when it has enough.
  const leave = (): void => {
    isRead = false;
    ended.abort();
  };
  process.stdout.once('error', leave);
  try {
    await watch(service, view, {
      signal: AbortSignal.any([shell.stop, ended.signal]),
      onChange: () => {
        if (timer !== undefined || view.snapshot === null) return;
        timer = setInterval(print, EVERY_MS);
        print();
      },
    });
  } catch (error) {
    if (!shell.stop.aborted) throw error;
  } finally {
    clearInterval(timer);
    process.stdout.off('error', leave);
  }
  return most === null || printed === most || !isRead ? EXIT.ok : EXIT.interrupted;
}
