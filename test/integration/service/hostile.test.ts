import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemSchema } from '../../../src/service/problem.ts';
import { ID, NEW_FILE, problemOf, sendRaw, startHarness, type Harness } from './harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await startHarness({ bodyLimitBytes: 64 * 1024, requestTimeoutMs: 2000 });
  await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
});
afterAll(() => h[Symbol.asyncDispose]());

const stillServes = async (): Promise<void> => expect((await h.call(`/v1/files/${ID}`)).status).toBe(200);
const post = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json', path = '/v1/files'): Promise<Response> =>
  h.call(path, { method: 'POST', body, headers: { 'content-type': type } });
const put = (attributes: string): Promise<Response> =>
  h.call(`/v1/files/${ID}/meta`, { method: 'PUT', body: `{"attributes":${attributes}}`, headers: { 'content-type': 'application/json' } });

describe('wrong requests are told what is wrong', () => {
  it.each([
    [{ ...NEW_FILE, colour: 'red' }, ['colour']],
    [{ ...NEW_FILE, size: '12' }, ['size']],
    [{ ...NEW_FILE, size: 2 ** 53 }, ['size']],
    [{ ...NEW_FILE, size: -1, tags: ['a', 7], x: 1, y: 2 }, ['size', 'tags.1', 'x', 'y']],
    [{ ...NEW_FILE, path: 'a\0b' }, ['path']],
    [{ ...NEW_FILE, id: 'x' }, ['id']],
    [{}, ['path', 'size', 'ownerId']],
    [[], ['body']],
    ['text', ['body']],
    [null, ['body']],
  ])('POST %j names %j', async (body, fields) => {
    const problem = await problemOf(await post(JSON.stringify(body)));
    expect(problem).toMatchObject({ status: 400, code: 'INPUT_INVALID' });
    expect(problem.errors?.map(({ field }) => field)).toEqual(fields);
  });

  it.each([
    ['GET', '/v1/files/not-an-id', 400, 'INPUT_INVALID', 'id'],
    ['DELETE', '/v1/files/1', 400, 'INPUT_INVALID', 'id'],
    ['GET', `/v1/files/${ID}?fields=name`, 400, 'INPUT_INVALID', 'fields'],
    ['POST', '/v1/tags/%00/invalidate', 400, 'INPUT_INVALID', 'tag'],
    ['GET', '/v1/files/%zz', 400, 'REQUEST_MALFORMED', undefined],
    ['GET', '/v1/files/%c3%28', 400, 'REQUEST_MALFORMED', undefined],
    ['GET', '/nothing/here', 404, 'ROUTE_NOT_FOUND', undefined],
    ['GET', '/v1/files/', 400, 'INPUT_INVALID', 'id'],
    ['GET', '//v1/files', 404, 'ROUTE_NOT_FOUND', undefined],
    ['GET', '/docs/../package.json', 404, 'ROUTE_NOT_FOUND', undefined],
    ['GET', '/docs/%2e%2e%2fpackage.json', 404, 'ROUTE_NOT_FOUND', undefined],
  ])('%s %s is a %i %s', async (method, path, status, code, field) => {
    const { text } = await sendRaw(h.service.port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const problem = problemSchema.parse(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)));
    expect(problem).toMatchObject({ status, code });
    expect(problem.errors?.[0]?.field).toBe(field);
  });

  it.each([
    ['PUT', '/v1/files', 'POST'],
    ['OPTIONS', `/v1/files/${ID}`, 'DELETE, GET, HEAD, PATCH'],
    ['PROPFIND', '/v1/files/batch-get', 'DELETE, GET, HEAD, PATCH, POST'],
    ['POST', '/healthz', 'GET, HEAD'],
  ])('%s %s is a 405 that lists what the path takes', async (method, path, allow) => {
    const response = await h.call(path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  });

  it.each([
    ['', 'application/json', 400],
    ['{', 'application/json', 400],
    ['{"a":1}', 'text/plain', 415],
    ['{"a":1}', 'application/xml', 415],
    ['{"a":1}', 'application/json; charset=latin1', 415],
    ['{"a":1}', 'nonsense', 415],
    [new Uint8Array([0x22, 0xff, 0x22]), 'application/json', 400],
    [`"${'x'.repeat(70_000)}"`, 'application/json', 413],
  ])('a body of %j as %s is a %i', async (body, type, status) => {
    expect((await problemOf(await post(body, type))).status).toBe(status);
    await stillServes();
  });

  it('a compressed body is refused as such, not as broken JSON', async () => {
    const response = await h.call('/v1/files', {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });
    expect(await problemOf(response)).toMatchObject({ status: 415, errors: [{ field: 'Content-Encoding' }] });
  });

  it('a body without a length is cut off at the limit', async () => {
    const chunk = `2000\r\n${'x'.repeat(0x2000)}\r\n`;
    const head = 'POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect((await sendRaw(h.service.port, head + chunk.repeat(12))).status).toBe(413);
    await stillServes();
  });

  it.each([
    ['{"__proto__":{"polluted":1}}', 'attributes.__proto__'],
    ['{"a":[{"__proto__":1}]}', 'attributes.a.0.__proto__'],
    [String.raw`{"\u005f\u005fproto\u005f\u005f":{"polluted":1}}`, 'attributes.__proto__'],
  ])('%s cannot pollute a prototype: it is refused', async (attributes, field) => {
    expect(await problemOf(await put(attributes))).toMatchObject({ status: 400, code: 'BODY_INVALID', errors: [{ field }] });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('deep nesting is refused before it can overflow a stack', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '1}'],
    ] as const) {
      const depth = Math.floor(60_000 / (open.length + close.length));
      const problem = await problemOf(
        await put(
          open.repeat(depth) +
            '1'.repeat(open === '[' ? 1 : 0) +
            close.repeat(open === '[' ? depth : 1) +
            '}'.repeat(open === '[' ? 0 : depth - 1),
        ),
      );
      expect(problem).toMatchObject({ status: 400, code: 'BODY_INVALID' });
    }
    expect((await put(`${'['.repeat(60)}${']'.repeat(60)}`)).status).toBe(400);
    expect((await put(`{"a":${'['.repeat(60)}${']'.repeat(60)}}`)).status).toBe(200);
  });

  it.each([
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['nonsense\r\n\r\n', 400],
    ['GET / HTTP/9.9\r\nHost: x\r\n\r\n', 400],
    ['\u0016\u0003\u0001\u0002\u0000\u0001', 400],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET /${'y'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n', 400],
    ['GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n\r\n', 417],
    ['CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
  ])('the bytes %j get a problem too', async (bytes, status) => {
    const { text } = await sendRaw(h.service.port, bytes);
    expect(problemSchema.parse(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).status).toBe(status);
    await stillServes();
  });

  it('a request that never ends is given up', async () => {
    const { status } = await sendRaw(
      h.service.port,
      'POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{',
    );
    expect(status).toBe(408);
  }, 60_000);
});

