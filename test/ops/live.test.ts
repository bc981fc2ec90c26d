import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import type { Series, TestPrometheus } from '../support/prometheus.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { alerts, ops, panels } from './files.ts';
import type { Fleet } from './fleet.ts';
import { startFleet } from './fleet.ts';

/**
 * The rules as they are but for their times: windows of minutes are six seconds, and what has to last for minutes has to for two seconds, so that a fault shows while the test runs. The one window in which something has
 * to happen several times is half a minute: a program takes its time to start.
 */
const shortened = (text: string): string =>
  text
    .replaceAll('[15m]', '[30s]')
    .replaceAll(/\[\d+m\]/g, '[6s]')
    .replaceAll(/\bfor: \w+/g, 'for: 2s');

/** Least time under load while it is scraped, in seconds. */
const LOAD_S = 120;
const SOON = { timeout: 60_000, interval: 300 };
/** Longest time of one fault, from its beginning to the end of its alerts. */
const LONG_MS = 150_000;

let fleet: Fleet;
let prometheus: TestPrometheus;
let sql: Database;
let scrapedFrom: number;
/** Alerts that were seen to fire, and then to be over. */
const seen = new Set<string>();

beforeAll(async () => {
  fleet = await startFleet();
  sql = await openDatabase(fleet.postgres.url);
  const targets = fleet.instances.map(({ target }) => target);
  prometheus = await startPrometheus({ targets, rules: `${ops}/prometheus`, render: shortened });
  // It finds its targets some seconds after its start; a rise before the first scrape is none to it.
  await vi.waitFor(
    async () => expect(await prometheus.query('min(count_over_time(up[10s])) >= 3 and count(up) == 3')).toHaveLength(1),
    SOON,
  );
  scrapedFrom = fleet.load().seconds;
});

afterAll(async () => {
  await prometheus?.stop();
  await sql?.close();
  await fleet?.[Symbol.asyncDispose]();
});

async function fire(names: readonly string[]): Promise<void> {
  await vi.waitFor(async () => expect([...(await prometheus.firing())]).toEqual(expect.arrayContaining([...names])), SOON);
}

/** Everything is well again, whatever fired. */
async function calm(names: readonly string[]): Promise<void> {
  await vi.waitFor(async () => expect([...(await prometheus.firing())]).toEqual([]), SOON);
  for (const name of names) seen.add(name);
}

const post = async (url: string): Promise<void> => void (await (await fetch(url, { method: 'POST' })).arrayBuffer());

async function configure(setting: string, value: string): Promise<void> {
  const admin = new Redis(fleet.redis().url);
  await admin.config('SET', setting, value);
  admin.disconnect();
}

test('every query of every panel of the dashboard is answered with data, and no alert fires', async () => {
  const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));
  expect(queries.length).toBeGreaterThan(80);
  const asGrafana = (expr: string): string =>
    expr.replaceAll('$__rate_interval', '10s').replaceAll('$job', 'forebay').replaceAll('$instance', '.*');
  const isData = (series: readonly Series[]): boolean => series.some(({ value }) => value !== 'NaN');
  await vi.waitFor(async () => {
    const answers = await Promise.all(
      queries.map(async ({ title, expr }) => ({ title, expr, series: await prometheus.query(asGrafana(expr)) })),
    );
    expect(answers.filter(({ series }) => !isData(series)).map(({ title, expr }) => `${title}: ${expr}`)).toEqual([]);
  }, SOON);
  expect(await prometheus.query('sum(up{job="forebay"})')).toMatchObject([{ value: '3' }]);
  expect([...(await prometheus.firing())]).toEqual([]);
});

