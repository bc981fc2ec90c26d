import { Redis } from 'ioredis';
import { expect, test, vi } from 'vitest';
import type { HealthFinding } from '../../src/cache/health-types.ts';
import { createForebay } from '../../src/forebay.ts';
import { startRedis } from '../support/redis.ts';

test('what is amiss with a server is told once, is in the metrics, and is gone when it was mended', async () => {
  await using redis = await startRedis({
    args: ['--maxmemory-policy', 'noeviction', '--maxmemory', '64mb', '--client-output-buffer-limit', 'pubsub 65536 0 0'],
  });
  const found: HealthFinding[] = [];
  await using forebay = await createForebay({
    database: 'pglite:memory',
    redis: redis.url,
    warm: 'off',
    onFinding: (finding) => found.push(finding),
  });
  await vi.waitFor(() => expect(found.map(({ code }) => code)).toEqual(['evicts_nothing', 'bus_buffer_small']), {
    timeout: 20_000,
    interval: 20,
  });
  const node = `127.0.0.1:${redis.port}`;
  expect(forebay.health?.nodes()).toMatchObject([
    { node, state: 'up', role: 'primary', policy: 'noeviction', maxMemoryBytes: 64 * 2 ** 20 },
  ]);
  const { body } = await forebay.metricsText();
  expect(body).toContain(`forebay_redis_node_up{node="${node}"} 1`);
  expect(body).toContain('forebay_redis_findings{code="evicts_nothing"} 1');
  expect(body).toContain('forebay_redis_findings{code="memory_unlimited"} 0');

  const admin = new Redis(redis.url);
  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
  admin.disconnect();
  await vi.waitFor(() => expect(forebay.health?.findings().map(({ code }) => code)).toEqual(['bus_buffer_small']), {
    timeout: 30_000,
    interval: 100,
  });
  expect(found).toHaveLength(2);
});

test('a right that our user lacks is told once, however many calls it fails', async () => {
  await using redis = await startRedis({
    args: ['--maxmemory', '64mb', '--user', 'app', 'on', '>secret', '~*', '&*', '+@all', '-evalsha', '-eval'],
  });
  const found: HealthFinding[] = [];
  await using forebay = await createForebay({
    database: 'pglite:memory',
    redis: { url: redis.url, username: 'app', password: 'secret' },
    warm: 'off',
    onFinding: (finding) => found.push(finding),
  });
  for (let n = 0; n < 20; n += 1) await forebay.files.get(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);
  const missing = found.filter(({ code }) => code === 'right_missing');
  expect(missing).toHaveLength(1);
  expect(missing[0]?.text).toMatch(/evalsha.*docs\/redis\.md/i);
});

test('with a key prefix, the rights on keys and channels of that prefix are enough', async () => {
  await using redis = await startRedis({ args: ['--maxmemory', '64mb', '--user', 'app', 'on', '>secret', '~p:*', '&p:*', '+@all'] });
  const found: HealthFinding[] = [];
  await using forebay = await createForebay({
    database: 'pglite:memory',
    redis: { url: redis.url, username: 'app', password: 'secret' },
    keyPrefix: 'p:',
    onFinding: (finding) => found.push(finding),
  });
  const create = () => forebay.files.create({ path: '/a', size: 1, mimeType: 'text/plain', ownerId: 'ann' });
  await vi.waitFor(async () => expect((await create()).invalidation).toBe('applied'), { timeout: 20_000, interval: 50 });
  const { record } = await create();
  expect(await forebay.files.lookup(record.id)).toMatchObject({ outcome: 'loaded', stored: true });
  await forebay.files.update(record.id, { size: 2 });
  expect(await forebay.files.get(record.id)).toMatchObject({ size: 2 });
  expect(found.filter(({ code }) => code === 'right_missing')).toEqual([]);
});
