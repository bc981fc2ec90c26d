import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ABSENT_ID, FIRING, ID, NEW_FILE, startHarness, type Harness } from './harness.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly responses: Readonly<Record<string, { description: string; content?: Record<string, { schema: object }> }>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let h: Harness;
let document: Document;
beforeAll(async () => {
  h = await startHarness();
  h.forebay.alertsNow = [FIRING];
  document = (await (await h.call('/openapi.json')).json()) as Document;
  await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
});
afterAll(() => h[Symbol.asyncDispose]());

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method.toUpperCase()} ${path}`, operation]),
  );

/** The document's own schema, read back into a check. */
function checkerOf(schema: object): z.ZodType {
  const whole = JSON.stringify({ ...schema, $defs: document.components.schemas }).replaceAll('#/components/schemas/', '#/$defs/');
  return z.fromJSONSchema(JSON.parse(whole));
}

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 and has every route of the service', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(
      operations()
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(
      [
        'POST /v1/files',
        'GET /v1/files/{id}',
        'HEAD /v1/files/{id}',
        'PATCH /v1/files/{id}',
        'DELETE /v1/files/{id}',
        'GET /v1/files/{id}/meta',
        'HEAD /v1/files/{id}/meta',
        'PUT /v1/files/{id}/meta',
        'POST /v1/files/batch-get',
        'POST /v1/tags/{tag}/invalidate',
        'POST /v1/cache/invalidate',
        'POST /v1/cache/warm',
        'GET /v1/cache/files/{id}',
        'HEAD /v1/cache/files/{id}',
        'DELETE /v1/cache/files/{id}',
        'GET /v1/backup',
        'POST /v1/restore',
        'POST /v1/admin/redis/isolate',
        'POST /v1/admin/redis/restore',
        'POST /v1/bench/records',
        'POST /v1/doctor',
        'GET /healthz',
        'HEAD /healthz',
        'GET /readyz',
        'HEAD /readyz',
        'GET /v1/live',
        'GET /v1/cache/hot',
        'HEAD /v1/cache/hot',
        'GET /v1/alerts',
        'HEAD /v1/alerts',
        'GET /v1/recovery',
        'HEAD /v1/recovery',
        'POST /v1/recovery',
        'GET /v1/report',
        'HEAD /v1/report',
        'GET /report',
        'HEAD /report',
        'GET /metrics',
        'HEAD /metrics',
        'GET /openapi.json',
        'HEAD /openapi.json',
        'GET /docs/errors.md',
        'HEAD /docs/errors.md',
      ].toSorted(),
    );
  });

  it('has distinct operation ids, a description for each response, and no reference into nothing', () => {
    const ids = operations().map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [name, { responses }] of operations()) {
      for (const [status, { description }] of Object.entries(responses))
        expect([name, status, description]).not.toContain('Default Response');
    }
    for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(document.components.schemas).toHaveProperty([name ?? '']);
    expect(Object.keys(document.components.schemas).toSorted()).toEqual(['FileInfo', 'FileMeta', 'Problem']);
  });

  it('describes the headers that reads take', () => {
    const headersOf = (name: string): unknown[] =>
      (operations().find(([one]) => one === name)?.[1].parameters ?? []).filter((parameter) => parameter.in === 'header');
    const staleness = { name: 'Forebay-Max-Staleness', required: false, schema: { type: 'number', minimum: 0 } };
    const version = { name: 'Forebay-Min-Version', required: false, schema: { type: 'integer', minimum: 0 } };
    for (const method of ['GET', 'HEAD'])
      for (const path of ['/v1/files/{id}', '/v1/files/{id}/meta'])
        expect(headersOf(`${method} ${path}`)).toMatchObject([staleness, version]);
    expect(headersOf('POST /v1/files/batch-get')).toMatchObject([staleness]);
    expect(headersOf('PATCH /v1/files/{id}')).toEqual([]);
  });

  const samples: [string, string, { method?: string; json?: unknown; headers?: Record<string, string> }][] = [
    ['GET /v1/files/{id}', `/v1/files/${ID}`, {}],
    ['GET /v1/files/{id}', `/v1/files/${ABSENT_ID}`, {}],
    ['GET /v1/files/{id}', '/v1/files/x', {}],
    ['GET /v1/files/{id}', `/v1/files/${ID}`, { headers: { 'if-none-match': '*' } }],
    ['GET /v1/files/{id}', `/v1/files/${ID}`, { headers: { 'forebay-max-staleness': '-1' } }],
    ['HEAD /v1/files/{id}', `/v1/files/${ID}`, { method: 'HEAD' }],
    ['GET /v1/files/{id}/meta', `/v1/files/${ID}/meta`, {}],
    ['POST /v1/files', '/v1/files', { method: 'POST', json: { ...NEW_FILE, id: '018f4e9a-1b2c-7d3e-8f40-aaaaaaaaaaaa' } }],
    ['POST /v1/files', '/v1/files', { method: 'POST', json: NEW_FILE }],
    ['POST /v1/files', '/v1/files', { method: 'POST', json: {} }],
    ['PATCH /v1/files/{id}', `/v1/files/${ID}`, { method: 'PATCH', json: { size: 3, sha256: 'a'.repeat(64) } }],
    ['PATCH /v1/files/{id}', `/v1/files/${ID}`, { method: 'PATCH', json: { size: 3 }, headers: { 'if-match': '"1"' } }],
    ['PUT /v1/files/{id}/meta', `/v1/files/${ID}/meta`, { method: 'PUT', json: { attributes: { a: [1] } } }],
    ['POST /v1/files/batch-get', '/v1/files/batch-get', { method: 'POST', json: { ids: [ID, ABSENT_ID] } }],
    ['POST /v1/tags/{tag}/invalidate', '/v1/tags/a/invalidate', { method: 'POST' }],
    ['POST /v1/cache/invalidate', '/v1/cache/invalidate', { method: 'POST', json: { ids: [ID], tags: ['a'] } }],
    ['POST /v1/cache/invalidate', '/v1/cache/invalidate', { method: 'POST', json: { all: true } }],
    ['POST /v1/cache/invalidate', '/v1/cache/invalidate', { method: 'POST', json: { all: true, ids: [ID] } }],
    ['POST /v1/cache/invalidate', '/v1/cache/invalidate', { method: 'POST', json: {} }],
    ['DELETE /v1/cache/files/{id}', `/v1/cache/files/${ID}`, { method: 'DELETE' }],
    ['GET /v1/cache/files/{id}', `/v1/cache/files/${ID}`, {}],
    ['GET /v1/cache/hot', '/v1/cache/hot', {}],
    ['POST /v1/admin/redis/isolate', '/v1/admin/redis/isolate', { method: 'POST' }],
    ['POST /v1/admin/redis/isolate', '/v1/admin/redis/isolate?for=1h', { method: 'POST' }],
    ['POST /v1/admin/redis/restore', '/v1/admin/redis/restore', { method: 'POST' }],
    ['POST /v1/bench/records', '/v1/bench/records', { method: 'POST', json: { do: 'make', run: ID, from: 999_999, count: 2 } }],
    ['GET /healthz', '/healthz', {}],
    ['GET /readyz', '/readyz', {}],
    ['GET /v1/alerts', '/v1/alerts', {}],
    ['GET /v1/report', '/v1/report', {}],
    ['GET /v1/report', '/v1/report?period=1h', {}],
    ['GET /v1/report', '/v1/report?period=2d', {}],
    ['HEAD /v1/report', '/v1/report', { method: 'HEAD' }],
    ['GET /report', '/report?period=90s', {}],
    ['GET /metrics', '/metrics', {}],
    ['GET /openapi.json', '/openapi.json', {}],
    ['GET /docs/errors.md', '/docs/errors.md', {}],
    ['DELETE /v1/files/{id}', `/v1/files/${ID}`, { method: 'DELETE' }],
  ];

  it.each(samples)('describes what %s really answers (%s %j)', async (name, path, init) => {
    const operation = operations().find(([one]) => one === name)?.[1];
    const response = await h.call(path, init);
    const documented = operation?.responses[String(response.status)];
    expect(documented, `status ${response.status}`).toBeDefined();
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    const text = await response.text();
    if (documented?.content === undefined) {
      expect(text).toBe('');
      return;
    }
    expect(Object.keys(documented.content)).toContain(type);
    const body: unknown = type.endsWith('json') ? JSON.parse(text) : text;
    checkerOf(documented.content[type]?.schema ?? {}).parse(body);
  });

  it('would notice an answer that is not as described', () => {
    const checker = checkerOf({ $ref: '#/components/schemas/FileInfo' });
    expect(checker.safeParse({ id: ID }).success).toBe(false);
    expect(checker.safeParse('text').success).toBe(false);
  });
});
