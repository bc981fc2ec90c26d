import { beforeEach, expect, test, vi } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import type { Cache } from '../../../src/cache/cache-types.ts';
import type { KeptEntry } from '../../../src/cache/kept.ts';
import type { CacheOptions } from '../../../src/cache/options.ts';
import { createMemoryTier, MemoryServer } from '../../support/memory-remote.ts';

interface Row {
  readonly version: number;
  readonly text: string;
}

const NEVER = new AbortController().signal;

let server: MemoryServer;
let rows: Map<string, Row>;
/** Keys that the source was asked for, by question. */
let asked: { versions: string[]; rows: string[] };
/** Answers of the source are given when this has resolved; the rows were read before. */
let held: Promise<void> | null;

beforeEach(() => {
  server = new MemoryServer();
  rows = new Map();
  asked = { versions: [], rows: [] };
  held = null;
});

async function answer<T>(keys: readonly string[], of: (row: Row) => T): Promise<Map<string, T>> {
  const found = new Map(keys.flatMap((key) => (rows.has(key) ? [[key, of(rows.get(key) as Row)] as const] : [])));
  await held;
  return found;
}

async function open(options: Partial<CacheOptions<string, Row>> = {}): Promise<Cache<string, Row>> {
  const { tier } = createMemoryTier(server);
  const cache = createCache<string, Row>({
    name: 'c',
    remote: tier,
    source: {
      loadMany: (keys) => {
        asked.rows.push(...keys);
        return answer(keys, (row) => row);
      },
    },
    versions: (keys) => {
      asked.versions.push(...keys);
      return answer(keys, ({ version }) => version);
    },
    describe: ({ version }) => ({ version }),
    ttl: () => 600_000,
    random: () => 0.5,
    budgetMs: 5000,
    ...options,
  });
  await cache.start();
  await vi.waitFor(() => expect(tier.asOf(0)).toBeGreaterThan(Number.NEGATIVE_INFINITY), { interval: 1 });
  return cache;
}

const put = (key: string, version: number): void => void rows.set(key, { version, text: 'of the source' });
const kept = (key: string, version: number, ttlMs: number | null = null): KeptEntry<string> => ({
  key,
  version,
  json: Buffer.from(JSON.stringify({ version, text: 'of the backup' })),
  ttlMs,
});
const ttlLeft = async (cache: Cache<string, Row>, key: string): Promise<number> => {
  const { remote } = await cache.inspect(key);
  return remote.state === 'fresh' ? remote.ttlLeftMs : Number.NaN;
};

test('what the source still has at the same version is put back as it was, and only what has another is asked for', async () => {
  const cache = await open();
  put('same', 1);
  put('moved', 3);
  put('there', 1);
  await cache.get('there');
  await cache.idle();
  asked.rows = [];
  const { outcomes } = await cache.restore([kept('same', 1), kept('moved', 2), kept('gone', 1), kept('there', 1)]);
  expect(outcomes).toEqual(['restored', 'loaded', 'absent', 'found']);
  expect(asked).toEqual({ versions: ['same', 'moved', 'gone'], rows: ['moved'] });
  const other = await open();
  expect(await other.lookup('same')).toMatchObject({ outcome: 'hit', tier: 'remote', value: { text: 'of the backup' } });
  expect(await other.lookup('moved')).toMatchObject({ outcome: 'hit', tier: 'remote', version: 3, value: { text: 'of the source' } });
});

test('a newer version in the backup than in the source is not believed either', async () => {
  const cache = await open();
  put('a', 1);
  expect((await cache.restore([kept('a', 2)])).outcomes).toEqual(['loaded']);
  expect(await cache.lookup('a')).toMatchObject({ version: 1, value: { text: 'of the source' } });
});

test('an invalidation between the answer of the source and the fill keeps the entry out, and a reader has the new one', async () => {
  const [cache, other] = [await open(), await open()];
  put('a', 1);
  const gate = Promise.withResolvers<void>();
  held = gate.promise;
  const restoring = cache.restore([kept('a', 1)]);
  await vi.waitFor(() => expect(asked.versions).toEqual(['a']), { interval: 1 });
  put('a', 2);
  held = null;
  await other.invalidate({ keys: ['a'] });
  gate.resolve();
  expect((await restoring).outcomes).toEqual(['failed']);
  expect((await cache.inspect('a')).remote).toEqual({ state: 'none' });
  expect(await cache.lookup('a')).toMatchObject({ outcome: 'loaded', version: 2 });
});

