import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ForebayError } from '../../../src/core/errors.ts';
import { fileInfoSchema, type FileInfo } from '../../../src/files/records.ts';
import { batchAnswer } from '../../../src/service/routes/schemas.ts';
import { ABSENT_ID, ID, NEW_FILE, problemOf, startHarness, type Harness } from './harness.ts';

let h: Harness;
beforeEach(async () => {
  h = await startHarness();
});
afterEach(() => h[Symbol.asyncDispose]());

const create = async (file: object = NEW_FILE): Promise<FileInfo> =>
  fileInfoSchema.parse(await (await h.call('/v1/files', { method: 'POST', json: file })).json());
const etag = (version: number): string => `"${version}"`;

describe('making a file', () => {
  it('answers 201 with the record, where it is, its version as ETag, and that the caches heard of it', async () => {
    const response = await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(`/v1/files/${ID}`);
    expect(response.headers.get('forebay-invalidation')).toBe('applied');
    const record = fileInfoSchema.parse(await response.json());
    expect(record).toMatchObject({ id: ID, name: 'ü.txt', tags: ['a', 'b'], mimeType: 'application/octet-stream' });
    expect(response.headers.get('etag')).toBe(etag(record.version));
    expect((await h.call(response.headers.get('location') ?? '')).status).toBe(200);
  });

  it('says when the invalidation waits for Redis', async () => {
    h.forebay.invalidation = 'queued';
    const response = await h.call('/v1/files', { method: 'POST', json: NEW_FILE });
    expect(response.headers.get('forebay-invalidation')).toBe('queued');
  });

  it('refuses an id that is taken', async () => {
    await create();
    const problem = await problemOf(await h.call('/v1/files', { method: 'POST', json: NEW_FILE }));
    expect(problem).toMatchObject({ status: 409, code: 'FILE_EXISTS', errors: [{ field: 'id' }] });
  });
});

