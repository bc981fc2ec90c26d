import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFollowingTier } from '../../src/following-tier.ts';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { NewFile } from '../../src/files/records.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestRedis } from '../support/redis.ts';
import { freePort, startRedis } from '../support/redis.ts';
import { tempDir } from '../support/temp.ts';

/** The library as its users have it: real databases, real Redis, several instances. */
let redis: TestRedis;
let admin: Redis;
let postgres: TestPostgres;
let databases: { readonly name: string; readonly database: Database }[];

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  admin = new Redis(redis.url);
  databases = [
    { name: 'pglite', database: await openDatabase('pglite:memory') },
    { name: 'postgres', database: await openDatabase(postgres.url) },
  ];
  for (const { database } of databases) await migrate(database);
});
afterAll(async () => {
  for (const { database } of databases) await database.close();
  admin.disconnect();
  await Promise.all([redis.stop(), postgres.stop()]);
});
beforeEach(() => admin.flushall());

const report: NewFile = { path: '/reports/2026/q3.pdf', size: 12_345, mimeType: 'application/pdf', ownerId: 'ann', tags: ['finance'] };

describe.each([['pglite'], ['postgres']])('on %s', (kind) => {
  const open = (): Promise<Forebay> => {
    const database = databases.find(({ name }) => name === kind)?.database;
    if (database === undefined) throw new Error(`no ${kind}`);
    return createForebay({ database, redis: redis.url, cache: { budgetMs: 5000 } });
  };

  test('a record goes from the database to Redis to process memory, under the keys that are promised', async () => {
    await using one = await open();
    await using two = await open();
    const { record } = await one.files.create(report);
    expect(await one.files.lookup(record.id)).toMatchObject({ outcome: 'loaded', value: record, version: record.version });
    expect(await one.files.lookup(record.id)).toMatchObject({ outcome: 'hit', tier: 'local', value: record });
    await vi.waitFor(async () => expect(await admin.exists(`file:info:{${record.id}}`)).toBe(1));
    expect(await two.files.lookup(record.id)).toMatchObject({ outcome: 'hit', tier: 'remote', value: record });
    expect(await two.files.meta.get(record.id)).toEqual({ id: record.id, version: 0, attributes: {} });
    await vi.waitFor(async () => expect(await admin.exists(`file:meta:{${record.id}}`)).toBe(1));
    expect(await two.files.getMany([record.id.toUpperCase(), '00000000-0000-4000-8000-000000000000'])).toEqual(
      new Map([
        [record.id.toUpperCase(), record],
        ['00000000-0000-4000-8000-000000000000', null],
      ]),
    );
  });

  test('a writer reads its own write at once, and other instances hear of it', async () => {
    await using one = await open();
    await using two = await open();
    const { record } = await one.files.create(report);
    await two.files.get(record.id);
    const { record: changed, invalidation } = await one.files.update(record.id, { size: 1, tags: ['old'] });
    expect(invalidation).toBe('applied');
    expect(changed.version).toBeGreaterThan(record.version);
    expect(await one.files.get(record.id)).toEqual(changed);
    await vi.waitFor(async () => expect(await two.files.get(record.id)).toEqual(changed), { interval: 1 });
    await one.files.meta.get(record.id);
    const { record: meta } = await one.files.meta.put(record.id, { pages: 12 });
    expect(await one.files.meta.get(record.id)).toEqual(meta);
    expect(await one.files.delete(record.id)).toEqual({ existed: true, invalidation: 'applied' });
    expect(await one.files.get(record.id)).toBeNull();
    expect(await one.files.meta.get(record.id)).toBeNull();
    await vi.waitFor(async () => expect(await two.files.get(record.id)).toBeNull(), { interval: 1 });
  });

  test('a record that was absent is found once it is created, in both caches', async () => {
    await using one = await open();
    const id = '11111111-2222-4333-8444-555555555555';
    expect(await one.files.get(id)).toBeNull();
    expect(await one.files.meta.get(id)).toBeNull();
    await one.files.create({ ...report, id });
    expect((await one.files.get(id))?.path).toBe(report.path);
    expect((await one.files.meta.get(id))?.attributes).toEqual({});
    await one.files.delete(id);
  });

  test.each([
    ['its owner', 'owner:ann'],
    ['its type', 'type:application/pdf'],
    ['its folder', 'folder:/reports/2026'],
    ["the user's own tag", 'finance'],
  ])('a tag invalidation by %s makes everyone load it again, and nobody else', async (_name, tag) => {
    await using one = await open();
    const { record } = await one.files.create(report);
    const { record: other } = await one.files.create({ path: '/x', size: 1, ownerId: 'bob' });
    await one.files.getMany([record.id, other.id]);
    expect(await one.files.invalidate({ tags: [tag] })).toEqual({ invalidation: 'applied' });
    const [mine, others] = await one.files.lookupMany([record.id, other.id]);
    expect(mine?.outcome).toBe('loaded');
    expect(others).toMatchObject({ outcome: 'hit', tier: 'local' });
  });

  test('bad input is refused with the field named, before the database is asked', async () => {
    await using one = await open();
    await expect(one.files.get('no-uuid')).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'id' });
    await expect(one.files.create({ ...report, size: 2 ** 53 })).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'size' });
    await expect(one.files.meta.put('11111111-2222-4333-8444-555555555555', { text: 'x'.repeat(65_536) })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    const deep = JSON.parse('[{"a":'.repeat(5000) + '1' + '}]'.repeat(5000)) as unknown;
    await expect(one.files.meta.put('11111111-2222-4333-8444-555555555555', { deep })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    const proto = JSON.parse('{"__proto__":{"admin":true}}') as Record<string, unknown>;
    await expect(one.files.meta.put('11111111-2222-4333-8444-555555555555', proto)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      field: '__proto__',
    });
    await expect(one.files.invalidate({ tags: [''] })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});

