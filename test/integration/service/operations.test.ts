import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ForebayError } from '../../../src/core/errors.ts';
import { createLogger } from '../../../src/service/logger.ts';
import { startService } from '../../../src/service/server.ts';
import { createMemoryForebay } from '../../support/memory-forebay.ts';
import { FIRING, ID, NEW_FILE, problemOf, sendRaw, startHarness } from './harness.ts';

const TOKEN = 'correct-horse-battery-staple';

/** A logger and the lines that it wrote, each as an object. */
function listeningLogger(level: 'info' | 'debug' = 'info') {
  const text: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text.push(String(chunk));
      done();
    },
  });
  const lines = (): Record<string, unknown>[] => text.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger: createLogger({ level, format: 'json', destination }), lines, text: () => text.join('') };
}

describe('the token', () => {
  const guarded = [
    ['POST', '/v1/files'],
    ['PATCH', `/v1/files/${ID}`],
    ['DELETE', `/v1/files/${ID}`],
    ['PUT', `/v1/files/${ID}/meta`],
    ['POST', '/v1/tags/a/invalidate'],
    ['POST', '/v1/cache/invalidate'],
    ['DELETE', `/v1/cache/files/${ID}`],
    ['GET', `/v1/cache/files/${ID}`],
    ['GET', '/v1/cache/hot'],
    ['POST', '/v1/bench/records'],
    ['POST', '/v1/admin/redis/isolate'],
    ['POST', '/v1/admin/redis/restore'],
  ] as const;

  it.each(guarded)('is needed for %s %s, before anything else is looked at', async (method, path) => {
    await using h = await startHarness({ token: TOKEN });
    const wrong = [undefined, 'Bearer wrong', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN, 'Bearer', `Bearer ${TOKEN.slice(0, -1)}`];
    for (const authorization of wrong) {
      const response = await h.call(path, { method, headers: authorization === undefined ? {} : { authorization } });
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(await problemOf(response)).toMatchObject({ status: 401, code: 'UNAUTHORIZED', errors: [{ field: 'Authorization' }] });
    }
    expect([h.forebay.invalidated, h.forebay.redis?.state]).toEqual([[], 'closed']);
    const right = await h.call(path, { method, headers: { authorization: `bearer ${TOKEN}` } });
    expect(right.status).not.toBe(401);
  });

  it('is not needed for reads', async () => {
    await using h = await startHarness({ token: TOKEN });
    for (const path of [
      `/v1/files/${ID}/meta`,
      '/healthz',
      '/readyz',
      '/metrics',
      '/v1/alerts',
      '/openapi.json',
      '/',
      '/dashboard/main.js',
    ]) {
      expect((await h.call(path)).status).not.toBe(401);
    }
    expect((await h.call('/v1/files/batch-get', { method: 'POST', json: { ids: [ID] } })).status).toBe(200);
  });
});

describe('health', () => {
  it('lives, and is ready when the database answers, Redis or not', async () => {
    await using h = await startHarness();
    expect((await h.call('/healthz')).status).toBe(200);
    expect(await (await h.call('/readyz')).json()).toEqual({
      ready: true,
      database: 'up',
      redis: 'up',
      breaker: 'closed',
      stalenessMs: 12,
      maxStalenessMs: 1000,
      reasons: [],
    });
    const freshness = { stalenessMs: 12, maxStalenessMs: 1000 };
    h.forebay.readinessNow = {
      ready: true,
      database: 'up',
      redis: 'down',
      breaker: 'open',
      ...freshness,
      reasons: ['Redis does not answer.'],
    };
    const degraded = await h.call('/readyz');
    expect([degraded.status, await degraded.json()]).toEqual([200, h.forebay.readinessNow]);
    h.forebay.readinessNow = {
      ready: false,
      database: 'down',
      redis: 'up',
      breaker: 'closed',
      ...freshness,
      stalenessMs: null,
      reasons: ['The database is down.'],
    };
    const down = await h.call('/readyz');
    expect([down.status, await down.json()]).toEqual([503, h.forebay.readinessNow]);
    expect((await h.call('/healthz')).status).toBe(200);
  });
});

