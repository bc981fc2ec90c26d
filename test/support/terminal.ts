import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import path from 'node:path';
import { eventually } from './eventually.ts';
import { root } from './program.ts';

/** A program on a pseudo-terminal of its own (`script` of util-linux). */
export interface Terminal extends AsyncDisposable {
  /** All that it wrote so far, escapes and all. */
  raw(): string;
  /** What the last frame shows that was drawn from the top left corner, without escapes. */
  screen(): string;
  /** Resolves when `look` does not throw. */
  shows(look: (screen: string) => void, limitMs?: number): Promise<void>;
  /** Keys, as the terminal would send them: `\u0003` is Ctrl-C. */
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** The process of the program itself. */
  pid(): Promise<number>;
  readonly exited: Promise<number>;
}

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the built program on a terminal. */
export function runOnTerminal(args: readonly string[], { columns = 80, rows = 24, env = {} }: TerminalOptions = {}): Terminal {
  const quoted = [process.execPath, path.join(root, 'dist', 'cli', 'main.js'), ...args].map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`);
  // What is printed before `begin` is the tty's name and its process; `exec` keeps the process.
  const command = `stty cols ${columns} rows ${rows}; echo "pid=$$ tty=$(tty) begin"; exec ${quoted.join(' ')}`;
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('FOREBAY_') && name !== 'NO_COLOR');
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  let raw = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (raw += part));
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? -1 : -2)));
  });
  const begun = (): RegExpExecArray => {
    const match = /pid=(\d+) tty=(\S+) begin/.exec(raw);
    if (match === null) throw new Error(`it has not begun: ${raw}`);
    return match;
  };
  const screen = (): string => plain(raw.split('\u001b[H').at(-1) ?? '');
  return {
    raw: () => raw.replace(/^[^]*? begin\r?\n/, ''),
    screen,
    shows: (look, limitMs) => eventually(async () => look(screen()), limitMs),
    type: (keys) => void child.stdin.write(keys),
    resize: (newColumns, newRows) => {
      const tty = readlinkSync(`/proc/${begun()[1]}/fd/1`);
      spawn('stty', ['-F', tty, 'cols', String(newColumns), 'rows', String(newRows)]);
    },
    pid: () => eventually(async () => Number(begun()[1])),
    exited,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const ESCAPE = String.fromCodePoint(0x1b);

/** Text without the escapes that a terminal acts on. */
export const plain = (text: string): string => text.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;?]*[a-zA-Z]`, 'g'), '').replaceAll('\r', '');