test('while Redis is away reads come from the database and writes say that their invalidation is queued; after its return nothing old is served', async () => {
  const port = await freePort();
  await using dir = await tempDir();
  const args = ['--dir', dir.path, '--dbfilename', 'before-the-write.rdb'];
  let server = await startRedis({ port, args });
  const { database } = databases[0] ?? expect.fail('no database');
  await using one = await createForebay({ database, redis: server.url });
  const { record } = await one.files.create(report);
  await one.files.get(record.id);
  const key = `file:info:{${record.id}}`;
  const direct = new Redis(server.url);
  await vi.waitFor(async () => expect(await direct.exists(key)).toBe(1), { interval: 2 });
  await direct.save();
  direct.disconnect();
  await server.kill();
  await vi.waitFor(async () => expect((await one.readiness()).redis).toBe('down'));
  expect(await one.readiness()).toMatchObject({ ready: true, database: 'up', reasons: [expect.stringContaining('Redis')] });
  const { invalidation, record: changed } = await one.files.update(record.id, { size: 99 });
  expect(invalidation).toBe('queued');
  expect(await one.files.get(record.id)).toEqual(changed);
  // It comes back with what it held before the write, as after a restart from a snapshot.
  server = await startRedis({ port, args });
  const restored = new Redis(server.url);
  await vi.waitFor(async () => expect((await one.readiness()).redis).toBe('up'));
  expect(await one.files.get(record.id)).toEqual(changed);
  await vi.waitFor(async () => expect(await restored.exists(key)).toBe(0));
  await vi.waitFor(async () => expect((await one.files.update(record.id, { size: 100 })).invalidation).toBe('applied'));
  expect((await one.files.get(record.id))?.size).toBe(100);
  restored.disconnect();
  await server.stop();
});

test('without Redis on a database of its own, and with Redis away from the start, everything is served', async () => {
  const { database } = databases[0] ?? expect.fail('no database');
  const nowhere = `redis://127.0.0.1:${await freePort()}`;
  for (const url of [null, nowhere]) {
    await using one = await createForebay({ database, redis: url });
    const { record } = await one.files.create(report);
    expect(await one.files.lookup(record.id)).toMatchObject({ outcome: 'loaded' });
    expect(await one.files.lookup(record.id)).toMatchObject({ outcome: 'hit', tier: 'local' });
    const { record: changed } = await one.files.update(record.id, { size: 7 });
    expect(await one.files.get(record.id)).toEqual(changed);
    expect((await one.readiness()).redis).toBe(url === null ? 'off' : 'down');
  }
});

test('metrics tell look-ups by cache, tier and outcome, and never a key', async () => {
  const { database } = databases[0] ?? expect.fail('no database');
  await using one = await createForebay({ database, redis: redis.url });
  const { record } = await one.files.create(report);
  await one.files.get(record.id);
  await one.files.get(record.id);
  const { body } = await one.metricsText();
  expect(body).toMatch(/^forebay_lookups_total\{cache="file:info",tier="local",outcome="hit"\} 1$/m);
  expect(body).toMatch(/^forebay_lookups_total\{cache="file:info",tier="source",outcome="loaded"\} 1$/m);
  expect(body).toMatch(/^forebay_redis_up 1$/m);
  expect(body).not.toContain(record.id);
});

test.each([
  ['cache', { local: { maxEntries: -1 } }, 'maxEntries'],
  ['Redis', { breaker: { windowMs: -1 } }, 'breaker.windowMs'],
  ['Cluster', { redis: 'redis+cluster://127.0.0.1:1', breaker: { windowMs: -2 } }, 'breaker.windowMs'],
  ['prefix', { keyPrefix: 'app{1}:' }, 'keyPrefix'],
  ['audit', { auditPerSecond: -1 }, 'auditPerSecond'],
  ['popularity', { popularRows: 0.5 }, 'popularRows'],
])('a wrong option of the %s is told, and leaves nothing open of what was opened before', async (of, wrong, field) => {
  const database = await postgres.createDatabase(`wrong_${of.toLowerCase()}`);
  await expect(createForebay({ database, redis: redis.url, ...wrong })).rejects.toMatchObject({ code: 'CONFIG_INVALID', field });
  const ours = databases[1]?.database;
  await vi.waitFor(async () => {
    expect(String(await admin.client('LIST')).match(/^id=/gm)).toHaveLength(1);
    const sessions = await ours?.query('select from pg_stat_activity where datname = $1', [new URL(database).pathname.slice(1)]);
    expect(sessions).toHaveLength(0);
  });
});

test('a tier of one’s own is refused a bound that nothing can be proven for', () => {
  const database = databases[0]?.database as Database;
  for (const maxStalenessMs of [0, 99, Number.NaN])
    expect(() => createFollowingTier({ database, redis: redis.url, maxStalenessMs })).toThrow('maxStalenessMs = ');
});