describe('the breaker of Redis', () => {
  it('is isolated and restored by hand, and says in which state it is then; a second time changes nothing', async () => {
    await using h = await startHarness();
    const act = async (path: string): Promise<unknown> => (await h.call(`/v1/admin/redis/${path}`, { method: 'POST' })).json();
    expect(await act('isolate')).toEqual({ breaker: 'isolated' });
    expect(await act('isolate')).toEqual({ breaker: 'isolated' });
    expect(h.forebay.redis?.state).toBe('isolated');
    expect(await act('restore')).toEqual({ breaker: 'half-open' });
    expect(h.forebay.redis?.state).toBe('half-open');
  });

  it('is not there without Redis', async () => {
    await using h = await startHarness({}, undefined, { redis: false });
    for (const path of ['isolate', 'restore']) {
      const response = await h.call(`/v1/admin/redis/${path}`, { method: 'POST' });
      expect(await problemOf(response)).toMatchObject({
        status: 404,
        code: 'ROUTE_NOT_FOUND',
        detail: expect.stringContaining('without Redis'),
      });
    }
  });
});

describe('/v1/alerts', () => {
  it('lists what fires now, not to be kept', async () => {
    await using h = await startHarness();
    const calm = await h.call('/v1/alerts');
    expect([calm.status, calm.headers.get('cache-control'), await calm.json()]).toEqual([200, 'no-store', { alerts: [] }]);
    h.forebay.alertsNow = [FIRING];
    expect(await (await h.call('/v1/alerts')).json()).toEqual({ alerts: [FIRING] });
  });
});