test('a reader who comes meanwhile is answered by what the source has said, and nothing of it stays in process memory', async () => {
  const cache = await open();
  put('a', 1);
  put('b', 2);
  const gate = Promise.withResolvers<void>();
  held = gate.promise;
  const restoring = cache.restore([kept('a', 1), kept('b', 1)]);
  await vi.waitFor(() => expect(asked.versions).toEqual(['a', 'b']), { interval: 1 });
  const reading = cache.get('b');
  gate.resolve();
  expect(await reading).toEqual({ version: 2, text: 'of the source' });
  expect((await restoring).outcomes).toEqual(['restored', 'loaded']);
  expect(cache.peek('a')).toBeUndefined();
  expect(cache.stats().counts.lookups).toMatchObject({ loaded: 1 });
});

test('what is in process memory stays as it is, unless the source has something newer', async () => {
  const cache = await open();
  for (const key of ['same', 'moved']) put(key, 1);
  await cache.getMany(['same', 'moved']);
  await cache.idle();
  for (const key of ['same', 'moved']) server.redis.unlink(`c:{${key}}`);
  // As by someone whose message has not come yet.
  put('moved', 2);
  expect((await cache.restore([kept('same', 1), kept('moved', 1)])).outcomes).toEqual(['restored', 'loaded']);
  expect(cache.peek('same')).toEqual({ version: 1, text: 'of the source' });
  expect(await cache.get('moved')).toEqual({ version: 2, text: 'of the source' });
});

test('a reader waits no longer for Redis because a restore does', async () => {
  const cache = await open({ budgetMs: 10 });
  put('a', 1);
  server.freeze();
  const restoring = cache.restore([kept('a', 1)]);
  await new Promise(setImmediate);
  const startedAt = performance.now();
  expect(await cache.get('a')).toEqual({ version: 1, text: 'of the source' });
  expect(performance.now() - startedAt).toBeLessThan(500);
  server.thaw();
  await restoring;
});

test('an entry lives as long as was left of it; without that, and loaded anew, as the policy says of a warmed one', async () => {
  const cache = await open();
  for (const key of ['kept', 'new', 'moved']) put(key, 2);
  await cache.restore([kept('kept', 2, 50_000), kept('new', 2), kept('moved', 1, 50_000)]);
  expect(await ttlLeft(cache, 'kept')).toBeGreaterThan(40_000);
  expect(await ttlLeft(cache, 'kept')).toBeLessThanOrEqual(50_000);
  for (const key of ['new', 'moved']) expect(await ttlLeft(cache, key)).toBeGreaterThan(500_000);
});

test('what cannot be told or stored has failed, with the reason, and is done by the next try', async () => {
  let isAway = true;
  const cache = await open({
    versions: () => (isAway ? Promise.reject(new Error('no connection')) : Promise.resolve(new Map([['a', 1]]))),
  });
  expect(await cache.restore([kept('a', 1)])).toMatchObject({ outcomes: ['failed'], error: { code: 'LOAD_FAILED' } });
  isAway = false;
  expect(await cache.restore([kept('a', 1)])).toMatchObject({ outcomes: ['restored'], error: null });
  expect(await cache.restore([kept('a', 1)])).toMatchObject({ outcomes: ['found'] });
  await cache.close();
  expect(await cache.restore([kept('a', 1)])).toMatchObject({ outcomes: ['failed'] });
});

test('of a key alone, and where the source tells no versions, the record is loaded', async () => {
  put('a', 1);
  const cache = await open();
  expect((await cache.restore([{ ...kept('a', 1), json: null }])).outcomes).toEqual(['loaded']);
  const without = await open({ versions: null, name: 'd' });
  expect((await without.restore([kept('a', 1), kept('b', 1)])).outcomes).toEqual(['loaded', 'absent']);
});

test('a comparison says what would be done, and does nothing', async () => {
  const cache = await open();
  for (const key of ['same', 'there']) put(key, 1);
  put('moved', 2);
  await cache.get('there');
  await cache.idle();
  asked.rows = [];
  const entries = [kept('same', 1), kept('moved', 1), kept('gone', 1), kept('there', 1)];
  expect((await cache.compare(entries, { signal: NEVER })).outcomes).toEqual(['restored', 'loaded', 'absent', 'found']);
  expect(asked.rows).toEqual([]);
  expect((await cache.inspect('same')).remote).toEqual({ state: 'none' });
  expect((await cache.restore(entries)).outcomes).toEqual(['restored', 'loaded', 'absent', 'found']);
});