describe('reading a file', () => {
  it('serves the very bytes that the cache holds, with version, tier and time left', async () => {
    await create();
    const first = await h.call(`/v1/files/${ID}`);
    expect(first.headers.get('cache-status')).toBe('forebay; fwd=miss; stored');
    const second = await h.call(`/v1/files/${ID}`);
    expect(second.headers.get('cache-status')).toBe('forebay-local; hit; ttl=30');
    expect(second.headers.get('content-type')).toMatch(/^application\/json/);
    expect(second.headers.get('cache-control')).toBe('private, no-cache');
    const lookup = await h.forebay.files.lookup(ID);
    expect(lookup.outcome).toBe('hit');
    expect(await second.text()).toBe('json' in lookup ? lookup.json.toString() : 'no bytes');
  });

  it('takes an id in upper case for the same file', async () => {
    await create();
    expect((await h.call(`/v1/files/${ID.toUpperCase()}`)).status).toBe(200);
  });

  it('tells a Redis hit, a joined load and a stale answer apart', async () => {
    await create();
    const statuses = [
      [{ outcome: 'hit', tier: 'remote', ttlLeftMs: 5000 }, 'forebay-redis; hit; ttl=5'],
      [{ outcome: 'loaded', joined: true, stored: true }, 'forebay; fwd=miss; stored; collapsed'],
      [{ outcome: 'stale', tier: 'local', ttlLeftMs: -2001 }, 'forebay-local; hit; ttl=-3'],
      [{ outcome: 'stale', tier: 'remote', ttlLeftMs: 5000, ifError: true }, 'forebay-redis; hit; ttl=-1; detail=stale-if-error'],
    ] as const;
    for (const [order, expected] of statuses) {
      h.forebay.answerWith = order;
      const response = await h.call(`/v1/files/${ID}`);
      expect([response.status, response.headers.get('cache-status')]).toEqual([200, expected]);
    }
  });

  it('answers 404 for a file that is not there, and says which tier knew', async () => {
    const response = await h.call(`/v1/files/${ABSENT_ID}`);
    expect(response.headers.get('cache-status')).toBe('forebay; fwd=miss; detail=absent');
    expect(await problemOf(response)).toMatchObject({
      status: 404,
      code: 'NOT_FOUND',
      type: '/docs/errors.md#not_found',
      instance: `/v1/files/${ABSENT_ID}`,
    });
    h.forebay.answerWith = { outcome: 'absent', tier: 'remote', ttlLeftMs: 2000 };
    expect((await h.call(`/v1/files/${ABSENT_ID}`)).headers.get('cache-status')).toBe('forebay-redis; hit; ttl=2; detail=absent');
  });

  it.each(['"V"', 'W/"V"', '"1", W/"V"', '*'])('answers 304 without a body to If-None-Match: %s', async (header) => {
    const { version } = await create();
    const response = await h.call(`/v1/files/${ID}`, { headers: { 'if-none-match': header.replace('V', String(version)) } });
    expect([response.status, await response.text()]).toEqual([304, '']);
    expect(response.headers.get('etag')).toBe(etag(version));
    expect(response.headers.has('cache-status')).toBe(true);
  });

  it('answers 200 when no tag matches, or the header cannot be read', async () => {
    const { version } = await create();
    for (const header of [etag(version + 1), 'nonsense', `${version}`]) {
      expect((await h.call(`/v1/files/${ID}`, { headers: { 'if-none-match': header } })).status).toBe(200);
    }
  });

  it('answers HEAD as GET without the body, 404 and 304 included', async () => {
    const { version } = await create();
    const get = await h.call(`/v1/files/${ID}`);
    const head = await h.call(`/v1/files/${ID}`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(String((await get.arrayBuffer()).byteLength));
    expect(head.headers.get('etag')).toBe(etag(version));
    expect((await h.call(`/v1/files/${ABSENT_ID}`, { method: 'HEAD' })).status).toBe(404);
    expect((await h.call(`/v1/files/${ID}`, { method: 'HEAD', headers: { 'if-none-match': '*' } })).status).toBe(304);
  });

  describe.each([
    ['GET', `/v1/files/${ID}`],
    ['HEAD', `/v1/files/${ID}`],
    ['GET', `/v1/files/${ID}/meta`],
    ['HEAD', `/v1/files/${ID}/meta`],
  ])('with limits of its own: %s %s', (method, path) => {
    it('hands them to the engine', async () => {
      await create();
      const read = async (headers: Record<string, string>): Promise<object> => {
        expect((await h.call(path, { method, headers })).status).toBe(200);
        const { signal: _, ...limits } = h.forebay.lastRead;
        return limits;
      };
      expect(await read({})).toEqual({});
      expect(await read({ 'Forebay-Max-Staleness': '0' })).toEqual({ maxStalenessMs: 0 });
      expect(await read({ 'forebay-max-staleness': '250.5', 'forebay-min-version': '17' })).toEqual({
        maxStalenessMs: 250.5,
        minVersion: 17,
      });
    });

    it('keeps the other headers: conditions still count', async () => {
      await create();
      const headers = { 'forebay-max-staleness': '0', 'if-none-match': '*' };
      expect((await h.call(path, { method, headers })).status).toBe(304);
    });

    it.each([
      ['Forebay-Max-Staleness', '-1'],
      ['Forebay-Max-Staleness', '1e3'],
      ['Forebay-Max-Staleness', '1, 2'],
      ['Forebay-Max-Staleness', ''],
      ['Forebay-Max-Staleness', '1001'],
      ['Forebay-Min-Version', '1.5'],
      ['Forebay-Min-Version', '"17"'],
      ['Forebay-Min-Version', '9007199254740992'],
    ])('refuses %s: %s, naming the header', async (name, value) => {
      await create();
      const response = await h.call(path, { method, headers: { [name]: value } });
      expect(response.status).toBe(400);
      if (method === 'GET') expect(await problemOf(response)).toMatchObject({ code: 'INPUT_INVALID', errors: [{ field: name }] });
    });
  });
});

describe('changing a file', () => {
  it('changes the fields that are given and answers with the record as it is now', async () => {
    const before = await create();
    const response = await h.call(`/v1/files/${ID}`, { method: 'PATCH', json: { size: 99, sha256: null } });
    const record = fileInfoSchema.parse(await response.json());
    expect(record).toMatchObject({ size: 99, ownerId: 'uid:1' });
    expect(record.version).toBeGreaterThan(before.version);
    expect(response.headers.get('etag')).toBe(etag(record.version));
    expect(response.headers.get('forebay-invalidation')).toBe('applied');
  });

  it('writes only over the version that If-Match names', async () => {
    const { version } = await create();
    const patch = (header: string) => h.call(`/v1/files/${ID}`, { method: 'PATCH', json: { size: 1 }, headers: { 'if-match': header } });
    expect(await problemOf(await patch(etag(version + 1)))).toMatchObject({
      status: 412,
      code: 'VERSION_MISMATCH',
      errors: [{ field: 'If-Match' }],
    });
    expect(await problemOf(await patch(`W/${etag(version)}`))).toMatchObject({ status: 412 });
    expect((await patch(`"1", ${etag(version)}`)).status).toBe(200);
    expect((await patch(etag(version))).status).toBe(412);
    expect((await patch('*')).status).toBe(200);
    expect(await problemOf(await patch('123'))).toMatchObject({ status: 400, errors: [{ field: 'If-Match' }] });
  });

  it('answers 404 for a file that is not there, with and without a condition', async () => {
    for (const headers of [{}, { 'if-match': '*' }, { 'if-match': '"1"' }]) {
      const init = { headers: headers as Record<string, string> };
      expect((await h.call(`/v1/files/${ABSENT_ID}`, { method: 'PATCH', json: { size: 1 }, ...init })).status).toBe(404);
      expect((await h.call(`/v1/files/${ABSENT_ID}`, { method: 'DELETE', ...init })).status).toBe(404);
      expect((await h.call(`/v1/files/${ABSENT_ID}/meta`, { method: 'PUT', json: { attributes: {} }, ...init })).status).toBe(404);
    }
  });

  it('removes a file once, and not a version that has moved', async () => {
    const { version } = await create();
    expect((await h.call(`/v1/files/${ID}`, { method: 'DELETE', headers: { 'if-match': etag(version + 1) } })).status).toBe(412);
    const gone = await h.call(`/v1/files/${ID}`, { method: 'DELETE', headers: { 'if-match': etag(version) } });
    expect([gone.status, gone.headers.get('forebay-invalidation'), await gone.text()]).toEqual([204, 'applied', '']);
    expect((await h.call(`/v1/files/${ID}`, { method: 'DELETE' })).status).toBe(404);
    expect((await h.call(`/v1/files/${ID}`)).status).toBe(404);
  });

  it('refuses If-None-Match where it would have to be ignored', async () => {
    await create();
    const response = await h.call(`/v1/files/${ID}`, { method: 'PATCH', json: { size: 1 }, headers: { 'if-none-match': '*' } });
    expect(await problemOf(response)).toMatchObject({ status: 400, errors: [{ field: 'If-None-Match' }] });
  });
});

describe('attributes', () => {
  const put = (attributes: unknown, headers: Record<string, string> = {}) =>
    h.call(`/v1/files/${ID}/meta`, { method: 'PUT', json: { attributes }, headers });

  it('are {} at version 0 until they were put', async () => {
    await create();
    const response = await h.call(`/v1/files/${ID}/meta`);
    expect(response.headers.get('etag')).toBe('"0"');
    expect(await response.json()).toEqual({ id: ID, version: 0, attributes: {} });
  });

  it('come back as they were put, keys that objects have by nature included', async () => {
    await create();
    const attributes = { colour: 'grün', n: [1, 1e-7, null, { deep: true }], constructor: 'x', toString: { prototype: 1 }, '': '' };
    const written = await put(attributes);
    expect(written.status).toBe(200);
    const read = await h.call(`/v1/files/${ID}/meta`);
    expect(await read.json()).toEqual({ id: ID, version: expect.any(Number), attributes });
    expect(read.headers.get('etag')).toBe(written.headers.get('etag'));
  });

  it.each([{ 'if-match': '"0"' }, { 'if-none-match': '*' }])('are put only for the first time under %j', async (headers) => {
    await create();
    expect((await put({ a: 1 }, headers as Record<string, string>)).status).toBe(200);
    expect((await put({ a: 2 }, headers as Record<string, string>)).status).toBe(412);
    expect((await put({ a: 2 }, { 'if-match': '*' })).status).toBe(200);
  });
});

describe('batch-get', () => {
  const batch = (ids: unknown) => h.call('/v1/files/batch-get', { method: 'POST', json: { ids } });

  it('answers in the order asked, as often as asked, and names absent ones', async () => {
    const other = '018f4e9a-1b2c-7d3e-8f40-fedcba987654';
    await create();
    await create({ ...NEW_FILE, id: other });
    const response = await batch([other, ABSENT_ID, ID, other, ID.toUpperCase()]);
    const { files, absent, unavailable } = batchAnswer.parse(await response.json());
    expect(files.map(({ id }) => id)).toEqual([other, ABSENT_ID, ID, other, ID]);
    expect(files[1]).toEqual({ id: ABSENT_ID, absent: true });
    expect([absent, unavailable]).toEqual([[ABSENT_ID], []]);
    expect(response.headers.get('cache-status')).toMatch(/^forebay; fwd=miss; detail="source=3"$/);
  });

  it('names ids of which nobody could say, and fails when that is all of them', async () => {
    await create();
    const lookupMany = h.forebay.files.lookupMany.bind(h.forebay.files);
    Object.assign(h.forebay.files, {
      lookupMany: async (ids: string[]) => {
        const [first, ...rest] = await lookupMany(ids);
        return rest.length === 0 ? [first] : [first, { outcome: 'unavailable', error: new ForebayError('LOAD_TIMEOUT', 'slow') }];
      },
    });
    const partial = batchAnswer.parse(await (await batch([ID, ABSENT_ID])).json());
    expect(partial.files[1]).toEqual({ id: ABSENT_ID, unavailable: true, code: 'LOAD_TIMEOUT' });
    expect(partial).toMatchObject({ absent: [], unavailable: [ABSENT_ID] });
    h.forebay.answerWith = { outcome: 'unavailable', error: new ForebayError('OVERLOADED', 'queue of 100 is full') };
    const response = await batch([ID]);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'OVERLOADED' });
  });

  it('takes 1,000 ids and not 1,001, none, or one that is no id', async () => {
    const ids = Array.from({ length: 1001 }, (_, index) => `018f4e9a-1b2c-7d3e-8f40-${String(index).padStart(12, '0')}`);
    const full = await batch(ids.slice(1));
    expect([full.status, batchAnswer.parse(await full.json()).absent.length]).toEqual([200, 1000]);
    for (const [wrong, field] of [
      [ids, 'ids'],
      [[], 'ids'],
      [[ID, 'x'], 'ids.1'],
      ['x', 'ids'],
    ] as const) {
      expect(await problemOf(await batch(wrong))).toMatchObject({ status: 400, errors: [{ field }] });
    }
  });
});