describe('/metrics', () => {
  it("joins the engine's metrics with those of HTTP, labelled by route pattern", async () => {
    await using h = await startHarness();
    await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
    await h.call(`/v1/files/${ID}`);
    await h.call('/secret/name.txt');
    await h.call('/secret/name.txt', { method: 'PROPFIND' });
    await h.call('/v1/files/%zz');
    await sendRaw(h.service.port, 'nonsense\r\n\r\n');
    const response = await h.call('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const text = await response.text();
    expect(text).toContain('forebay_test 1\n');
    expect(text).toContain('forebay_http_requests_total{route="/v1/files",method="POST",status="2xx"} 1');
    expect(text).toContain('forebay_http_requests_total{route="/v1/files/:id",method="GET",status="2xx"} 1');
    expect(text).toContain('forebay_http_requests_total{route="unknown",method="OTHER",status="4xx"} 2');
    expect(text).toContain('forebay_http_request_duration_seconds_count{route="/v1/files",method="POST"} 1');
    expect(text).not.toMatch(/secret|018f4e9a/);
    expect(text.match(/^# TYPE (\S+)/gm)?.length).toBe(new Set(text.match(/^# TYPE (\S+)/gm)).size);
  });
});

describe('request ids', () => {
  it('come back when they are sane, and are made otherwise', async () => {
    await using h = await startHarness();
    const idOf = async (sent?: string): Promise<string | null> =>
      (await h.call('/healthz', { headers: sent === undefined ? {} : { 'x-request-id': sent } })).headers.get('x-request-id');
    expect(await idOf('trace-1:a.b_c')).toBe('trace-1:a.b_c');
    for (const odd of [undefined, 'a b', 'x'.repeat(129), '"quoted"', '<script>']) expect(await idOf(odd)).toMatch(/^[0-9a-f-]{36}$/);
    const problem = await problemOf(await h.call('/nothing', { headers: { 'x-request-id': 'find-me' } }));
    expect(problem.requestId).toBe('find-me');
  });
});

describe('the log', () => {
  it('has one line for each request, with the route pattern and without what the client named', async () => {
    const log = listeningLogger();
    await using h = await startHarness({ token: TOKEN }, log.logger);
    const headers = { authorization: `Bearer ${TOKEN}`, 'x-request-id': 'r-1' };
    await h.call('/v1/files', { method: 'POST', json: NEW_FILE, headers });
    await h.call(`/v1/files/${ID}?secret-name.txt`);
    await h.call('/secret-name.txt');
    await h.call('/healthz');
    await expect.poll(() => log.lines().filter(({ msg }) => msg === 'request').length).toBe(3);
    const [created, refused, unknown] = log.lines().filter(({ msg }) => msg === 'request');
    expect(created).toMatchObject({
      level: 'info',
      requestId: 'r-1',
      method: 'POST',
      route: '/v1/files',
      status: 201,
      durationMs: expect.any(Number),
    });
    expect(refused).toMatchObject({ route: '/v1/files/:id', status: 400, code: 'INPUT_INVALID' });
    expect(unknown).toMatchObject({ route: 'unknown', status: 404, code: 'ROUTE_NOT_FOUND' });
    expect(log.text()).not.toMatch(/secret-name|ü\.txt|correct-horse|018f4e9a/);
  });

  it('tells in full what the client was not told', async () => {
    const log = listeningLogger();
    await using h = await startHarness({}, log.logger);
    Object.assign(h.forebay.files, { lookup: () => Promise.reject(new Error('boom at postgres://me:hunter22@db/files')) });
    await h.call(`/v1/files/${ID}`);
    await expect.poll(() => log.lines().at(-1)?.['level']).toBe('error');
    expect(log.lines().at(-1)).toMatchObject({
      code: 'INTERNAL',
      error: { message: expect.stringContaining('boom'), stack: expect.any(String) },
    });
    expect(log.text()).toContain('postgres://me:********@db/files');
    expect(log.text()).not.toContain('hunter22');
  });

  it('hides fields that hold secrets, in JSON and pretty', () => {
    for (const format of ['json', 'pretty'] as const) {
      let text = '';
      const destination = new Writable({ write: (chunk, _encoding, done) => ((text += String(chunk)), done()) });
      const logger = createLogger({ level: 'info', format, destination });
      logger.info(
        { token: TOKEN, config: { password: 'hunter22', headers: { authorization: 'Bearer x1x1x1' } } },
        'redis://:hunter22@host is up',
      );
      expect(text).toContain('is up');
      expect(text).not.toMatch(/horse|hunter22|x1x1x1/);
    }
  });

  it('does not repeat itself while all requests fail in one way: twenty lines, and one that tells how many more there were', async () => {
    const log = listeningLogger();
    const h = await startHarness({}, log.logger);
    const down = new ForebayError('DATABASE_UNAVAILABLE', 'the database does not answer');
    Object.assign(h.forebay.files, { lookup: () => Promise.reject(down) });
    await Promise.all(Array.from({ length: 50 }, async () => (await h.call(`/v1/files/${ID}`)).arrayBuffer()));
    await h.call('/nothing');
    expect(await (await h.call('/metrics')).text()).toContain('forebay_log_lines_suppressed_total{code="DATABASE_UNAVAILABLE"} 30\n');
    await h.service.close();
    const failed = log.lines().filter(({ code }) => code === 'DATABASE_UNAVAILABLE');
    expect(failed.filter(({ status }) => status === 503)).toHaveLength(20);
    expect(failed.at(-1)).toMatchObject({ level: 'warn', suppressed: 30 });
    expect(log.lines().filter(({ status }) => status === 404)).toHaveLength(1);
  });

  it('says nothing below its level, is pretty for people, and has one object a line for machines', () => {
    const written = (level: 'debug' | 'info' | 'warn' | 'error' | 'silent', format: 'json' | 'pretty'): string => {
      let text = '';
      const destination = new Writable({ write: (chunk, _encoding, done) => ((text += String(chunk)), done()) });
      const logger = createLogger({ level, format, destination });
      for (const each of ['debug', 'info', 'warn', 'error'] as const) logger[each]({ n: 1 }, `a ${each} line`);
      return text;
    };
    const levels = (level: Parameters<typeof written>[0]): unknown[] =>
      written(level, 'json')
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { level: string }).level);
    expect(levels('debug')).toEqual(['debug', 'info', 'warn', 'error']);
    expect(levels('warn')).toEqual(['warn', 'error']);
    expect(levels('silent')).toEqual([]);
    expect(JSON.parse(written('error', 'json'))).toEqual({
      level: 'error',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      n: 1,
      msg: 'a error line',
    });
    expect(written('error', 'pretty')).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] ERROR: a error line\n {4}n: 1\n$/);
  });

  it('can be limited to requests that failed', async () => {
    const log = listeningLogger();
    await using h = await startHarness({ logRequests: 'failed' }, log.logger);
    await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
    await h.call('/nothing');
    await expect.poll(() => log.lines().filter(({ msg }) => msg === 'request')).toMatchObject([{ status: 404 }]);
  });
});

