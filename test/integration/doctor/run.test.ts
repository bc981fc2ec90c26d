import { afterAll, beforeAll, expect, test } from 'vitest';
import { createForebay } from '../../../src/forebay.ts';
import { SOUND_REDIS, startRedis } from '../../support/redis.ts';
import type { Databases } from './world.ts';
import { examine, foundIn, probeRows, skippedIn, sql, startDatabases } from './world.ts';

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

const LEFT = `insert into forebay.file_info (id, name, path, size, mime_type, owner_id, updated_at)
  select gen_random_uuid(), 'probe', path, 0, 'x', owner, now() - make_interval(secs => age) from (values
    ('/forebay-doctor/killed', 'forebay-doctor', 61), ('/forebay-doctor/at-work', 'forebay-doctor', 5), ('/forebay-doctor/a-user-s', 'ann', 100), ('/elsewhere', 'forebay-doctor', 100)) v (path, owner, age)`;

test('rows of a doctor that was killed are removed by the next one; those of one at work and of others are not', async () => {
  const url = await databases.fresh('leftovers');
  await sql(url, LEFT);
  const report = await examine({ database: url });
  expect(foundIn(report)).toEqual([]);
  expect(report.checks.find(({ check }) => check === 'loop.probe')?.said).toContain('removed 1 row of a doctor that was killed');
  expect(await probeRows(url)).toBe(2);
});

test('told to stop in the middle of the loop, it removes its row and ends at once', async () => {
  await using redis = await startRedis({ args: SOUND_REDIS });
  const url = await databases.fresh('stopped');
  const stop = new AbortController();
  const running = examine({ database: url, redis: redis.url, signal: stop.signal, limits: { rounds: 1000 } });
  await expect.poll(() => probeRows(url)).toBe(1);
  stop.abort();
  const report = await running;
  expect(report.stopped).toBe(true);
  expect(report.checks.at(-1)?.check).toBe('redis.history');
  expect(await probeRows(url)).toBe(0);
});

test('a Forebay that is closed in the middle ends its doctor first, which removes its row', async () => {
  const url = await databases.fresh('closed');
  const forebay = await createForebay({ database: url, redis: null, warm: 'off' });
  const running = forebay.doctor({ limits: { rounds: 1000 } });
  await expect.poll(() => probeRows(url)).toBe(1);
  await forebay.close();
  expect((await running).stopped).toBe(true);
  expect(await probeRows(url)).toBe(0);
});

test('told to stop before it began, it looks at nothing', async () => {
  const report = await examine({ database: await databases.fresh('never'), signal: AbortSignal.abort() });
  expect(report).toMatchObject({ stopped: true, checks: [] });
});

test('a loop that takes longer than it may is given up, its row removed, and the rest is checked', async () => {
  const url = await databases.fresh('overdue');
  const report = await examine({ database: url, limits: { rounds: 1000, loopMs: 1000, clockMs: 300 } });
  expect(foundIn(report)).toEqual(['loop.probe error: the check did not end within 1000 ms']);
  expect(skippedIn(report)).toMatchObject({ 'loop.lag': 'loop.relay has to be right first' });
  expect(report.checks.at(-1)).toMatchObject({ check: 'loop.clock', status: 'ok' });
  expect(await probeRows(url)).toBe(0);
});

test('when the time for all of it is over, what was not looked at is said to be skipped', async () => {
  const report = await examine({ database: await databases.fresh('short'), limits: { totalMs: 0 } });
  expect(report.checks.every(({ status }) => status === 'skipped')).toBe(true);
  expect(report.checks[0]?.said).toBe('the time for all checks was over');
});

test('a Redis that accepts and never answers is a finding, and does not keep the rest from being checked', async () => {
  await using redis = await startRedis({ args: SOUND_REDIS });
  redis.freeze();
  const report = await examine({ database: await databases.fresh('frozen'), redis: redis.url, limits: { checkMs: 1500 } });
  redis.thaw();
  expect(foundIn(report)).toEqual(['redis.reach error: the check did not end within 1500 ms']);
  expect(skippedIn(report)).toMatchObject({
    'redis.memory': 'redis.reach has to be right first',
    'loop.bus': 'redis.reach has to be right first',
  });
  expect(report.checks.find(({ check }) => check === 'loop.lag')?.status).toBe('ok');
});

test('a database that accepts and never answers is a finding, and Redis is checked all the same', async () => {
  await using redis = await startRedis({ args: SOUND_REDIS });
  const url = await databases.fresh('frozen-too');
  databases.server.freeze();
  const report = await examine({ database: url, redis: redis.url, limits: { checkMs: 1500 } }).finally(() => databases.server.thaw());
  expect(foundIn(report)).toHaveLength(1);
  expect(foundIn(report)[0]).toMatch(/^database\.reach error: /);
  expect(report.checks.filter(({ check, status }) => check.startsWith('redis.') && status === 'ok').length).toBeGreaterThan(7);
  expect(skippedIn(report)).toMatchObject({ 'loop.probe': 'database.writable has to be right first' });
});
