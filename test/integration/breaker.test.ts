import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { BreakerChange } from '../../src/cache/breaker-types.ts';
import type { Logger } from '../../src/core/logger.ts';
import type { FileId } from '../../src/files/records.ts';
import type { Forebay } from '../../src/forebay.ts';
import type { ForebayOptions } from '../../src/forebay-options.ts';
import { createForebay } from '../../src/forebay.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

const PATIENCE = { timeout: 20_000, interval: 2 };
const PING_BYTES = '*1\r\n$4\r\nPING\r\n'.length;

let database: Database;
let redis: TestRedis;
let proxy: FaultProxy;

beforeAll(async () => {
  [database, redis] = await Promise.all([openDatabase('pglite:memory'), startRedis()]);
  await migrate(database);
});
afterAll(() => Promise.all([database.close(), redis.stop()]));
beforeEach(async () => {
  proxy = await FaultProxy.start({ target: redis.port });
  return () => proxy.close();
});

/** A Forebay without room in process memory, so that every read asks Redis; and what it told. */
async function open(options: Partial<ForebayOptions> = {}) {
  const lines: { readonly level: string; readonly to: unknown }[] = [];
  const changes: BreakerChange[] = [];
  const note = (level: string) => (fields: object) => {
    if ('breaker' in fields) lines.push({ level, to: fields.breaker });
  };
  const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const forebay = await createForebay({
    database,
    redis: `redis://127.0.0.1:${proxy.port}`,
    local: { maxEntries: 0 },
    cache: { maxAbsentEntries: 0 },
    logger,
    onBreakerChange: (change) => changes.push(change),
    ...options,
  });
  const { redis: breaker } = forebay;
  if (breaker === null) throw new Error('there is no breaker');
  await vi.waitFor(async () => expect((await forebay.readiness()).redis).toBe('up'), PATIENCE);
  return { forebay, breaker, lines, changes, [Symbol.asyncDispose]: () => forebay.close() };
}

async function createFiles({ files }: Forebay, count: number): Promise<FileId[]> {
  const made = await Promise.all(Array.from({ length: count }, (_, i) => files.create({ path: `/f/${i}`, size: i, ownerId: 'ann' })));
  return made.map(({ record }) => record.id);
}

/** Bytes that came from the connections for commands. */
const commandBytes = (): number =>
  proxy.connections.filter(({ kind }) => kind === 'command').reduce((sum, { bytesFromClient }) => sum + bytesFromClient, 0);

/** Waits until freshness was proven again, from a question that was asked after this moment. */
async function proven({ tier }: Forebay): Promise<void> {
  const from = performance.now();
  await vi.waitFor(() => expect(tier.asOf(performance.now())).toBeGreaterThan(from), PATIENCE);
}

test('a Redis that answers nothing opens the breaker; reads then cost it nothing but probes, freshness is proven on, and once it answers the breaker closes and Redis is level', async () => {
  await using one = await open({ breaker: { firstDelayMs: 50, maxDelayMs: 50, probeMs: 100 } });
  const { forebay, breaker, lines, changes } = one;
  const [id, ...others] = await createFiles(forebay, 20);
  if (id === undefined) throw new Error('no file');
  await vi.waitFor(async () => expect((await forebay.files.lookup(id)).outcome).toBe('hit'), PATIENCE);

  const lift = proxy.impose({ select: ({ kind }) => kind === 'command', toServer: { stop: true }, toClient: { stop: true } });
  await vi.waitFor(async () => {
    await forebay.files.lookup(id);
    expect(breaker.state).not.toBe('closed');
  }, PATIENCE);
  expect(changes[0]).toEqual({ from: 'closed', to: 'open', reason: expect.stringMatching(/in a row were not answered in time/) });

  // What was sent before it opened has come to the proxy, and so has the first probe.
  const { transitions } = breaker.counts;
  await vi.waitFor(() => expect([breaker.state, transitions['half-open'] > 0]).toEqual(['open', true]), PATIENCE);
  const [bytesBefore, probesBefore] = [commandBytes(), transitions['half-open']];
  for (const other of others) expect((await forebay.files.lookup(other)).outcome).toBe('loaded');
  await proven(forebay);
  await vi.waitFor(() => expect(commandBytes() - bytesBefore).toBe((transitions['half-open'] - probesBefore) * PING_BYTES), PATIENCE);
  expect(await forebay.files.update(id, { size: 7 })).toMatchObject({ invalidation: 'queued', record: { size: 7 } });
  expect((await forebay.files.get(id))?.size).toBe(7);
  expect(await forebay.tier.read('file:info:{x}', performance.now() + 50)).toEqual({ outcome: 'unavailable', reason: 'breaker' });
  expect(await forebay.readiness()).toMatchObject({ ready: true, redis: 'down', reasons: [expect.stringContaining('breaker')] });
  expect(breaker.counts.refused).toBeGreaterThanOrEqual(20);

  lift();
  await vi.waitFor(() => expect(breaker.state).toBe('closed'), PATIENCE);
  await vi.waitFor(
    async () => expect(await forebay.files.lookup(id)).toMatchObject({ outcome: 'hit', tier: 'remote', value: { size: 7 } }),
    PATIENCE,
  );
  expect((await forebay.files.update(id, { size: 8 })).invalidation).toBe('applied');

  // One line for each change, and those that an operator has to see once each.
  expect(lines.map(({ to }) => to)).toEqual(changes.map(({ to }) => to));
  expect(lines.filter(({ level }) => level !== 'debug')).toEqual([
    { level: 'warn', to: 'open' },
    { level: 'info', to: 'closed' },
  ]);
});

