import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createForebay } from '../../../src/forebay.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { expectedTriggers } from '../../../src/postgres/triggers.ts';
import { CHECKS } from '../../../src/doctor/checks.ts';
import { startCluster } from '../../support/cluster.ts';
import { SOUND_REDIS, startRedis } from '../../support/redis.ts';
import type { TestSentinels } from '../../support/sentinel.ts';
import { startSentinels } from '../../support/sentinel.ts';
import type { Databases } from './world.ts';
import { allFoundIn, examine, probeRows, skippedIn, sql, startDatabases } from './world.ts';

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases({ sound: true });
});
afterAll(() => databases[Symbol.asyncDispose]());

/** Servers behind Sentinels, each with what the others get by their arguments. */
async function startSoundSentinels(): Promise<TestSentinels> {
  const sentinels = await startSentinels();
  for (const port of sentinels.servers.keys()) {
    const admin = new Redis(port);
    await admin.config('SET', 'maxmemory', '64mb');
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    admin.disconnect();
  }
  return sentinels;
}

const RIGHTS =
  '+ping +hello +client|setname +info +select +time +get +mget +scan +set +unlink +pttl +type +hget +hset +hmget +hgetall +hexists +eval +evalsha +publish +subscribe +unsubscribe'.split(
    ' ',
  );

const APART = ['redis.sentinels', 'redis.cluster', 'redis.breaker'];

describe('of a healthy set-up a doctor finds nothing', () => {
  test.each([
    ['one server', () => startRedis({ args: SOUND_REDIS }), ['redis.sentinels', 'redis.cluster', 'redis.breaker']],
    ['a Cluster', () => startCluster({ args: SOUND_REDIS }), ['redis.sentinels', 'redis.breaker']],
    ['Sentinels', startSoundSentinels, ['redis.cluster', 'redis.breaker']],
  ])('on %s', async (kind, start, skips) => {
    await using redis = await start();
    const url = await databases.fresh(`healthy ${kind}`);
    const report = await examine({ database: url, redis: redis.url, limits: { rounds: 3, clockMs: 300 } });
    expect(allFoundIn(report)).toEqual([]);
    expect(report).toMatchObject({ status: 'ok', errors: 0, warnings: 0, stopped: false });
    expect(report.checks.map(({ check }) => check)).toEqual(CHECKS.map(({ name }) => name));
    expect(Object.keys(skippedIn(report)).toSorted()).toEqual(skips.toSorted());
    expect(await probeRows(url)).toBe(0);
    const said = (name: string): string => report.checks.find(({ check }) => check === name)?.said ?? '';
    expect(said('loop.probe')).toMatch(/^3 of 3 changes/);
    expect(said('loop.lag')).toMatch(/known elsewhere after [\d.]+ ms \(median of 3\)/);
    expect(said('loop.bus')).toMatch(/^[1-9]\d* entr(y|ies) of the log came over the bus;/);
    expect(said('redis.reach')).toMatch(/^Redis 7\.\d+\.\d+ at /);
    expect(said('database.reach')).toMatch(/^Postgres 1\d\.\d+ answers/);
  });

  test.each([
    ['one server', startRedis, ['-@all', ...RIGHTS]],
    [
      'a Cluster',
      startCluster,
      ['-@all', ...RIGHTS, '+cluster|slots', '+cluster|info', '+asking', '+spublish', '+ssubscribe', '+sunsubscribe'],
    ],
  ])('on %s as an ACL user that has the rights of docs/redis.md under a key prefix, and no others', async (kind, start, rights) => {
    await using redis = await start({ args: [...SOUND_REDIS, '--user', 'app', 'on', '>secret', '~p:*', '&p:*', ...rights] });
    const report = await examine({
      database: await databases.fresh(`rights ${kind}`),
      redis: { url: redis.url, username: 'app', password: 'secret' },
      keyPrefix: 'p:',
    });
    expect(allFoundIn(report)).toEqual([]);
    expect(skippedIn(report)).toMatchObject({ 'redis.bus_buffer': 'our user may not ask CONFIG GET, and need not' });
  });

  test('without Redis', async () => {
    const report = await examine({ database: await databases.fresh('no redis') });
    expect(allFoundIn(report)).toEqual([]);
    expect(skippedIn(report)).toMatchObject({ 'redis.reach': 'the settings want no Redis', 'loop.bus': 'the settings want no Redis' });
  });

  test('in a service that is at work, with another one beside it', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const options = {
      database: await databases.fresh('serving'),
      redis: redis.url,
      warm: 'off',
      maxStalenessMs: 5000,
      redisBudgetMs: 500,
    } as const;
    await using forebay = await createForebay(options);
    await using other = await createForebay(options);
    await other.readiness();
    const first = forebay.doctor({ limits: { rounds: 2, clockMs: 300 } });
    await expect(forebay.doctor()).rejects.toMatchObject({ code: 'OVERLOADED' });
    const report = await first;
    expect(allFoundIn(report)).toEqual([]);
    expect(Object.keys(skippedIn(report)).toSorted()).toEqual(APART.filter((name) => name !== 'redis.breaker').toSorted());
  });
});

test('a dry run writes nothing, in the database or in Redis', async () => {
  await using redis = await startRedis({ args: SOUND_REDIS });
  const url = await databases.fresh('dry');
  await sql(
    url,
    'create table seen (what text)',
    `create rule saw as on insert to forebay.outbox do also insert into seen values ('written')`,
  );
  const report = await examine({ database: url, redis: redis.url, dryRun: true });
  expect(allFoundIn(report)).toEqual([]);
  expect(report.dryRun).toBe(true);
  expect(skippedIn(report)).toMatchObject({
    'redis.write': 'it writes, and this is a dry run',
    'loop.probe': 'it writes, and this is a dry run',
    'loop.lag': 'loop.relay has to be right first',
  });
  await using database = await openDatabase(url);
  expect(await database.query('select * from seen')).toEqual([]);
  expect(await database.query('select nextval($1)::integer as next', ['forebay.version'])).toEqual([{ next: 1 }]);
  const admin = new Redis(redis.url);
  expect(await admin.dbsize()).toBe(0);
  expect(await admin.info('persistence')).toContain('rdb_changes_since_last_save:0');
  admin.disconnect();
});

test('the triggers that are looked for are those that the migrations leave', async () => {
  await using database = await openDatabase(await databases.fresh('triggers'));
  const present = await database.query<{ table: string; name: string }>(
    `select 'forebay.' || c.relname as table, tgname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid where not tgisinternal and c.relnamespace = 'forebay'::regnamespace`,
  );
  const names = (list: readonly { table: string; name: string }[]): string[] =>
    list.map(({ table, name }) => `${table} ${name}`).toSorted();
  expect(names(await expectedTriggers())).toEqual(names(present));
});
