import { ForebayError } from '../core/errors.ts';
import type { Config } from '../service/config.ts';

export interface AskOptions {
  /** Where the service is, without a path. */
  readonly url: URL;
  readonly token: string | null;
  readonly signal: AbortSignal;
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
export async function askService(path: string, { url, token, signal }: AskOptions): Promise<unknown> {
  const at = new URL(url.href.replace(/\/*$/, '') + path);
  const where = at.origin;
  let response: Response;
  let text: string;
  try {
    response = await fetch(at, {
      headers: { accept: 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ForebayError('SERVICE_UNREACHABLE', `no service of Forebay answers at ${where} (${whyOf(error)}); start one, or give --url`, {
      cause: error,
    });
  }
  const body = parsed(text);
  if (response.ok && body !== undefined) return body;
  throw refusal(response.status, body, where, token);
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `none within ${ANSWER_MS / 1000} s`;
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

function refusal(status: number, body: unknown, where: string, token: string | null): ForebayError {
  const detail =
    typeof body === 'object' && body !== null && 'detail' in body ? String(body.detail).slice(0, MAX_SHOWN) : `status ${status}`;
  if (status === 401) {
    const advice = token === null ? 'give one by FOREBAY_TOKEN, --token-file or --token' : 'give the one that the service was started with';
    return new ForebayError('UNAUTHORIZED', `the service at ${where} wants a token: ${detail}; ${advice}`);
  }
  if (status === 400) return new ForebayError('INPUT_INVALID', `the service at ${where} refused the question: ${detail}`);
  if (status === 404)
    return new ForebayError(
      'SERVICE_UNREACHABLE',
      `what answers at ${where} is no service of Forebay that makes reports (404): check --url, and the version of the service`,
    );
  return new ForebayError('SERVICE_UNREACHABLE', `the service at ${where} did not give a report: ${detail}`);
}
