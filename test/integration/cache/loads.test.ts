import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Redis } from 'ioredis';
import { gate, openInstance, Rows } from '../../support/redis-caches.ts';
import { startWorker } from '../../support/cache-worker-client.ts';
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

test('1,000 concurrent gets of one cold key cost one load in one process', async () => {
  const rows = new Rows();
  rows.put('a', 1);
  await using one = await openInstance(redis.url, { loadMany: rows.loadMany });
  const values = await Promise.all(Array.from({ length: 1000 }, () => one.cache.get('a')));
  expect(values.every((row) => row?.version === 1)).toBe(true);
  expect(rows.loads).toBe(1);
  expect(one.cache.stats().counts.joined).toBe(999);
});

test('four processes that ask for one cold key at once cost one load', async () => {
  const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker({ url: redis.url, loadMs: 50 })));
  try {
    const answers = await Promise.all(workers.map((worker) => worker.ask({ do: 'get', key: 'a' })));
    expect(answers.map((answer) => answer.value)).toEqual(Array.from({ length: 4 }, () => ({ version: 1 })));
    const loads = await Promise.all(workers.map((worker) => worker.ask({ do: 'loads' })));
    expect(loads.reduce((sum, { value }) => sum + Number(value), 0)).toBe(1);
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
  }
});

test('when the process that holds the lease is killed, the others answer after the lease wait', async () => {
  const holder = await startWorker({ url: redis.url, loadMs: 3_600_000 });
  const rows = new Rows();
  rows.put('a', 7);
  await using other = await openInstance(redis.url, { loadMany: rows.loadMany }, { leaseWaitMs: 200 });
  const lost = holder.ask({ do: 'get', key: 'a' }).catch(() => 'killed');
  await vi.waitFor(async () => expect(await admin.exists('file:info:{a}:lease')).toBe(1));
  await holder.kill();
  expect(await lost).toBe('killed');
  const askedAt = performance.now();
  expect((await other.cache.get('a'))?.version).toBe(7);
  // The wait is 200 ms; the rest is room for a busy machine, far below the lease's own 12 s.
  expect(performance.now() - askedAt).toBeLessThan(2000);
  expect(other.cache.stats().counts.leases.waitedOut).toBe(1);
  expect(await admin.exists('file:info:{a}')).toBe(0);
});

test('50 waiters on a failing loader get its error from one load, and the next call tries again at once', async () => {
  let loads = 0;
  let fails = true;
  await using one = await openInstance(redis.url, async () => {
    loads += 1;
    if (fails) throw new Error('the disk is full');
    return { version: 3 };
  });
  const failures = await Promise.allSettled(Array.from({ length: 50 }, () => one.cache.get('a')));
  const reasons = new Set(failures.map((failure) => (failure.status === 'rejected' ? failure.reason : 'no error')));
  expect(reasons.size).toBe(1);
  expect([...reasons][0]).toMatchObject({ code: 'LOAD_FAILED', message: expect.stringContaining('the disk is full') });
  expect(loads).toBe(1);
  fails = false;
  await one.cache.idle();
  expect(await one.cache.get('a')).toEqual({ version: 3 });
  expect(loads).toBe(2);
  // The lease was given back by the failure, so nobody waited for it.
  expect(one.cache.stats().counts.leases.held).toBe(0);
});

test('a loader that throws at once, never settles or returns what JSON cannot hold harms its own key only', async () => {
  const never = gate();
  await using one = await openInstance(
    redis.url,
    (key) => {
      if (key === 'throws') throw new TypeError('no such table');
      if (key === 'hangs') return never.opened.then(() => null);
      if (key === 'bigint') return { version: 1n as unknown as number };
      return { version: 5 };
    },
    { hardTimeoutMs: 300, maxConcurrentLoads: 2 },
  );
  const [throws, hangs, bigint, fine] = await one.cache.lookupMany(['throws', 'hangs', 'bigint', 'fine']);
  expect(throws).toMatchObject({ outcome: 'unavailable', error: { code: 'LOAD_FAILED' } });
  expect(hangs).toMatchObject({ outcome: 'unavailable', error: { code: 'LOAD_TIMEOUT' } });
  expect(bigint).toMatchObject({ outcome: 'unavailable', error: { code: 'SOURCE_SHAPE' } });
  expect(fine).toMatchObject({ outcome: 'loaded', value: { version: 5 } });
  never.open();
});

test('a slow load in another process, overtaken by an invalidation, stores nothing there or in Redis', async () => {
  const slow = await startWorker({ url: redis.url, loadMs: 400 });
  try {
    const rows = new Rows();
    await using writer = await openInstance(redis.url, { loadMany: rows.loadMany });
    const reading = slow.ask({ do: 'get', key: 'a' });
    await vi.waitFor(async () => expect(await admin.get('was-read:a')).toBe('1'), { interval: 5 });
    rows.put('a', 2);
    await admin.set('version-of:a', 2);
    expect(await writer.cache.invalidate({ keys: ['a'] })).toBe('applied');
    expect((await reading).value).toEqual({ version: 1 });
    expect((await slow.ask({ do: 'get', key: 'a' })).value).toEqual({ version: 2 });
    await using fresh = await openInstance(redis.url, { loadMany: rows.loadMany });
    expect((await fresh.cache.get('a'))?.version).toBe(2);
  } finally {
    await slow.kill();
  }
});