describe('starting and closing', () => {
  it('says which address cannot be had, and what to do', async () => {
    await using h = await startHarness();
    const forebay = createMemoryForebay();
    const error = await startService({ forebay, config: { port: h.service.port } }).catch((error: unknown) => error as ForebayError);
    expect(error).toMatchObject({
      code: 'ADDRESS_UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`port ${h.service.port}.*--port`)),
    });
    await expect(startService({ forebay, config: { host: 'no-such-host.invalid', port: 0 } })).rejects.toMatchObject({
      code: 'ADDRESS_UNAVAILABLE',
    });
  });

  it('warns when others can reach it and no token is set', async () => {
    const log = listeningLogger();
    for (const [config, warnings] of [
      [{ host: '0.0.0.0' }, 1],
      [{ host: '0.0.0.0', token: TOKEN }, 1],
      [{}, 1],
    ] as const) {
      await using h = await startHarness(config, log.logger);
      expect((await fetch(`${h.url}/healthz`)).status).toBe(200);
      expect(log.lines().filter(({ level }) => level === 'warn')).toHaveLength(warnings);
    }
  });

  it('lets a request in flight end, tells balancers, and takes no new connection', async () => {
    const h = await startHarness();
    await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
    let open = (): void => {};
    h.forebay.gate = new Promise((resolve) => (open = resolve));
    const inFlight = h.call(`/v1/files/${ID}`);
    await expect.poll(() => h.forebay.waiting.length).toBe(1);
    const closed = h.service.close();
    expect(h.service.close()).toBe(closed);
    await expect
      .poll(() =>
        fetch(`${h.url}/healthz`).then(
          () => 'open',
          () => 'refused',
        ),
      )
      .toBe('refused');
    open();
    const response = await inFlight;
    expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
    await closed;
  });

  it('cuts off what is not done within the limit', async () => {
    const log = listeningLogger();
    const h = await startHarness({ shutdownTimeoutMs: 50 }, log.logger);
    h.forebay.gate = new Promise(() => {});
    const inFlight = h.call(`/v1/files/${ID}`).then(
      () => 'answered',
      () => 'cut off',
    );
    await expect.poll(() => h.forebay.waiting.length).toBe(1);
    await h.service.close();
    expect(await inFlight).toBe('cut off');
    await expect.poll(() => h.forebay.waiting[0]?.aborted).toBe(true);
    expect(log.text()).toContain('cut off at the shutdown limit');
  });

  it('does not wait for connections on which nothing was asked', async () => {
    const h = await startHarness({ shutdownTimeoutMs: 60_000 });
    const silent = sendRaw(h.service.port, '');
    await h.call('/healthz');
    await h.service.close();
    expect((await silent).text).toBe('');
  });
});