describe('batch-get with limits of its own', () => {
  const read = (headers: Record<string, string>) => h.call('/v1/files/batch-get', { method: 'POST', json: { ids: [ID] }, headers });

  it('hands its staleness to the engine', async () => {
    await create();
    expect((await read({ 'forebay-max-staleness': '5' })).status).toBe(200);
    expect(h.forebay.lastRead).toMatchObject({ maxStalenessMs: 5 });
  });

  it.each([
    ['Forebay-Max-Staleness', 'soon'],
    ['Forebay-Max-Staleness', '1001'],
    ['Forebay-Min-Version', '1'],
    ['Forebay-Min-Version', 'x'],
  ])('refuses %s: %s, naming the header', async (name, value) => {
    expect(await problemOf(await read({ [name]: value }))).toMatchObject({ status: 400, code: 'INPUT_INVALID', errors: [{ field: name }] });
  });
});

describe('the cache', () => {
  it('forgets a tag and a file, and says so', async () => {
    const tag = 'Größe 9/10 %';
    const response = await h.call(`/v1/tags/${encodeURIComponent(tag)}/invalidate`, { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([200, { invalidation: 'applied' }]);
    expect((await h.call(`/v1/cache/files/${ID}`, { method: 'DELETE' })).status).toBe(200);
    expect(h.forebay.invalidated).toEqual([{ tags: [tag] }, { ids: [ID] }]);
  });

  it('takes the longest tag that a file can carry, and no longer one', async () => {
    const longest = '🗂'.repeat(64);
    expect((await h.call(`/v1/tags/${encodeURIComponent(longest)}/invalidate`, { method: 'POST' })).status).toBe(200);
    const longer = await h.call(`/v1/tags/${'x'.repeat(129)}/invalidate`, { method: 'POST' });
    expect(await problemOf(longer)).toMatchObject({ status: 400, errors: [{ field: 'tag' }] });
    const far = await h.call(`/v1/tags/${'x'.repeat(5000)}/invalidate`, { method: 'POST' });
    expect(await problemOf(far)).toMatchObject({ status: 414, code: 'URL_TOO_LONG' });
  });

  it('shows what each tier holds', async () => {
    const response = await h.call(`/v1/cache/files/${ID}`);
    expect(await response.json()).toMatchObject({ info: { local: { state: 'fresh' } }, meta: { remote: { state: 'unavailable' } } });
  });
});

describe('errors of the engine', () => {
  it.each([
    ['DATABASE_UNAVAILABLE', 503, '2'],
    ['OVERLOADED', 503, '1'],
    ['LOAD_TIMEOUT', 504, null],
    ['LOAD_FAILED', 502, null],
    ['CLOSED', 503, '1'],
  ] as const)('%s is a %i that tells nothing of the inside', async (code, status, retryAfter) => {
    h.forebay.answerWith = { outcome: 'unavailable', error: new ForebayError(code, 'connect ECONNREFUSED 10.1.2.3:5432') };
    const response = await h.call(`/v1/files/${ID}`);
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    expect(response.headers.get('cache-status')).toBe(`forebay; fwd=miss; detail=${code}`);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status, code });
    expect(JSON.stringify(problem)).not.toContain('10.1.2.3');
  });

  it('an error that nobody foresaw is a 500 without its text or stack', async () => {
    Object.assign(h.forebay.files, { lookup: () => Promise.reject(new TypeError('cannot read secret of undefined')) });
    const problem = await problemOf(await h.call(`/v1/files/${ID}`));
    expect(problem).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(JSON.stringify(problem)).not.toMatch(/secret|\.ts|at /);
  });

  it('a client that leaves ends its own wait', async () => {
    await create();
    h.forebay.gate = new Promise(() => {});
    const leaving = new AbortController();
    const call = h.call(`/v1/files/${ID}`, { signal: leaving.signal }).catch(() => 'left');
    await expect.poll(() => h.forebay.waiting.length).toBe(1);
    expect(h.forebay.waiting[0]?.aborted).toBe(false);
    leaving.abort();
    expect(await call).toBe('left');
    await expect.poll(() => h.forebay.waiting[0]?.aborted).toBe(true);
    const batchLeaving = new AbortController();
    const batch = h.call('/v1/files/batch-get', { method: 'POST', json: { ids: [ID] }, signal: batchLeaving.signal }).catch(() => 'left');
    await expect.poll(() => h.forebay.waiting.length).toBe(2);
    expect(h.forebay.waiting[1]?.aborted).toBe(false);
    batchLeaving.abort();
    await batch;
    await expect.poll(() => h.forebay.waiting[1]?.aborted).toBe(true);
  });

  it.each(['GET', 'POST'])('an answer to a %s that takes too long is a 503, and the wait inside is ended', async (method) => {
    await using slow = await startHarness({ handlerTimeoutMs: 100 });
    slow.forebay.gate = new Promise(() => {});
    const response = await (method === 'GET'
      ? slow.call(`/v1/files/${ID}`)
      : slow.call('/v1/files/batch-get', { method, json: { ids: [ID] } }));
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'RESPONSE_TIMEOUT' });
    expect(slow.forebay.waiting[0]?.aborted).toBe(true);
    slow.forebay.gate = null;
    expect((await slow.call(`/v1/files/${ID}`)).status).toBe(404);
  });
});