describe('garbage', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND');
  const piece = fc.oneof(
    fc.constantFrom(
      'v1',
      'files',
      'tags',
      'cache',
      'meta',
      'batch-get',
      'invalidate',
      ID,
      '..',
      '%00',
      '%',
      '%ff',
      '__proto__',
      '*',
      ':id',
    ),
    fc.webSegment(),
    token,
  );
  const path = fc.array(piece, { maxLength: 6 }).map((pieces) => `/${pieces.join('/')}`);
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom('', 'null', '{"__proto__":1}', '{"ids":[1]}', '{"attributes":[]}', '{"size":1e999}'),
  );
  const headers = fc.array(
    fc.tuple(
      fc.oneof(
        fc.constantFrom(
          'Content-Type',
          'If-Match',
          'If-None-Match',
          'Authorization',
          'X-Request-Id',
          'Expect',
          'Accept',
          'Upgrade',
          'Content-Encoding',
        ),
        token,
      ),
      fc.oneof(fc.constantFrom('application/json', '*', '"1"', 'W/"1"', '', 'gzip', 'websocket'), fc.stringMatching(/^[\x20-\x7e]{0,40}$/)),
    ),
    { maxLength: 5 },
  );
  const isProblem = (text: string, wasHead: boolean): boolean => {
    const [head = '', ...rest] = text.split('\r\n\r\n');
    if (!/\r\ncontent-type: application\/problem\+json/i.test(head)) return false;
    if (!wasHead) problemSchema.parse(JSON.parse(Buffer.from(rest.join('\r\n\r\n'), 'latin1').toString('utf8')));
    return true;
  };

  it('gets a 4xx with problem details or an honest answer, and the service still serves', async () => {
    await fc.assert(
      fc.asyncProperty(method, path, headers, body, async (method, path, headers, body) => {
        const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
        const sent = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
        const { text, status } = await sendRaw(h.service.port, sent);
        expect(status).toBeGreaterThanOrEqual(200);
        expect(status).toBeLessThan(500);
        if (status >= 400) expect(isProblem(text, method === 'HEAD')).toBe(true);
        expect(text).not.toMatch(/\n\s+at |\.ts:\d/);
      }),
      { numRuns: 600 },
    );
    await stillServes();
  });

  it('on the wire gets a 4xx with problem details', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.string({ minLength: 1, maxLength: 100 }).map((text) => Buffer.from(`GET ${text} HTTP/1.1\r\n${text}\r\n\r\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (bytes) => {
        // A line that no request can begin with makes sure that these are bytes to refuse, however they happen to read.
        const { text, status } = await sendRaw(h.service.port, Buffer.concat([Buffer.from('\u0001'), bytes]), { end: true });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
        expect(isProblem(text, false)).toBe(true);
      }),
      { numRuns: 300 },
    );
    await stillServes();
  });

  it('as a body of any shape gets a 4xx that names a field, or is stored and comes back', async () => {
    const attributes = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(attributes, async (attributes) => {
        const json = JSON.stringify(attributes);
        const response = await put(json);
        if (response.status !== 200) {
          const problem = await problemOf(response);
          expect(problem.status).toBe(400);
          expect(problem.errors?.[0]?.field).toMatch(/^attributes/);
          return;
        }
        expect(await (await h.call(`/v1/files/${ID}/meta`)).json()).toMatchObject({ attributes: JSON.parse(json) });
      }),
      { numRuns: 200 },
    );
  });
});