describe('alerts fire in their faults and are over after them:', { timeout: LONG_MS }, () => {
  test('Redis kept away by hand from one instance, the bus of another cut, and a Redis without a limit', async () => {
    const [, second] = fleet.instances;
    const names = ['ForebayBreakerIsolated', 'ForebayBusDown', 'ForebayRedisMisconfigured'];
    await post(`${second.url}/v1/admin/redis/isolate`);
    await configure('maxmemory', '0');
    const mend = fleet.proxy.impose({ select: ({ kind }) => kind === 'subscriber', toServer: { stop: true }, toClient: { stop: true } });
    await fire(names);
    mend();
    await configure('maxmemory', '64mb');
    await post(`${second.url}/v1/admin/redis/restore`);
    await calm(names);
  });

  test('Redis frozen', async () => {
    fleet.redis().freeze();
    await fire(['ForebayBreakerOpen']);
    fleet.redis().thaw();
    await calm(['ForebayBreakerOpen']);
  });

  test('Redis killed', async () => {
    await fleet.redis().kill();
    await fire(['ForebayRedisDown']);
    await fleet.restartRedis();
    await calm(['ForebayRedisDown']);
  });

  test('the one relay stopped, with changes waiting', async () => {
    const names = ['ForebayInstanceDown', 'ForebayOutboxDeep', 'ForebayBoundExceeded'];
    const program = fleet.instances[0].program();
    program.kill('SIGSTOP');
    await sql.query("insert into forebay.outbox (caches, ids) select array['file:info'], array['none'] from generate_series(1, 3000)");
    await fire(names);
    program.kill('SIGCONT');
    await calm(names);
  });

  test('the database frozen, with a crowd of readers', async () => {
    const names = [
      'ForebayDatabaseDown',
      'ForebayBoundExceeded',
      'ForebayDatabaseOverloaded',
      'ForebayReadsFailing',
      'ForebayRequestsFailing',
    ];
    fleet.postgres.freeze();
    const [, second] = fleet.instances;
    const crowd = Array.from({ length: 300 }, async () => {
      await (await fetch(`${second.url}/v1/files/${randomUUID()}`)).arrayBuffer();
    });
    const all = Promise.allSettled(crowd);
    // They do not last equally long: readers that wait are told after ten seconds, and then nobody waits any more.
    await fire(['ForebayDatabaseDown', 'ForebayBoundExceeded', 'ForebayDatabaseOverloaded']);
    await fire(['ForebayReadsFailing', 'ForebayRequestsFailing']);
    fleet.postgres.thaw();
    await all;
    await calm(names);
  });

  test(
    'rights taken from the Redis user, so that the changes do not get into it',
    async () => {
      const names = ['ForebayOutboxLagging', 'ForebayRedisMisconfigured'];
      const admin = new Redis(fleet.redis().url);
      await admin.call('ACL', 'SETUSER', 'default', '-eval', '-evalsha');
      await fire(names);
      await admin.call('ACL', 'SETUSER', 'default', '+@all');
      admin.disconnect();
      await calm(names);
    },
    LONG_MS,
  );

  test('a table locked for a second again and again: reads that miss wait for it', async () => {
    const over = new AbortController();
    const locking = (async (): Promise<void> => {
      while (!over.signal.aborted)
        await sql.exec('begin; lock table forebay.file_info in access exclusive mode; select pg_sleep(1); commit');
    })();
    await fire(['ForebayReadsSlow']);
    over.abort();
    await locking;
    await calm(['ForebayReadsSlow']);
  });

  test('a process that stands still for a third of a second again and again', async () => {
    const program = fleet.instances[2].program();
    let turn = 0;
    const halting = setInterval(() => program.kill((turn += 1) % 3 === 0 ? 'SIGCONT' : 'SIGSTOP'), 150);
    try {
      await fire(['ForebayEventLoopBlocked']);
    } finally {
      clearInterval(halting);
      program.kill('SIGCONT');
    }
    await calm(['ForebayEventLoopBlocked']);
  });

  test('a Redis that was filled with a gigabyte of which two thirds went, here and there', async () => {
    const admin = new Redis(fleet.redis().url);
    await admin.config('SET', 'maxmemory', '2gb');
    const fill = "for i = ARGV[1], ARGV[1] + 1999 do redis.call('set', 'filler:' .. i, string.rep('x', 3000 + i % 7 * 200)) end";
    const thin = "for i = ARGV[1], ARGV[1] + 1999 do if i % 3 ~= 0 then redis.call('del', 'filler:' .. i) end end";
    for (let at = 0; at < 300_000; at += 2000) await admin.eval(fill, 0, at);
    for (let at = 0; at < 300_000; at += 2000) await admin.eval(thin, 0, at);
    await fire(['ForebayRedisFragmented']);
    const clear = "for i = ARGV[1], ARGV[1] + 1999 do redis.call('unlink', 'filler:' .. i) end";
    for (let at = 0; at < 300_000; at += 2000) await admin.eval(clear, 0, at);
    await admin.config('SET', 'maxmemory', '64mb');
    admin.disconnect();
    await calm(['ForebayRedisFragmented']);
  });

  test('a receiver of alerts that refuses them', async () => {
    const names = ['ForebayWebhookFailing', 'ForebayRedisDown'];
    fleet.receiver.answers.push(...Array.from({ length: 20 }, () => 400));
    await fleet.redis().kill();
    await fire(names);
    await fleet.restartRedis();
    fleet.receiver.answers.length = 0;
    await calm(names);
  });

  test('a process that is killed again and again', async () => {
    for (let n = 0; n < 3; n += 1) {
      await fleet.instances[2].restart();
      const [{ value: before } = { value: '' }] = await prometheus.query('sum(up)');
      expect(before).not.toBe('');
      await vi.waitFor(async () => expect(await prometheus.query('sum(up) == 3')).toHaveLength(1), SOON);
    }
    await fire(['ForebayRestarting']);
    await calm(['ForebayRestarting']);
  });

  test('a record changed behind the triggers', async () => {
    const [first, second] = fleet.instances;
    // A file that the load does not write to: its writes would put right what is wrong here.
    const id = randomUUID();
    const body = JSON.stringify({ id, path: '/ops/own', size: 1, mimeType: 'text/plain', ownerId: 'ops' });
    const made = await fetch(`${first.url}/v1/files`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    expect(made.status).toBe(201);
    const read = async (): Promise<string> => {
      const response = await fetch(`${second.url}/v1/files/${id}`);
      await response.arrayBuffer();
      return response.headers.get('cache-status') ?? '';
    };
    await vi.waitFor(async () => expect(await read()).toContain('forebay-local; hit'), SOON);
    await sql.exec('alter table forebay.file_info disable trigger file_info_updated');
    await sql.query('update forebay.file_info set size = size + 1, version = version + 1000000 where id = $1', [id]);
    await sql.exec('alter table forebay.file_info enable trigger file_info_updated');
    const reading = setInterval(() => void read().catch(() => {}), 50);
    try {
      await fire(['ForebayStaleFound']);
    } finally {
      clearInterval(reading);
    }
    await sql.query('insert into forebay.outbox (everything) values (true)');
    await calm(['ForebayStaleFound']);
  });
});

test('what was seen to fire and to end is every alert', () => {
  expect(alerts.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([]);
});

test('three instances were scraped under load for two minutes, and almost every scrape was answered', async () => {
  await vi.waitUntil(() => fleet.load().seconds - scrapedFrom > LOAD_S, { timeout: LOAD_S * 1000, interval: 500 });
  const { reads, writes } = fleet.load();
  expect([reads > 5000, writes > 200]).toEqual([true, true]);
  const [share] = await prometheus.query(`min(avg_over_time(up{job="forebay"}[${LOAD_S}s]))`);
  // Each was told to stand still, or had its database taken, for some of the time.
  expect(Number(share?.value)).toBeGreaterThan(0.7);
}, 180_000);
