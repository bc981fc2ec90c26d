import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { encodeEntry } from '../../src/cache/entry.ts';
import { LogTags } from '../../src/cache/log-tags.ts';
import { createRedisLogStore } from '../../src/redis/log-store.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import { callScript } from '../../src/redis/script-calls.ts';
import type { ScriptCall } from '../../src/redis/scripts.ts';
import {
  acquire,
  applyEntry,
  clusterApplyEntry,
  clusterOpenLog,
  fill,
  invalidateTags,
  openLog,
  readTags,
} from '../../src/redis/scripts.ts';
import { hintFor } from '../support/format-hint.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

/** What the scripts write in Redis, as it was when the formats got their versions: docs/upgrades.md. The bytes of entries and messages are held in test/unit/formats.test.ts. */

let server: TestRedis;
let client: Redis;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
beforeEach(async () => void (await client.flushall()));
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

const ENTRY = { absent: false, version: 17, ttlMs: 60_000, point: { generation: 'e1', stamp: 41 }, buckets: [7], json: Buffer.from('{}') };
const ARGS = { epoch: 'e1', number: 42, channel: 'c', message: 'm', all: false, buckets: [7, 3311] };
const TABLE_HINT = hintFor('table of the log', 'nothing, but give the table and its head other names, so that each version has its own');
const TAGS_HINT = hintFor('table of tags', 'nothing, but give the table another name, so that each version has its own');

async function run(...calls: ScriptCall[]): Promise<void> {
  for (const call of calls) await callScript(client, call);
}

/** Everything that is there; what a server draws or reads from its clock, as signs. */
async function written(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const key of (await client.keys('*')).toSorted()) {
    const hide = (text: string): string =>
      text
        .replaceAll(/\b1[0-9]{15}\b/g, 'MICROS')
        .replaceAll(/\b1[0-9]{12}\b/g, 'MS')
        .replaceAll(/\b[0-9a-f]{40}\b/g, 'REPLID')
        .replaceAll(/@[0-9a-f]{16} /g, '@REPL ');
    const fields = Object.entries((await client.type(key)) === 'hash' ? await client.hgetall(key) : {});
    found[key] =
      fields.length > 0 ? Object.fromEntries(fields.map(([name, text]) => [name, hide(text)])) : hide((await client.get(key)) ?? '');
  }
  return found;
}

test('the table of the log and its head, on one server', async () => {
  await run(openLog(['log', 'log:at'], 'e1', 41, null), applyEntry(['log', 'log:at'], [], ARGS));
  expect(await written(), TABLE_HINT).toEqual({ log: { e: 'e1', b: '41', f: '42', '7': '42', '3311': '42' }, 'log:at': 'e1 41 42' });
  await run(applyEntry(['log', 'log:at'], [], { ...ARGS, number: 43, all: true, buckets: [] }));
  expect(await written(), TABLE_HINT).toEqual({ log: { e: 'e1', b: '43', f: '43', '7': '42', '3311': '42' }, 'log:at': 'e1 43 43' });
});

test('the table of the log and its head, on a node of a Cluster', async () => {
  const slots = '0-5460,7000-7000';
  await run(
    clusterOpenLog(['log', 'log:at'], slots, 'e1', 41, null),
    clusterApplyEntry(['log', 'log:at'], [], { ...ARGS, channel: '', slots }),
  );
  expect(await written(), TABLE_HINT).toEqual({
    log: { e: 'e1', b: '41', f: '42', r: '0-5460@41,7000-7000@41', '7': '42', '3311': '42' },
    'log:at': 'e1 41 42 0-5460@41,7000-7000@41',
  });
});

test('values and leases', async () => {
  const payload = { ...encodeEntry(ENTRY), expireMs: 60_000, loadedAgoMs: 0 };
  await run(
    acquire('row:{a}', 'token1', 1000, false, false),
    fill('row:{a}', 'token1', payload, false),
    acquire('row:{b}', 'token2', 60_000, false, false),
  );
  await run(
    acquire('row:{c}', 'token3', 1000, false, true),
    fill('row:{c}', 'token3', payload, true),
    acquire('row:{d}', 'token4', 60_000, false, true),
  );
  expect(await written(), hintFor('entry', 'FORMAT in src/cache/entry.ts')).toEqual({
    'row:{a}': 'forebay1 value 17 MS 60000 e1.41 7\n{}',
    'row:{b}:lease': 'token2',
    'row:{c}': '@REPL forebay1 value 17 MS 60000 e1.41 7\n{}',
    'row:{d}:lease': '@REPL token4',
  });
});

test.each([
  ['on one server', false, {}],
  ['on a Cluster', true, { i: 'REPLID' }],
])('the table of tags of a tier without a log, %s', async (_, marked, more) => {
  const change = { channel: 'c', origin: 'me', newGeneration: 'g2', all: false, purge: false, buckets: [7] };
  await run(readTags('tags', 'g1', '', marked));
  expect(await written(), TAGS_HINT).toEqual({ tags: { g: 'g1', n: 'MICROS', ...more } });
  await run(invalidateTags('tags', change, marked));
  expect(await written(), TAGS_HINT).toEqual({ tags: { g: 'g1', n: 'MICROS', '7': 'MICROS', ...more } });
});

test('names of tables and channels', async () => {
  const store = createRedisLogStore({ url: server.url, keyPrefix: 'p:' }, new LogTags());
  const tier = createRedisTier({ url: server.url, keyPrefix: 'p:' });
  try {
    store.listen(
      {
        onEntry: () => {},
        onGap: () => {},
        onUnreadable: () => {},
        onBehind: () => {},
        onWake: () => {},
        onAnew: () => {},
        onUp: () => {},
      },
      () => ({ epoch: 'e1', number: 0 }),
    );
    await Promise.all([store.opened, tier.opened]);
    await store.parts()[0]?.apply('e1', { number: 1, keys: [], buckets: [], all: false, purge: false }, performance.now() + 5000);
    await tier.invalidate({ keys: [], buckets: [7], all: false, purge: false });
    expect(Object.keys(await written()), TABLE_HINT).toEqual(['p:forebay:log', 'p:forebay:log:at', 'p:forebay:tags']);
    await vi.waitFor(async () =>
      expect(((await client.pubsub('CHANNELS')) as string[]).toSorted()).toEqual(['p:forebay:bus', 'p:forebay:log']),
    );
  } finally {
    await Promise.all([store.close(), tier.close()]);
  }
});
