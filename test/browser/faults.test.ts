import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createForebay } from '../../src/forebay.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { startCluster } from '../support/cluster.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';
import { startChromium } from './chromium.ts';
import { openViewer, picture, startWorld } from './world.ts';

/** How soon a person sees it. */
const SEEN_WITHIN_MS = 2000;
const CALM = /^Nothing is broken/;

let browser: Browser;
let postgres: TestPostgres;
let databases = 0;
beforeAll(async () => {
  browser = await startChromium();
  postgres = await startPostgres();
});
afterAll(async () => {
  await browser.close();
  await postgres.stop();
});

const newDatabase = (): Promise<string> => postgres.createDatabase(`browser_${(databases += 1)}`);

/** The figure goes to the output, whether it passes or not. */
function judge(fault: string, seenMs: number, limitMs = SEEN_WITHIN_MS): void {
  console.log(`${fault}: seen after ${seenMs.toFixed(0)} ms`);
  expect(seenMs).toBeLessThan(limitMs);
}

describe('what the page shows when something is broken', () => {
  it('Redis killed: seen within two seconds, in words and in the timeline, and that it is back', async () => {
    const port = await freePort();
    const redis = await startRedis({ port, args: SOUND_REDIS });
    await using world = await startWorld({ database: await newDatabase(), redis: redis.url });
    await using viewer = await openViewer(browser, world.service.url);
    const { page, errors } = viewer;
    await viewer.sees(CALM);
    await redis.kill();
    judge(
      'Redis killed',
      await viewer.sees(/^Redis cannot be reached: what process memory has not is answered by the database.*Users do not notice/),
    );
    expect(await page.getAttribute('#status', 'data-level')).toBe('warning');
    expect(await page.textContent('#announcement')).toMatch(/^Degraded\. Redis cannot be reached/);
    expect(await page.locator('#events').innerText()).toContain('The connection to Redis is lost');
    expect(await page.locator('#endpoints').innerText()).toMatch(/Redis\s+away/);
    await picture(page, 'redis-down');
    await using _ = await startRedis({ port, args: SOUND_REDIS });
    await viewer.sees(/^The caches are (recovering|being warmed)/);
    await picture(page, 'recovering', 1);
    await viewer.sees(CALM, 60_000);
    await expect.poll(() => page.locator('#events').innerText(), { timeout: 20_000 }).toContain('Recovered: all traffic back after');
    expect(errors).toEqual([]);
  });

  it('Redis frozen: told apart from one that is gone, also after its connection was given up', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    await using world = await startWorld({ database: await newDatabase(), redis: redis.url });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM);
    redis.freeze();
    judge('Redis frozen', await viewer.sees(/^Redis is frozen or too busy, it does not answer in time: /));
    await expect.poll(() => viewer.page.locator('#endpoints').innerText(), { timeout: 20_000 }).toContain('not connected');
    expect(await viewer.page.textContent('#sentence')).toMatch(/^Redis is frozen/);
    await picture(viewer.page, 'redis-frozen');
    redis.thaw();
    await viewer.sees(CALM, 60_000);
    expect(viewer.errors).toEqual([]);
  });

  it('Redis isolated by an operator, and restored', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    await using world = await startWorld({ database: await newDatabase(), redis: redis.url });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM);
    world.forebay.redis?.isolate();
    judge('Redis isolated', await viewer.sees(/^Redis is isolated by an operator, until it is restored: /));
    expect(await viewer.page.locator('#events').innerText()).toContain('isolated by hand');
    await picture(viewer.page, 'redis-isolated');
    world.forebay.redis?.restore();
    await viewer.sees(CALM, 60_000);
    expect(viewer.errors).toEqual([]);
  });

  it('the bus lost, while Redis answers', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    await using proxy = await FaultProxy.start({ target: redis.port });
    await using world = await startWorld({ database: await newDatabase(), redis: `redis://127.0.0.1:${proxy.port}` });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM);
    const lift = proxy.impose({ select: ({ kind }) => kind === 'subscriber', toClient: { stop: true } });
    // Silence proves nothing before twice the bound has passed.
    judge('bus half open', await viewer.sees(/^The bus is lost: .*Users do not notice/), 2000 + SEEN_WITHIN_MS);
    await picture(viewer.page, 'bus-lost');
    lift();
    await viewer.sees(CALM, 60_000);
    expect(viewer.errors).toEqual([]);
  });

  it('a node of a Cluster lost', async () => {
    await using cluster = await startCluster({ args: ['--cluster-require-full-coverage', 'no', ...SOUND_REDIS] });
    await using world = await startWorld({ database: await newDatabase(), redis: cluster.url });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM, 60_000);
    const [, second = 0] = cluster.primaries;
    await cluster.nodes.get(second)?.kill();
    judge('Cluster node lost', await viewer.sees(new RegExp(`^1 of 3 nodes of Redis is lost \\(127\\.0\\.0\\.1:${second}\\)`)));
    await picture(viewer.page, 'node-lost');
    expect(viewer.errors).toEqual([]);
  });

  it('the database down: users notice, and the page says so while it cannot be asked', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    await using own = await startPostgres();
    await using world = await startWorld({ database: await own.createDatabase('own'), redis: redis.url });
    await using viewer = await openViewer(browser, world.service.url);
    const { page } = viewer;
    await viewer.sees(CALM);
    await own.crash();
    judge('database down', await viewer.sees(/^The database does not answer: /));
    await viewer.sees(/Users notice: [\d,]+ a second of [\d,]+ fail\.$/);
    expect(await page.getAttribute('#status', 'data-level')).toBe('critical');
    expect(await page.locator('#endpoints').innerText()).toMatch(/Database\s+does not answer/);
    await picture(page, 'database-down');
    await own.start();
    await viewer.sees(CALM, 60_000);
    expect(await page.locator('#events').innerText()).toContain('The database answers again.');
    expect(viewer.errors).toEqual([]);
  });

  it('the database slow', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const url = new URL(await newDatabase());
    await using proxy = await FaultProxy.start({ target: Number(url.port) });
    url.port = String(proxy.port);
    await using world = await startWorld({ database: url.href, redis: redis.url });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM);
    const lift = proxy.impose({ toClient: { delayMs: 400 } });
    // Two slow answers in a row make a slow database.
    judge('database slow', await viewer.sees(/The database is slow \(\d+ ms for a small question\)/), 2 * SEEN_WITHIN_MS);
    await picture(viewer.page, 'database-slow');
    lift();
    await viewer.sees(CALM, 60_000);
    expect(viewer.errors).toEqual([]);
  });

  it('nobody relays, and changes gather: the bound is exceeded, and the outbox deep', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const database = await newDatabase();
    const relay = await createForebay({ database, redis: redis.url });
    await using world = await startWorld({ database, redis: redis.url }, {}, { more: { relay: 'never' } });
    await using viewer = await openViewer(browser, world.service.url);
    const { page } = viewer;
    await viewer.sees(CALM, 60_000);
    await relay.close();
    // The bound of a second has to pass first.
    judge(
      'bound exceeded',
      await viewer.sees(/^The staleness is beyond its bound \(\d.*every read goes to the database/),
      2 * SEEN_WITHIN_MS,
    );
    expect(await page.getAttribute('#status', 'data-level')).toBe('critical');
    await picture(page, 'bound-exceeded');
    const sql = await openDatabase(database);
    await sql.query("insert into forebay.outbox (caches, ids) select array['file:info'], array['none'] from generate_series(1, 3000)");
    // They are counted every five seconds.
    await viewer.sees(/The outbox is deep: [\d,]+ changes wait/);
    await picture(page, 'outbox-deep');
    await using _ = await createForebay({ database, redis: redis.url });
    await viewer.sees(CALM, 60_000);
    await sql.close();
    expect(viewer.errors).toEqual([]);
  });

  it('more is asked of the database than it answers', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const database = await newDatabase();
    const few = { maxConcurrentLoads: 1, cache: { maxQueuedLoads: 20 } };
    await using world = await startWorld({ database, redis: redis.url }, {}, { more: few });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM, 60_000);
    const sql = await openDatabase(database);
    const seen = Promise.withResolvers<void>();
    const locked = sql.transaction(async (tx) => {
      await tx.exec('lock table forebay.file_info in access exclusive mode');
      await seen.promise;
    });
    const crowd = setInterval(() => void world.forebay.files.lookup(randomUUID()), 5);
    // Until the queue is full.
    judge(
      'overloaded',
      await viewer.sees(/^The database is overloaded: \d+ loads wait for it, and \d+ a second are refused\./),
      3 * SEEN_WITHIN_MS,
    );
    expect(await viewer.page.getAttribute('#status', 'data-level')).toBe('critical');
    await picture(viewer.page, 'database-overloaded', 4);
    clearInterval(crowd);
    seen.resolve();
    await locked;
    await viewer.sees(CALM, 60_000);
    await sql.close();
    expect(viewer.errors).toEqual([]);
  });

  it('a record changed behind the triggers, found by the auditor', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const database = await newDatabase();
    await using world = await startWorld({ database, redis: redis.url }, {}, { more: { auditPerSecond: 200 } });
    await using viewer = await openViewer(browser, world.service.url);
    await viewer.sees(CALM, 60_000);
    const { files } = world.forebay;
    // The writers of this world would put right what is wrong here.
    const { record } = await files.create({ path: '/archive/own.tif', size: 1, mimeType: 'image/tiff', ownerId: 'uid:1' });
    await files.get(record.id);
    const sql = await openDatabase(database);
    await sql.exec('alter table forebay.file_info disable trigger file_info_updated');
    await sql.query('update forebay.file_info set size = 2, version = version + 1000000 where id = $1', [record.id]);
    await sql.exec('alter table forebay.file_info enable trigger file_info_updated');
    const reading = setInterval(() => void files.lookup(record.id), 20);
    await viewer.sees(/^The auditor found a record that was served though the database had long had another/, 60_000);
    expect(await viewer.page.getAttribute('#status', 'data-level')).toBe('critical');
    await picture(viewer.page, 'stale-found');
    clearInterval(reading);
    await sql.close();
    expect(viewer.errors).toEqual([]);
  });

  it('the service itself gone: the last numbers are shown as what they are, and it is found again', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const port = await freePort();
    const database = await newDatabase();
    const world = await startWorld({ database, redis: redis.url }, { port });
    await using viewer = await openViewer(browser, world.service.url);
    const { page, errors } = viewer;
    await viewer.sees(CALM);
    await world[Symbol.asyncDispose]();
    judge('service gone', await viewer.sees(/^The connection to the service is lost\. These are the last numbers, of \d\d:\d\d:\d\d;/));
    expect(await page.getAttribute('#status', 'data-level')).toBe('lost');
    expect(await page.textContent('#announcement')).toMatch(/^No connection\. The connection to the service is lost/);
    await picture(page, 'service-gone', 0);
    await using _ = await startWorld({ database, redis: redis.url }, { port }, { forPictures: false });
    await viewer.sees(CALM, 60_000);
    expect(await page.getAttribute('#stream', 'data-state')).toBe('live');
    // Nobody there: what this test provokes.
    expect(errors.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/.test(text))).toEqual([]);
  });
});
