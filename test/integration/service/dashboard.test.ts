import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, it, describe } from 'vitest';
import { LIVE } from '../../../src/service/dashboard/live.ts';
import { createForebay } from '../../../src/forebay.ts';
import { startService } from '../../../src/service/server.ts';
import { startRedis } from '../../support/redis.ts';
import { ID, NEW_FILE, problemOf, startHarness } from './harness.ts';

const TOKEN = 'correct-horse-battery-staple';

/** Reads a stream until what came satisfies the condition. */
async function readUntil(response: Response, isEnough: (text: string) => boolean): Promise<string> {
  const { body } = response;
  if (body === null) throw new Error(`status ${response.status} without a body`);
  let text = '';
  // Leaving the loop ends the stream.
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (isEnough(text)) break;
  }
  return text;
}

describe('the page', () => {
  it('comes with a policy that lets it load its own files alone, and with every file that it names', async () => {
    await using h = await startHarness();
    const page = await h.call('/');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const html = await page.text();
    const named = [...html.matchAll(/(?:href|src)="(dashboard\/[^"]+)"/g)].map(([, name]) => `/${name}`);
    expect(named.length).toBeGreaterThan(3);
    const seen = new Set<string>();
    for (const url of named) {
      if (seen.has(url)) continue;
      seen.add(url);
      const asset = await h.call(url);
      expect([url, asset.status]).toEqual([url, 200]);
      const policy = asset.headers.get('content-security-policy') ?? '';
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/);
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect(asset.headers.get('x-content-type-options')).toBe('nosniff');
      const code = await asset.text();
      if (url.endsWith('.js'))
        named.push(...[...code.matchAll(/^import .* from '\.\/([\w-]+\.js)'/gm)].map(([, name]) => `/dashboard/${name}`));
    }
    expect([...seen]).toEqual(
      expect.arrayContaining(['/dashboard/main.js', '/dashboard/charts.js', '/dashboard/uplot.js', '/dashboard/uplot.css']),
    );
  });

  it('hands out the charts library as it was installed', async () => {
    await using h = await startHarness();
    const installed = readFileSync(createRequire(import.meta.url).resolve('uplot/dist/uPlot.esm.js'), 'utf8');
    expect(await (await h.call('/dashboard/uplot.js')).text()).toBe(installed);
  });

  it('is not sent again to who has it, and is looked at by HEAD', async () => {
    await using h = await startHarness();
    const first = await h.call('/dashboard/page.css');
    const etag = first.headers.get('etag') ?? '';
    expect([first.headers.get('cache-control'), etag]).toEqual(['no-cache', expect.stringMatching(/^"[\w-]{22}"$/)]);
    const again = await h.call('/dashboard/page.css', { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await h.call('/dashboard/page.css', { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
    const head = await h.call('/', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('hands out nothing else: no source, no type, nothing above its folder', async () => {
    await using h = await startHarness();
    for (const url of ['/dashboard/', '/dashboard/types.d.ts', '/dashboard/live.ts', '/dashboard/..%2Flive.ts', '/dashboard/../live.ts'])
      expect([url, (await h.call(url)).status]).toEqual([url, 404]);
  });
});

describe('/v1/live', () => {
  it('begins with the history and goes on once a second, and is no request that took long', async () => {
    await using h = await startHarness();
    const response = await h.call('/v1/live');
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      'no-store',
    ]);
    const text = await readUntil(response, (so) => (so.match(/^event: snapshot/gm)?.length ?? 0) >= 2);
    expect(text).toMatch(/^retry: 1000\nevent: history\ndata: \{.*\}\n\nevent: snapshot\ndata: \{/);
    await expect
      .poll(async () => (await h.call('/metrics')).text())
      .toContain('forebay_http_requests_total{route="/v1/live",method="GET",status="2xx"} 1');
    expect(await (await h.call('/metrics')).text()).not.toContain('forebay_http_request_duration_seconds_count{route="/v1/live"');
  });

  it('admits fifty and tells the next one to come later; who leaves makes room', async () => {
    await using h = await startHarness();
    const streams = await Promise.all(Array.from({ length: LIVE.maxWatchers }, () => h.call('/v1/live')));
    expect(await problemOf(await h.call('/v1/live'))).toMatchObject({ status: 503, code: 'TOO_MANY_WATCHERS' });
    await streams[0]?.body?.cancel();
    await expect
      .poll(async () => {
        const response = await h.call('/v1/live');
        await response.body?.cancel();
        return response.status;
      })
      .toBe(200);
    await Promise.all(streams.slice(1).map(async (stream) => stream.body?.cancel()));
  });

  it('does not hold up the closing of the service', async () => {
    const h = await startHarness({ shutdownTimeoutMs: 10_000 });
    const streams = await Promise.all([h.call('/v1/live'), h.call('/v1/live')]);
    const ends = streams.map((stream) => stream.text());
    const from = performance.now();
    await h.service.close();
    expect(performance.now() - from).toBeLessThan(2000);
    for (const text of await Promise.all(ends)) expect(text).toMatch(/event: bye\ndata: \{\}\n\n$/);
  });

  it('tells no id, no path and no tag of a file, however much they are read; those who may ask for them elsewhere', async () => {
    await using redis = await startRedis();
    await using forebay = await createForebay({ database: 'pglite:memory', redis: redis.url });
    const service = await startService({ forebay, config: { port: 0, token: TOKEN } });
    try {
      await forebay.files.create({ ...NEW_FILE, path: '/secret/plan.txt', tags: ['confidential'] });
      for (let n = 0; n < 10_001; n += 1) await forebay.files.lookup(ID);
      await expect.poll(() => forebay.popular(5)).toMatchObject([{ id: ID, cache: 'info' }]);
      const text = await readUntil(await fetch(`${service.url}/v1/live`), (so) => (so.match(/^event: snapshot/gm)?.length ?? 0) >= 2);
      expect(text).toContain('"local"');
      expect(text).not.toMatch(/018f4e9a|secret|plan\.txt|confidential|uid:1/);
      const hot = await (await fetch(`${service.url}/v1/cache/hot`, { headers: { authorization: `Bearer ${TOKEN}` } })).json();
      expect(hot).toMatchObject({ keys: [{ id: ID }], tags: expect.arrayContaining([{ tag: 'confidential', reads: expect.any(Number) }]) });
    } finally {
      await service.close();
    }
  });
});