test('what is under way when the breaker opens has its answer if that comes in time', async () => {
  await using one = await open({ redisBudgetMs: 10_000 });
  const { forebay, breaker } = one;
  const [id] = await createFiles(forebay, 1);
  if (id === undefined) throw new Error('no file');
  await vi.waitFor(async () => expect((await forebay.files.lookup(id)).outcome).toBe('hit'), PATIENCE);
  const bytes = commandBytes();
  const lift = proxy.impose({ toClient: { stop: true } });
  const read = forebay.files.lookup(id);
  await vi.waitFor(() => expect(commandBytes()).toBeGreaterThan(bytes), PATIENCE);
  breaker.isolate();
  lift();
  expect(await read).toMatchObject({ outcome: 'hit', tier: 'remote' });
});

test('an isolated Redis gets not one byte, and is level and used soon after it is restored', async () => {
  await using one = await open();
  const { forebay, breaker, lines } = one;
  const [id, ...others] = await createFiles(forebay, 20);
  if (id === undefined) throw new Error('no file');
  await vi.waitFor(async () => expect((await forebay.files.lookup(id)).outcome).toBe('hit'), PATIENCE);

  expect(breaker.isolate()).toBe('isolated');
  await proven(forebay);
  const bytes = commandBytes();
  for (const other of [id, ...others]) expect((await forebay.files.lookup(other)).outcome).toBe('loaded');
  expect((await forebay.files.update(id, { size: 99 })).invalidation).toBe('queued');
  expect((await forebay.files.inspect(id)).remote).toMatchObject({ state: 'unavailable', reason: 'breaker' });
  await proven(forebay);
  expect(commandBytes()).toBe(bytes);
  expect(await forebay.readiness()).toMatchObject({
    ready: true,
    redis: 'down',
    breaker: 'isolated',
    reasons: [expect.stringContaining('isolated by hand')],
  });
  const { body } = await forebay.metricsText();
  expect(body).toContain('forebay_breaker_state{state="isolated"} 1\n');
  expect(body).toContain('forebay_breaker_state{state="closed"} 0\n');
  expect(body).toContain('forebay_breaker_transitions_total{to="isolated"} 1\n');
  expect(body).toMatch(/^forebay_breaker_refused_total [1-9]\d*$/m);
  expect(body).toContain('forebay_redis_up 0\n');

  expect(breaker.restore()).toBe('half-open');
  await vi.waitFor(
    async () => expect(await forebay.files.lookup(id)).toMatchObject({ outcome: 'hit', tier: 'remote', value: { size: 99 } }),
    PATIENCE,
  );
  expect(await forebay.readiness()).toMatchObject({ redis: 'up', breaker: 'closed', reasons: [] });
  expect(lines.map(({ to }) => to)).toEqual(['isolated', 'half-open', 'closed']);
});

test('a Redis that takes no writes opens the breaker by the share of failures: 1,000 of them are one change, one event and one line', async () => {
  await using full = await startRedis({ args: ['--maxmemory', '1kb', '--maxmemory-policy', 'noeviction'] });
  await using one = await open({ redis: full.url, breaker: { firstDelayMs: 600_000, maxDelayMs: 600_000, timeoutsInRow: 10_000 } });
  const { forebay, breaker, lines, changes } = one;
  const ids = await createFiles(forebay, 100);
  for (const id of ids) expect((await forebay.files.lookup(id)).outcome).toBe('loaded');
  expect(breaker.state).toBe('open');
  for (let i = 0; i < 10; i += 1) await Promise.all(ids.map((id) => forebay.files.lookup(id)));
  expect(changes).toEqual([{ from: 'closed', to: 'open', reason: expect.stringMatching(/calls failed, the last one with: OOM /) }]);
  expect(lines).toEqual([{ level: 'warn', to: 'open' }]);
  expect(breaker.counts.transitions).toEqual({ closed: 0, open: 1, 'half-open': 0, isolated: 0 });
  expect(breaker.counts.refused).toBeGreaterThanOrEqual(1000);
});
