import type { IncomingMessage } from 'node:http';
import http from 'node:http';
import https from 'node:https';
import { z } from 'zod';
import type { AnsweredBy } from '../../cache/recorder.ts';
import { ForebayError, type ErrorCode } from '../../core/errors.ts';
import type { BenchRecords } from '../../files/bench-records.ts';
import { benchAnswers } from '../../service/routes/bench.ts';
import { readinessSchema } from '../../service/routes/schemas.ts';
import type { ServiceCaller } from '../service-command.ts';
import { slowestOf } from './library-subject.ts';
import type { LoadCounts, Subject } from './subject.ts';
import type { ReadAnswer } from './tally.ts';

/** No answer for so long counts as a failure, in ms. */
const ANSWER_MS = 30_000;
/** Of the calls that make and remove records, which go on after a Ctrl-C. */
const RECORDS_MS = 60_000;

export interface HttpSubjectOptions {
  readonly token: string | null;
  /** Connections at most, each with one request under way. */
  readonly concurrency: number;
}

/** A running service, over connections that are kept. */
export interface HttpSubject extends Subject {
  close(): void;
}

/** @throws {ForebayError} `SERVICE_UNREACHABLE` */
export async function httpSubject(service: ServiceCaller, { token, concurrency }: HttpSubjectOptions): Promise<HttpSubject> {
  const { maxStalenessMs } = await service.ask('/readyz', readinessSchema, { also: [503] });
  const client = new Client(service.url, token, concurrency);
  return {
    kind: 'http',
    description: `the service at ${service.url.origin}`,
    boundMs: maxStalenessMs,
    records: recordsOver(service),
    read: async (ids) => {
      try {
        return await (ids.length === 1 ? readOne(client, ids[0] ?? '') : readMany(client, ids));
      } catch (error) {
        return failed(ids.length, codeOf(error));
      }
    },
    write: (id, size) => patch(client, id, { size }, {}),
    touch: async (id) => {
      const read = await client.send('GET', `/v1/files/${id}`, { 'forebay-max-staleness': '0' });
      if (read.status !== 200) throw problem(read);
      const { size } = fileSchema.parse(JSON.parse(read.body));
      return patch(client, id, { size }, { 'if-match': read.headers.etag ?? '' });
    },
    loads: async () => loadsOf((await client.send('GET', '/metrics')).body),
    server: async () => null,
    close: () => client.close(),
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

class Client {
  readonly #base: URL;
  readonly #agent: http.Agent;
  readonly #authorization: Record<string, string>;
  readonly #request: typeof http.request;

  constructor(url: URL, token: string | null, concurrency: number) {
    const secure = url.protocol === 'https:';
    this.#base = url;
    this.#agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: concurrency, timeout: ANSWER_MS });
    this.#authorization = token === null ? {} : { authorization: `Bearer ${token}` };
    this.#request = secure ? https.request : http.request;
  }

  send(method: string, path: string, headers: Record<string, string> = {}, body?: object): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const type = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
    return new Promise((resolve, reject) => {
      const options = { method, agent: this.#agent, headers: { ...this.#authorization, ...type, ...headers }, timeout: ANSWER_MS };
      const request = this.#request(new URL(this.#base.href.replace(/\/*$/, '') + path), options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString('utf8') }),
        );
        response.on('error', reject);
      });
      request.on('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
      request.on('error', reject);
      request.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function readOne(client: Client, id: string): Promise<ReadAnswer> {
  const answer = await client.send('GET', `/v1/files/${id}`);
  const at = performance.now();
  if (answer.status !== 200 && answer.status !== 404) return { ...failed(1, problem(answer).code), at };
  const by = tierOf(String(answer.headers['cache-status'] ?? ''));
  return { by: { [by]: 1 }, slowest: by, versions: [answer.status === 404 ? 0 : versionOf(answer)], code: null, at };
}

const batchSchema = z.object({
  files: z.array(z.object({ version: z.number().optional(), absent: z.boolean().optional(), code: z.string().optional() })),
});
const fileSchema = z.object({ size: z.number() });

async function readMany(client: Client, ids: readonly string[]): Promise<ReadAnswer> {
  const answer = await client.send('POST', '/v1/files/batch-get', {}, { ids });
  const at = performance.now();
  if (answer.status !== 200) return { ...failed(ids.length, problem(answer).code), at };
  const { files } = batchSchema.parse(JSON.parse(answer.body));
  const by = tiersOf(String(answer.headers['cache-status'] ?? ''));
  const versions = files.map(({ version, absent }) => version ?? (absent === true ? 0 : null));
  return { by, slowest: slowestOf(by), versions, code: files.find(({ code }) => code !== undefined)?.code ?? null, at };
}

function failed(records: number, code: string): ReadAnswer {
  return { by: { none: records }, slowest: 'none', versions: Array.from({ length: records }, () => null), code, at: performance.now() };
}

async function patch(client: Client, id: string, body: object, headers: Record<string, string>): Promise<number> {
  const answer = await client.send('PATCH', `/v1/files/${id}`, headers, body);
  if (answer.status !== 200) throw problem(answer);
  return versionOf(answer);
}

const versionOf = ({ headers: { etag } }: Answer): number => Number(/^"(\d+)"$/.exec(etag ?? '')?.[1] ?? 0);

/** Who answered, by the `Cache-Status` of one record. A negative `ttl` is that of a stale entry. */
function tierOf(status: string): AnsweredBy {
  if (/ttl=-/.test(status)) return 'stale';
  if (status.startsWith('forebay-local')) return 'local';
  return status.startsWith('forebay-redis') ? 'remote' : 'source';
}

/** The same of many, which tells how many each tier answered. */
function tiersOf(status: string): Partial<Record<AnsweredBy, number>> {
  const names: Readonly<Record<string, AnsweredBy>> = {
    local: 'local',
    remote: 'remote',
    source: 'source',
    stale: 'stale',
    unavailable: 'none',
  };
  const counts = [...status.matchAll(/(\w+)=(\d+)/g)].flatMap(([, name = '', count]) => {
    const by = names[name];
    return by === undefined ? [] : [[by, Number(count)] as const];
  });
  return Object.fromEntries(counts);
}

function problem({ status, body }: Answer): ForebayError {
  const parsed = z.object({ code: z.string(), detail: z.string().optional() }).safeParse(safeJson(body));
  // Codes of another version, or of a proxy on the way, are counted by the name that they come with.
  if (parsed.success) return new ForebayError(parsed.data.code as ErrorCode, parsed.data.detail ?? parsed.data.code);
  return new ForebayError(`HTTP_${status}` as ErrorCode, `the answer has the status ${status}`);
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof ForebayError) return error.code;
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNREADABLE';
}

/** Loads of records, by the metrics of the service; `null` when it does not tell. */
function loadsOf(metrics: string): LoadCounts | null {
  const value = (name: string): number =>
    Number(new RegExp(`^${name}\\{cache="file:info"\\} (\\S+)$`, 'm').exec(metrics)?.[1] ?? Number.NaN);
  const counts = {
    calls: value('forebay_loads_total'),
    keys: value('forebay_loaded_keys_total'),
    ms: value('forebay_load_duration_seconds_sum') * 1000,
  };
  return Object.values(counts).some(Number.isNaN) ? null : counts;
}

function recordsOver(service: ServiceCaller): BenchRecords {
  const ask = <N extends keyof typeof benchAnswers>(name: N, body: object): Promise<z.output<(typeof benchAnswers)[N]>> =>
    service.ask('/v1/bench/records', benchAnswers[name] as unknown as z.ZodType<z.output<(typeof benchAnswers)[N]>>, {
      body: { do: name, ...body },
      signal: AbortSignal.timeout(RECORDS_MS),
    });
  return {
    begin: () => ask('begin', {}),
    make: (run, from, count) => ask('make', { run, from, count }),
    beat: (run, keep = false) => ask('beat', { run, keep }),
    runs: () => ask('runs', {}),
    remove: (run) => ask('remove', { run }),
    existing: (after, count) => ask('existing', { after, count }),
  };
}
