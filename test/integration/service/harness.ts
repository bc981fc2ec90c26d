import { connect } from 'node:net';
import type { Alert } from '../../../src/alerts/alert.ts';
import type { Config } from '../../../src/service/config.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { problemSchema, type Problem } from '../../../src/service/problem.ts';
import { startService, type Service } from '../../../src/service/server.ts';
import { createMemoryForebay, type MemoryForebay } from '../../support/memory-forebay.ts';

export interface Harness extends AsyncDisposable {
  readonly forebay: MemoryForebay;
  readonly service: Service;
  readonly url: string;
  /** `fetch` under the service's URL; an object body goes as JSON. */
  call(
    path: string,
    init?: Omit<RequestInit, 'body' | 'headers'> & {
      headers?: Record<string, string>;
      json?: unknown;
      body?: string | Uint8Array<ArrayBuffer>;
    },
  ): Promise<Response>;
}

/** A listening service over records in memory. */
export async function startHarness(config: Partial<Config> = {}, logger?: Logger, { redis = true } = {}): Promise<Harness> {
  const forebay = createMemoryForebay();
  if (!redis) forebay.redis = null;
  const service = await startService({ forebay, config: { port: 0, ...config }, ...(logger === undefined ? {} : { logger }) });
  return {
    forebay,
    service,
    url: service.url,
    call: (path, { json, headers, ...init } = {}) =>
      fetch(service.url + path, {
        ...init,
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      }),
    [Symbol.asyncDispose]: () => service.close(),
  };
}

/** The body as problem details, held to the schema and to the response around it. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) {
    throw new Error(`status ${response.status} without problem details: ${text}`);
  }
  const problem = problemSchema.parse(JSON.parse(text));
  if (problem.status !== response.status) throw new Error(`status ${response.status}, but the problem says ${problem.status}`);
  return problem;
}

export interface RawAnswer {
  readonly text: string;
  readonly status: number;
}

/** Sends bytes as they are and reads until the service closes the connection or has answered once. */
export function sendRaw(port: number, bytes: string | Uint8Array, { end = false } = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (end) socket.end();
    });
    let text = '';
    const done = (): void => {
      socket.destroy();
      resolve({ text, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0) });
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1];
      const head = text.indexOf('\r\n\r\n');
      if (length !== undefined && head !== -1 && text.length >= head + 4 + Number(length)) done();
    });
    socket.on('close', done);
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? done() : reject(error)));
  });
}

export const ID = '018f4e9a-1b2c-7d3e-8f40-123456789abc';
export const ABSENT_ID = '018f4e9a-0000-7000-8000-000000000000';
export const NEW_FILE = { id: ID, path: '/srv/a b/ü.txt', size: 12, ownerId: 'uid:1', tags: ['b', 'a'] };
export const FIRING: Alert = {
  version: 1,
  id: '0f1e2d3c4b5a6978-firing',
  episode: '0f1e2d3c4b5a6978',
  alert: 'redis_down',
  severity: 'warning',
  state: 'firing',
  summary: 'Redis could not be reached for 12s.',
  value: 12_000,
  threshold: 10_000,
  unit: 'ms',
  startedAt: '2026-01-02T03:04:05.678Z',
  resolvedAt: null,
  returns: 0,
  instance: 'host:1',
};
