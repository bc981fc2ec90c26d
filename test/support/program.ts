import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const main = path.join(root, 'dist', 'cli', 'main.js');

/** A program that has not ended in order so long after it was told to is killed, in ms. */
const MAX_END_MS = 10_000;

/** The built program as a child process, as a user runs it. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves to the first match in what the program has printed, on either stream; rejects when it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Where it serves, once it does. */
  url(): Promise<string>;
  /** Sends a signal to the program alone. */
  kill(signal: NodeJS.Signals): void;
  /** Sends a signal to its whole process group, as the terminal does with Ctrl-C. */
  killGroup(signal: NodeJS.Signals): void;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What to run instead of the built program with this Node. */
  readonly command?: readonly [string, ...string[]];
  readonly cwd?: string;
  /** What it finds on standard input. @defaultValue nothing */
  readonly input?: string;
}

/** How a program ended. */
export interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

export async function ended(program: Program): Promise<Ended> {
  const code = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** Runs the program to its end. */
export async function runToEnd(args: readonly string[], options?: ProgramOptions): Promise<Ended> {
  await using program = runProgram(args, options);
  return await ended(program);
}

/** Starts the program in a process group of its own, without a terminal. */
export function runProgram(args: readonly string[], options: ProgramOptions = {}): Program {
  if (!existsSync(main)) throw new Error('dist/ is not built; run npm run build (npm test does)');
  const [command, ...first] = options.command ?? [process.execPath, main];
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('FOREBAY_'));
  const child = spawn(command, [...first, ...args], {
    cwd: options.cwd ?? root,
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  // Who does not read it may close it.
  child.stdin.on('error', () => {}).end(options.input ?? '');
  const text = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of waiting) look();
  };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
      wake();
    });
  }
  let ended = false;
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    // `close`, not `exit`: by then all that was printed has been read.
    child.once('close', (code, signal) => {
      ended = true;
      resolve(code ?? signal ?? 'SIGKILL');
      wake();
    });
  });
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(text.stdout) ?? pattern.exec(text.stderr);
        if (match === null && !ended) return;
        waiting.delete(look);
        if (match === null) reject(new Error(`it ended without printing ${String(pattern)}:\n${text.stdout}\n${text.stderr}`));
        else resolve(match);
      };
      waiting.add(look);
      look();
    });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} cannot be run`);
  return {
    pid,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    printed,
    url: async () => (await printed(/serves at (http:\S+)/))[1] ?? '',
    kill: (signal) => {
      child.kill(signal);
    },
    killGroup: (signal) => {
      process.kill(-pid, signal);
    },
    exited,
    [Symbol.asyncDispose]: async () => {
      if (ended) return;
      // In order, so that it ends its private Redis too, which is in a process group of its own.
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const late = setTimeout(() => process.kill(-pid, 'SIGKILL'), MAX_END_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

/** The processes whose command line has this text, as `PID command`; not those that have ended. */
export function processesWith(text: string): string[] {
  return execFileSync('ps', ['-eo', 'pid=,state=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.includes(text) && !/^\d+ Z/.test(line) && !line.includes('ps -eo'));
}
