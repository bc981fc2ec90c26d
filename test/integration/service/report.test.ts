import { afterEach, describe, expect, it } from 'vitest';
import { problemOf, startHarness, type Harness } from './harness.ts';

const TOKEN = 'a-token-of-enough-length';
let h: Harness;
afterEach(() => h[Symbol.asyncDispose]());

describe('/v1/report and /report', () => {
  it('need the token, since they name keys and tags, and tell nothing without it', async () => {
    h = await startHarness({ token: TOKEN });
    for (const path of ['/v1/report', '/report']) {
      for (const headers of [{}, { authorization: 'Bearer another-token-of-length' }]) {
        const response = await h.call(path, { headers });
        expect(response.status).toBe(401);
        expect((await problemOf(response)).code).toBe('UNAUTHORIZED');
      }
      expect((await h.call(path, { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
    }
  });

  it('take a period as people write it, and refuse what is none with what is allowed', async () => {
    h = await startHarness();
    expect(await (await h.call('/v1/report?period=90m')).json()).toMatchObject({ version: 1, period: { askedMs: 5_400_000 } });
    expect(await (await h.call('/v1/report')).json()).toMatchObject({ period: { askedMs: null, sinceStart: true } });
    for (const period of ['', '0', 'yesterday', '-1h', '25h', '1ms', '1h&period=2h', '%00']) {
      for (const path of ['/v1/report', '/report']) {
        const response = await h.call(`${path}?period=${period}`);
        expect([period, response.status]).toEqual([period, 400]);
        expect((await problemOf(response)).code).toBe('INPUT_INVALID');
      }
    }
    expect((await problemOf(await h.call('/v1/report?period=2d'))).detail).toContain('from 1s to 1d');
    expect((await h.call('/v1/report?from=1h')).status).toBe(400);
  });

  it('are not to be kept, and the page may load and run nothing', async () => {
    h = await startHarness();
    const page = await h.call('/report');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-store');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    const style = /<style>([^]*)<\/style>/.exec(await page.text())?.[1] ?? '';
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style))).toString('base64');
    expect(policy).toContain(`style-src 'sha256-${digest}'`);
    expect((await h.call('/v1/report')).headers.get('cache-control')).toBe('no-store');
  });
});
