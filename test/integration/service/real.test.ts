import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createForebay, type Forebay } from '../../../src/forebay.ts';
import { fileInfoSchema, fileMetaSchema } from '../../../src/files/records.ts';
import { batchAnswer, inspections, readinessSchema } from '../../../src/service/routes/schemas.ts';
import { startService, type Service } from '../../../src/service/server.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { ABSENT_ID, ID, NEW_FILE, problemOf } from './harness.ts';

let redis: TestRedis;
let forebay: Forebay;
let service: Service;
beforeAll(async () => {
  redis = await startRedis();
  forebay = await createForebay({ database: 'pglite:memory', redis: redis.url });
  service = await startService({ forebay, config: { port: 0 } });
});
afterAll(async () => {
  await service.close();
  await forebay.close();
  await redis.stop();
});

const call = (path: string, init?: RequestInit): Promise<Response> => fetch(service.url + path, init);
const send = (method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  call(path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });

// A process that has only just started may be held up for longer than Redis is waited for.
beforeAll(() =>
  vi.waitFor(
    async () => {
      const made = await send('POST', '/v1/files', { ...NEW_FILE, id: randomUUID() });
      expect(made.headers.get('forebay-invalidation')).toBe('applied');
    },
    { timeout: 20_000, interval: 50 },
  ),
);

describe('the service on the real engine, database and Redis', () => {
  it('goes from the database to process memory, and keeps versions, bytes and conditions in step', async () => {
    const created = await send('POST', '/v1/files', NEW_FILE);
    expect([created.status, created.headers.get('forebay-invalidation')]).toEqual([201, 'applied']);
    const record = fileInfoSchema.parse(await created.json());
    const first = await call(`/v1/files/${ID}`);
    expect(first.headers.get('cache-status')).toMatch(/^forebay; fwd=miss/);
    expect(fileInfoSchema.parse(await first.json())).toEqual(record);
    const second = await call(`/v1/files/${ID}`);
    expect(second.headers.get('cache-status')).toMatch(/^forebay-local; hit; ttl=\d+$/);
    expect(second.headers.get('etag')).toBe(`"${record.version}"`);
    const patched = await send('PATCH', `/v1/files/${ID}`, { size: 13 }, { 'if-match': `"${record.version}"` });
    expect(patched.status).toBe(200);
    expect(fileInfoSchema.parse(await (await call(`/v1/files/${ID}`)).json()).size).toBe(13);
    const late = await send('PATCH', `/v1/files/${ID}`, { size: 14 }, { 'if-match': `"${record.version}"` });
    expect(await problemOf(late)).toMatchObject({ status: 412, code: 'VERSION_MISMATCH' });
  });

  it('asks the database when a client wants no staleness, and serves who knows a version that one from memory', async () => {
    const path = `/v1/files/${ID}`;
    await call(path);
    const fresh = await call(path, { headers: { 'Forebay-Max-Staleness': '0' } });
    expect([fresh.status, fresh.headers.get('cache-status')]).toEqual([200, expect.stringMatching(/^forebay; fwd=miss/)]);
    const version = Number(fresh.headers.get('etag')?.slice(1, -1));
    const known = await call(path, { headers: { 'Forebay-Min-Version': String(version) } });
    expect(known.headers.get('cache-status')).toMatch(/^forebay-local; hit/);
    const newer = await call(path, { headers: { 'Forebay-Min-Version': String(version + 1) } });
    expect([newer.status, newer.headers.get('etag'), newer.headers.get('cache-status')]).toEqual([
      200,
      `"${version}"`,
      expect.stringMatching(/^forebay; fwd=miss/),
    ]);
    const wide = await call(path, { headers: { 'Forebay-Max-Staleness': '1001' } });
    expect(await problemOf(wide)).toMatchObject({ status: 400, errors: [{ field: 'Forebay-Max-Staleness' }] });
  });

  it('knows attributes that were never put as version 0', async () => {
    const path = `/v1/files/${ID}/meta`;
    const before = await call(path);
    expect([before.headers.get('etag'), fileMetaSchema.parse(await before.json()).attributes]).toEqual(['"0"', {}]);
    const put = (headers: Record<string, string>): Promise<Response> => send('PUT', path, { attributes: { a: ['ü', 1e-7] } }, headers);
    expect((await put({ 'if-match': '"0"' })).status).toBe(200);
    expect((await put({ 'if-none-match': '*' })).status).toBe(412);
    expect((await put({ 'if-match': '*' })).status).toBe(200);
    expect(fileMetaSchema.parse(await (await call(path)).json()).attributes).toEqual({ a: ['ü', 1e-7] });
  });

  it('answers absent files, batches and inspections in the shapes that it documents', async () => {
    expect(await problemOf(await call(`/v1/files/${ABSENT_ID}`))).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    const again = await call(`/v1/files/${ABSENT_ID}`);
    expect(again.headers.get('cache-status')).toMatch(/^forebay-local; hit; ttl=\d+; detail=absent$/);
    const batch = batchAnswer.parse(await (await send('POST', '/v1/files/batch-get', { ids: [ABSENT_ID, ID, ID] })).json());
    expect([batch.files.map(({ id }) => id), batch.absent]).toEqual([[ABSENT_ID, ID, ID], [ABSENT_ID]]);
    const inspected = inspections.parse(await (await call(`/v1/cache/files/${ID}`)).json());
    expect(inspected.info.local.state).toBe('fresh');
    expect((await call(`/v1/cache/files/${ID}`, { method: 'DELETE' })).status).toBe(200);
    expect((await call(`/v1/files/${ID}`)).headers.get('cache-status')).toMatch(/^forebay; fwd=miss/);
    expect((await call('/v1/tags/a/invalidate', { method: 'POST' })).status).toBe(200);
    expect((await call(`/v1/files/${ID}`)).headers.get('cache-status')).toMatch(/^forebay; fwd=miss/);
  });

  it('is ready, and counts in one exposition without a name twice', async () => {
    const ready = await call('/readyz');
    expect([ready.status, readinessSchema.parse(await ready.json()).redis]).toEqual([200, 'up']);
    const types = (await (await call('/metrics')).text()).match(/^# TYPE (\S+)/gm) ?? [];
    expect(types.length).toBeGreaterThan(10);
    expect(new Set(types).size).toBe(types.length);
  });

  it('removes a file from the caches with the record', async () => {
    expect((await call(`/v1/files/${ID}`, { method: 'DELETE' })).status).toBe(204);
    expect((await call(`/v1/files/${ID}`)).status).toBe(404);
    expect((await call(`/v1/files/${ID}/meta`)).status).toBe(404);
  });
});
