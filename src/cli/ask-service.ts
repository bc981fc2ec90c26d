import type { ErrorCode } from '../core/errors.ts';
import { ForebayError } from '../core/errors.ts';
import type { Config } from '../service/config.ts';

export interface AskOptions {
  /** Where the service is, without a path. */
  readonly url: URL;
  readonly token: string | null;
  readonly signal: AbortSignal;
  /** Sent as JSON by POST; without one the question is a GET. */
  readonly body?: object;
  /** Sent as bytes by POST, in place of `body`. */
  readonly stream?: ReadableStream<Uint8Array>;
  /** Statuses besides those of success whose JSON is an answer too. */
  readonly also?: readonly number[];
}

const ANSWER_MS = 30_000;
/** Of an answer that is no problem of ours, so much is shown. */
const MAX_SHOWN = 200;

/**
 * Where the running service is: `given`, or the address that the settings say.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export function serviceUrl(given: string | undefined, { host, port }: Pick<Config, 'host' | 'port'>): URL {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const text = given ?? `http://${near.includes(':') ? `[${near}]` : near}:${port}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '' || url.search !== '') {
    throw new ForebayError(
      'INPUT_INVALID',
      `--url is not one of a service: give http://HOST:PORT or https://HOST, and the token by --token-file`,
      {
        field: 'url',
      },
    );
  }
  return url;
}

/**
 * Asks a running service and resolves to the JSON of its answer.
 * @throws {ForebayError} `SERVICE_UNREACHABLE`, `UNAUTHORIZED`, `INPUT_INVALID` when the service says so
 */
export async function askService(path: string, options: AskOptions): Promise<unknown> {
  const { signal } = options;
  const timed = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const response = await openAnswer(path, { ...options, signal: timed });
  const body = parsed(await received(() => response.text(), { ...options, signal: timed }));
  if (body !== undefined) return body;
  throw refusal(response.status, body, options);
}

/**
 * Asks a running service and resolves to its answer, whose body is still to come.
 * @throws {ForebayError} as `askService`
 */
export async function openAnswer(path: string, options: AskOptions): Promise<Response> {
  const { url, token, signal, body, stream, also = [] } = options;
  const type = stream === undefined ? 'application/json' : 'application/octet-stream';
  const sent = stream ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await received(
    () =>
      fetch(new URL(url.href.replace(/\/*$/, '') + path), {
        headers: {
          accept: 'application/json, */*;q=0.1',
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(sent === undefined ? {} : { 'content-type': type }),
        },
        ...(sent === undefined ? {} : { method: 'POST', body: sent, duplex: 'half' }),
        redirect: 'error',
        signal,
      }),
    options,
  );
  if (response.ok || also.includes(response.status)) return response;
  throw refusal(response.status, parsed(await received(() => response.text(), options)), options);
}

/** What `receive` gives; a connection that fails is told as a service that does not answer. */
async function received<T>(receive: () => Promise<T>, { url, signal }: AskOptions): Promise<T> {
  try {
    return await receive();
  } catch (error) {
    if (signal.aborted && !isTimeout(signal.reason)) throw error;
    throw unreachable(url, error);
  }
}

const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';

function unreachable(url: URL, error: unknown): ForebayError {
  return new ForebayError(
    'SERVICE_UNREACHABLE',
    `no service of Forebay answers at ${url.origin} (${whyOf(error)}); start one, or give --url (a command that has it: --alone)`,
    {
      cause: error,
    },
  );
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'none in time';
  const { cause } = error;
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
  return error.message;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Codes that say what to do better than that the service could not. */
const TOLD: readonly ErrorCode[] = ['ALREADY_RUNNING', 'BACKUP_INVALID', 'DATABASE_UNAVAILABLE', 'REDIS_UNAVAILABLE', 'RIGHTS_MISSING'];

/** The error for an answer that says no. */
export function refusal(status: number, body: unknown, { url, token }: Pick<AskOptions, 'url' | 'token'>): ForebayError {
  const where = url.origin;
  const detail =
    typeof body === 'object' && body !== null && 'detail' in body ? String(body.detail).slice(0, MAX_SHOWN) : `status ${status}`;
  if (status === 401) {
    const advice = token === null ? 'give one by FOREBAY_TOKEN, --token-file or --token' : 'give the one that the service was started with';
    return new ForebayError('UNAUTHORIZED', `the service at ${where} wants a token: ${detail}; ${advice}`);
  }
  if (status === 400) return new ForebayError('INPUT_INVALID', `the service at ${where} refused the question: ${detail}`);
  if (status === 404 && typeof body === 'object' && body !== null && 'code' in body && body.code === 'NOT_FOUND')
    return new ForebayError('NOT_FOUND', `the service at ${where} says: ${detail}`);
  if (status === 404)
    return new ForebayError(
      'SERVICE_UNREACHABLE',
      `what answers at ${where} is no service of Forebay that knows this question (404): check --url, and the version of the service`,
    );
  const code = TOLD.find((of) => typeof body === 'object' && body !== null && 'code' in body && body.code === of);
  if (code !== undefined) return new ForebayError(code, `the service at ${where}: ${detail}`);
  return new ForebayError('SERVICE_UNREACHABLE', `the service at ${where} did not answer the question: ${detail}`);
}
