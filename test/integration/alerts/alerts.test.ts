import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Alert } from '../../../src/alerts/alert.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { createForebay } from '../../../src/forebay.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { startAlertReceiver } from '../../support/alert-receiver.ts';
import { freePort, startRedis } from '../../support/redis.ts';

let database: Database;
beforeAll(async () => {
  database = await openDatabase('pglite:memory');
  await migrate(database);
});
afterAll(() => database.close());

const SECRET = 'correct-horse-battery-staple';
const SOON = { timeout: 20_000, interval: 20 };
const file = (n: number) => ({ path: `/alerts/${n}`, size: n, ownerId: 'ann' });

function listening() {
  const lines: string[] = [];
  const log = (fields: object, message: string): void => void lines.push('alert' in fields ? `alert: ${String(fields.alert)}` : message);
  const logger: Logger = { ...silentLogger, info: log, warn: log, error: log };
  return { logger, lines };
}

test('Redis is killed under 1,000 reads a second and comes back: one line and one message for each change, at the log, the event, the metrics and the webhook', async () => {
  const port = await freePort();
  let redis = await startRedis({ port });
  await using receiver = await startAlertReceiver();
  const { logger, lines } = listening();
  const events: Alert[] = [];
  await using forebay = await createForebay({
    database,
    redis: redis.url,
    local: { maxEntries: 0 },
    logger,
    alerts: {
      webhook: { url: receiver.url, secret: SECRET },
      onAlert: (alert) => events.push(alert),
      instance: 'one',
      redisDownMs: 500,
      clearMs: 1000,
      boundExceededMs: 60_000,
      databaseOverloadMs: 60_000,
    },
  });
  const { record } = await forebay.files.create(file(1));
  await vi.waitFor(async () => expect((await forebay.readiness()).redis).toBe('up'));
  lines.length = 0;
  const metric = async (line: string): Promise<void> => expect((await forebay.metricsText()).body).toContain(`${line}\n`);
  await metric('forebay_alert_firing{alert="redis_down"} 0');

  await redis.kill();
  let reads = 0;
  const reading = setInterval(() => {
    for (let n = 0; n < 50; n += 1) void forebay.files.get(record.id).then(() => (reads += 1));
  }, 50);
  try {
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), SOON);
    const before = reads;
    await vi.waitFor(() => expect(reads).toBeGreaterThan(before + 1000), SOON);
  } finally {
    clearInterval(reading);
  }
  expect(forebay.alerts()).toMatchObject([{ alert: 'redis_down', state: 'firing' }]);
  await metric('forebay_alert_firing{alert="redis_down"} 1');

  redis = await startRedis({ port });
  await vi.waitFor(() => expect(receiver.received).toHaveLength(2), SOON);
  expect(receiver.received.map(({ body }) => [body['state'], body['alert'], body['instance'], body['undelivered']])).toEqual([
    ['firing', 'redis_down', 'one', 0],
    ['resolved', 'redis_down', 'one', 0],
  ]);
  expect(new Set(receiver.received.map(({ body }) => body['episode'])).size).toBe(1);
  expect(receiver.received.map(({ body }) => body)).toMatchObject(events);
  expect(forebay.alerts()).toEqual([]);
  await metric('forebay_alert_firing{alert="redis_down"} 0');
  await metric('forebay_alerts_total{alert="redis_down",state="firing"} 1');
  await metric('forebay_alerts_total{alert="redis_down",state="resolved"} 1');
  await vi.waitFor(() => metric('forebay_alert_webhook_messages_total{outcome="delivered"} 2'));
  // That it has recovered is told seconds later.
  expect(lines.filter((line) => !line.startsWith('recovered: '))).toEqual([
    'Redis is away: reads go to the database until it is back; it is tried again all the time',
    'alert: redis_down',
    'Redis is connected',
    'alert: redis_down',
  ]);
  await redis.stop();
});

test('a database that is kept busy is told of: callers wait, and nothing is proven', async () => {
  const { logger, lines } = listening();
  await using forebay = await createForebay({
    database,
    redis: null,
    local: { maxEntries: 0 },
    maxConcurrentLoads: 1,
    cache: { maxBatch: 1 },
    logger,
    alerts: { databaseWaiting: 3, databaseOverloadMs: 0, boundExceededMs: 0, clearMs: 1000 },
  });
  const held = Promise.withResolvers<void>();
  const transaction = database.transaction(() => held.promise);
  // One load is under way in vain; the others wait for their turn.
  const reads = Array.from({ length: 6 }, (_, n) => forebay.files.get(`00000000-0000-4000-8000-00000000000${n}`).catch(() => null));
  const names = (): string[] => forebay.alerts().map(({ alert }) => alert);
  try {
    await vi.waitFor(() => expect(names()).toEqual(['bound_exceeded', 'database_overload']), SOON);
    // Five loads, and what else waits for the one connection.
    expect(forebay.alerts()[1]?.value).toBeGreaterThanOrEqual(5);
    expect(forebay.alerts()[1]).toMatchObject({ threshold: 3, unit: 'callers' });
  } finally {
    held.resolve();
    await transaction;
    await Promise.all(reads);
  }
  await vi.waitFor(() => expect(names()).toEqual([]), SOON);
  expect(lines.filter((line) => line.startsWith('alert')).toSorted()).toEqual([
    'alert: bound_exceeded',
    'alert: bound_exceeded',
    'alert: database_overload',
    'alert: database_overload',
  ]);
});

test('changes that no process relays are told of, and told to be over when one does', async () => {
  const alerts = { outboxDepth: 10, outboxDeepMs: 0, boundExceededMs: 60_000, clearMs: 1000 };
  await using forebay = await createForebay({ database, redis: null, relay: 'never', alerts });
  await database.query(
    "insert into forebay.outbox (caches, ids, tags, everything, purge) select '{}', '{}', array['t'], false, false from generate_series(1, 25)",
  );
  await vi.waitFor(() => expect(forebay.alerts()).toMatchObject([{ alert: 'outbox_deep', value: 25 }]), SOON);
  await using relaying = await createForebay({ database, redis: null });
  await vi.waitFor(() => expect(forebay.alerts()).toEqual([]), SOON);
  expect(relaying.alerts()).toEqual([]);
});

test('a mistake in the options shows before anything is opened', async () => {
  await expect(createForebay({ database: 'postgres://127.0.0.1:1/none', redis: null, alerts: { clearMs: 1 } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    field: 'alerts.clearMs',
  });
});

test('a process that has delivered an alert ends by itself, with the connection to the receiver still open', async () => {
  await using receiver = await startAlertReceiver();
  const child = fileURLToPath(new URL('deliver.child.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [child, receiver.url, SECRET], { timeout: 20_000 });
  expect(stdout).toBe('delivered\n');
  expect(receiver.received).toHaveLength(1);
});
