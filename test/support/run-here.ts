import { run } from '../../src/cli/program.ts';
import type { Ended } from './program.ts';

export interface RunHereOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What it finds on standard input. @defaultValue nothing */
  readonly input?: string | Buffer;
  /** Asks it to end, as Ctrl-C does. */
  readonly stop?: AbortSignal;
}

/** Runs one command line in this process, without a terminal: for what need not be the built program, which takes half a second to start. */
export async function runHere(args: readonly string[], options: RunHereOptions = {}): Promise<Ended> {
  const { env = {}, stop = new AbortController().signal } = options;
  const input = String(options.input ?? '');
  const lines = { out: [] as string[], note: [] as string[] };
  const code = await run(args, {
    env,
    cwd: process.cwd(),
    isTerminal: false,
    isOutputTerminal: false,
    input: () => Promise.resolve(input),
    inputLines: async function* () {
      yield* input.split('\n');
    },
    out: (line) => void lines.out.push(`${line}\n`),
    note: (line) => void lines.note.push(`${line}\n`),
    stop,
    endAtOnce: () => () => {},
  });
  return { code, stdout: lines.out.join(''), stderr: lines.note.join('') };
}
