import type { ErrorCode } from '../core/errors.ts';
import { ForebayError } from '../core/errors.ts';

/** What a command needs of the world around it. */
export interface Shell {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether a person watches: progress moves in place instead of adding lines. */
  readonly isTerminal: boolean;
  /** Whether the command's answer goes to a person's terminal. */
  readonly isOutputTerminal: boolean;
  /** All of standard input, up to 64 MiB. @throws {ForebayError} `INPUT_INVALID` beyond that */
  input(): Promise<string>;
  /** Standard input line by line, as it comes. */
  inputLines(): AsyncIterable<string>;
  /** One line of the command's answer, on stdout. */
  out(line: string): void;
  /** One line about the command's doings, on stderr. */
  note(line: string): void;
  /** Aborted when the user or the system asks the process to end. */
  readonly stop: AbortSignal;
  /** Something that must not outlive the process, ended without waiting when it is told to end twice. Returns how to take it off the list. */
  endAtOnce(end: () => void): () => void;
}

/** How a command ended; `docs` and `--help` list them. */
export const EXIT = Object.freeze({
  ok: 0,
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** Done; something is not as it should be, and nothing is broken (`forebay doctor`). */
  warned: 3,
  /** Told to end before the work was done. */
  interrupted: 130,
});
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** To run it again as it is would not help. */
const WRONG_INPUT: ReadonlySet<string> = new Set<ErrorCode>(['BACKUP_INVALID', 'CONFIG_INVALID', 'INPUT_INVALID']);

/** What went wrong as one paragraph for a person, with the place to read on; the stack only where it was asked for. */
export function explain(error: unknown, debug: boolean): { text: string; exitCode: ExitCode } {
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  if (error instanceof ForebayError) {
    const exitCode = WRONG_INPUT.has(error.code) ? EXIT.usage : EXIT.failed;
    return { text: `forebay: ${error.code}: ${error.message} (see ${error.docs})${stack}`, exitCode };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { text: `forebay: unexpected: ${message} (FOREBAY_DEBUG=1 shows where)${stack}`, exitCode: EXIT.failed };
}
