import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCache } from '../../../src/cache/cache.ts';
import type { Cache } from '../../../src/cache/cache-types.ts';
import { createRedisTier } from '../../../src/redis/remote-tier.ts';
import { openInstance, Rows } from '../../support/redis-caches.ts';
import type { TestRedis } from '../../support/redis.ts';
import { startRedis } from '../../support/redis.ts';

let redis: TestRedis;
let admin: Redis;

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url);
});
afterAll(async () => {
  admin.disconnect();
  await redis.stop();
});
beforeEach(() => admin.flushall());

async function withCaches(
  value: unknown,
  run: (one: Cache<string, unknown>, two: Cache<string, unknown>, loads: () => number) => Promise<void>,
): Promise<void> {
  let loads = 0;
  const source = (): unknown => {
    loads += 1;
    return value;
  };
  const tiers = [createRedisTier({ url: redis.url }), createRedisTier({ url: redis.url })] as const;
  await Promise.all(tiers.map((tier) => tier.opened));
  const make = (remote: (typeof tiers)[number]): Cache<string, unknown> =>
    createCache<string, unknown>({ name: 'any', source, remote, budgetMs: 5000 });
  const [one, two] = [make(tiers[0]), make(tiers[1])];
  try {
    await run(one, two, () => loads);
  } finally {
    await Promise.all([one.close(), two.close()]);
    await Promise.all(tiers.map((tier) => tier.close()));
  }
}

describe('a value comes back the same from the source, from Redis and from memory', () => {
  test.each([
    ['0', 0],
    ["''", ''],
    ['false', false],
    ['an empty object', {}],
    ['an empty list', []],
    ['text of any kind', { text: 'Ünïcødé \u{1F600} \n\r\t"\\ \u2028 \u0000' }],
    ['a nested one', { a: [1, { b: [null, 2.5, -0.1, 1e21] }] }],
    ['1 MB', 'x'.repeat(1_000_000)],
  ])('%s', async (_name, value) => {
    await withCaches(value, async (one, two, loads) => {
      const json = Buffer.from(JSON.stringify(value));
      for (const [cache, outcome, tier] of [
        [one, 'loaded', 'source'],
        [one, 'hit', 'local'],
        [two, 'hit', 'remote'],
      ] as const) {
        const lookup = await cache.lookup('k');
        await cache.idle();
        expect({ outcome: lookup.outcome, tier: 'tier' in lookup && lookup.tier }).toEqual({ outcome, tier });
        if (!('json' in lookup)) throw new Error('no value');
        expect(lookup.json.equals(json)).toBe(true);
        expect(isDeepStrictEqual(lookup.value, value)).toBe(true);
      }
      expect(loads()).toBe(1);
    });
  });

  test('null: the record is absent, and that is remembered in both tiers', async () => {
    await withCaches(null, async (one, two, loads) => {
      expect(await one.lookup('k')).toMatchObject({ outcome: 'absent', tier: 'source' });
      await one.idle();
      expect(await one.lookup('k')).toMatchObject({ outcome: 'absent', tier: 'local' });
      expect(await two.lookup('k')).toMatchObject({ outcome: 'absent', tier: 'remote' });
      expect(await two.get('k')).toBeNull();
      expect(loads()).toBe(1);
      await admin.pttl('any:{k}').then((left) => expect(left).toBeLessThanOrEqual(33_000));
    });
  });

  test('a value over maxEntryBytes is served, and stored nowhere', async () => {
    await withCaches('x'.repeat(1024 ** 2), async (one, _two, loads) => {
      expect(String(await one.get('k')).length).toBe(1024 ** 2);
      await one.idle();
      expect(one.peek('k')).toBeUndefined();
      expect(await admin.exists('any:{k}', 'any:{k}:lease')).toBe(0);
      expect(String(await one.get('k')).length).toBe(1024 ** 2);
      expect(loads()).toBe(2);
    });
  });

  test('what is handed out is frozen all through', async () => {
    await withCaches({ list: [{ name: 'a' }] }, async (one) => {
      const value = (await one.get('k')) as { list: { name: string }[] };
      expect(() => value.list.push({ name: 'b' })).toThrow(TypeError);
      expect(() => Object.assign(value.list[0] ?? {}, { name: 'b' })).toThrow(TypeError);
    });
  });
});

describe('falsified bytes under our keys are a counted miss, and are replaced', () => {
  const damage: [string, (bytes: Buffer) => Buffer][] = [
    ['nothing', () => Buffer.alloc(0)],
    ['a header without a body', (bytes) => bytes.subarray(0, bytes.indexOf(10) + 1)],
    ['a truncated body', (bytes) => bytes.subarray(0, -3)],
    ['a truncated header', (bytes) => bytes.subarray(0, 12)],
    ['a newer format', (bytes) => Buffer.concat([Buffer.from('forebay2'), bytes.subarray(8)])],
    ['plain JSON of somebody else', () => Buffer.from('{"version":99}')],
    ['random bytes', () => Buffer.from([0, 255, 10, 13, 254, 1, 2, 3])],
    ['a body that is not JSON', (bytes) => Buffer.concat([bytes.subarray(0, bytes.indexOf(10) + 1), Buffer.from('{oops')])],
  ];
  test.each(damage)('%s', async (_name, falsify) => {
    const rows = new Rows();
    rows.put('a', 1);
    await using writer = await openInstance(redis.url, { loadMany: rows.loadMany });
    await writer.cache.get('a');
    await writer.cache.idle();
    const bytes = await admin.getBuffer('file:info:{a}');
    await admin.set('file:info:{a}', falsify(bytes ?? Buffer.alloc(0)));
    await using reader = await openInstance(redis.url, { loadMany: rows.loadMany });
    expect(await reader.cache.lookup('a')).toMatchObject({ outcome: 'loaded', version: 1 });
    expect(reader.cache.stats().counts.remoteRefusals.damaged).toBe(1);
    await reader.cache.idle();
    expect(await admin.getBuffer('file:info:{a}')).not.toEqual(falsify(bytes ?? Buffer.alloc(0)));
  });

  test('a key of another type', async () => {
    const rows = new Rows();
    rows.put('a', 1);
    await admin.lpush('file:info:{a}', 'not', 'ours');
    await admin.set('forebay:tags', 'nor this');
    await using reader = await openInstance(redis.url, { loadMany: rows.loadMany });
    expect(await reader.cache.lookup('a')).toMatchObject({ outcome: 'loaded', version: 1 });
  });
});
