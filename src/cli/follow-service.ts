import { ForebayError } from '../core/errors.ts';
import type { AskOptions } from './ask-service.ts';
import { openAnswer, refusal } from './ask-service.ts';

/** The service sends something every five seconds: after so long without anything it is taken for dead, in ms. */
const SILENCE_MS = 30_000;
/** No line of a service is longer, in characters. */
const MAX_LINE = 4 * 1024 ** 2;

/**
 * Asks a service for something that takes its time and is told line by line; resolves to its result, and tells of progress on the way.
 * @throws {ForebayError} as `askService`; and what the service says went wrong on the way
 */
export async function followService(
  path: string,
  options: AskOptions & { readonly silenceMs?: number },
  onProgress: (progress: unknown) => void,
): Promise<unknown> {
  const { silenceMs = SILENCE_MS } = options;
  const quiet = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), silenceMs);
  };
  // A service that takes the question and never answers is as silent as one that stops in the midst.
  heard();
  try {
    const response = await openAnswer(path, { ...options, signal: AbortSignal.any([options.signal, quiet.signal]) });
    if (response.body === null) throw refusal(response.status, undefined, options);
    for await (const line of linesOf(response.body, heard)) {
      if (line === '') continue;
      const said = parsed(line);
      if ('progress' in said) onProgress(said.progress);
      if ('result' in said) return said.result;
      if ('problem' in said) throw refusal(statusOf(said.problem), said.problem, options);
    }
  } catch (error) {
    if (options.signal.aborted || error instanceof ForebayError) throw error;
    throw brokenOff(options, quiet.signal.aborted ? `it was silent for ${silenceMs / 1000} s` : 'the connection broke', error);
  } finally {
    clearTimeout(timer);
  }
  throw brokenOff(options, 'it ended its answer early', undefined);
}

function brokenOff({ url }: AskOptions, why: string, cause: unknown): ForebayError {
  return new ForebayError(
    'SERVICE_UNREACHABLE',
    `the service at ${url.origin} did not finish: ${why}; what was done stays done, run it again`,
    {
      cause,
    },
  );
}

async function* linesOf(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<string> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    heard();
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw new Error('a line of the answer is too long');
    yield* lines;
  }
}

function parsed(line: string): object {
  const value: unknown = JSON.parse(line);
  return typeof value === 'object' && value !== null ? value : {};
}

const statusOf = (problem: unknown): number =>
  typeof problem === 'object' && problem !== null && 'status' in problem && typeof problem.status === 'number' ? problem.status : 500;
