import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Alert } from '../../../src/alerts/alert.ts';
import { Webhook } from '../../../src/alerts/webhook.ts';
import type { Logger } from '../../../src/core/logger.ts';
import type { AlertReceiver } from '../../support/alert-receiver.ts';
import { startAlertReceiver } from '../../support/alert-receiver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/redis.ts';

const SECRET = 'correct-horse-battery-staple';
const TRY_MS = 5000;

/** A message of the n-th episode. */
function alert(n: number, state: Alert['state'] = 'firing'): Alert {
  return {
    version: 1,
    id: `e${n}-${state}`,
    episode: `e${n}`,
    alert: 'redis_down',
    severity: 'warning',
    state,
    summary: 'Redis: ünreachable',
    value: 10_000,
    threshold: 10_000,
    unit: 'ms',
    startedAt: '2026-01-01T00:00:00.000Z',
    resolvedAt: state === 'resolved' ? '2026-01-01T00:01:00.000Z' : null,
    returns: 0,
    instance: 'host:1',
  };
}

/** A webhook on a clock turned by hand, with pauses of the drawn share of the longest. */
function open(url: string, share = 0.5) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const webhook = new Webhook({
    target: { url, secret: SECRET },
    logger,
    clock,
    chance: { random: () => share, uniqueId: () => 'x' },
  });
  /** Waits until so many tries have failed and the pause after the last one has begun. */
  const failed = async (tries: number): Promise<void> => {
    await until(() => expect(webhook.counts.failedTries).toBe(tries));
    await clock.settle();
    expect(clock.timers).toBe(1);
  };
  const idle = (): Promise<void> => until(() => expect(webhook.queued).toBe(0));
  return { webhook, clock, lines, failed, idle };
}

/** Tries that were begun: seen before they reach anyone. */
const fetches = vi.spyOn(globalThis, 'fetch');
beforeEach(() => void fetches.mockClear());

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 2 });
const ids = ({ received }: AlertReceiver): unknown[] => received.map(({ body }) => body['id']);

/** As `docs/alerts.md` tells receivers to check. */
function isSigned(text: string, header: unknown, secret: string): boolean {
  const [, t = '', v1 = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(header)) ?? [];
  return v1 === createHmac('sha256', secret).update(`${t}.${text}`).digest('hex');
}

test('a message arrives as signed JSON with all of its fields', async () => {
  await using receiver = await startAlertReceiver();
  const { webhook, clock, idle, lines } = open(receiver.url);
  webhook.send(alert(1));
  await idle();
  const [first] = receiver.received;
  expect(first?.body).toEqual({ ...alert(1), undelivered: 0 });
  expect(first?.headers).toMatchObject({ 'content-type': 'application/json', 'idempotency-key': 'e1-firing', 'user-agent': 'forebay' });
  const signature = first?.headers['x-forebay-signature'];
  expect(signature).toMatch(new RegExp(`^t=${Math.floor(clock.wallNow() / 1000)},`));
  expect(isSigned(first?.text ?? '', signature, SECRET)).toBe(true);
  expect(isSigned(`${first?.text} `, signature, SECRET)).toBe(false);
  expect(isSigned(first?.text ?? '', signature, `${SECRET}x`)).toBe(false);
  expect(webhook.counts).toEqual({ delivered: 1, superseded: 0, refused: 0, givenUp: 0, dropped: 0, failedTries: 0 });
  expect([lines, clock.timers]).toEqual([[], 0]);
});

describe('a try that fails is made again', () => {
  test('after statuses of 500 and above, 408, 425 and 429, a broken connection and no answer in time: the same message, signed anew', async () => {
    await using receiver = await startAlertReceiver();
    const { webhook, clock, failed, idle, lines } = open(receiver.url);
    receiver.answers.push(500, 503, 408, 425, 429, (response) => void response.destroy(), 'hang');
    webhook.send(alert(1));
    for (let tries = 1; tries <= 6; tries += 1) {
      await failed(tries);
      clock.advance(60_000);
    }
    await until(() => expect(receiver.received).toHaveLength(7));
    clock.advance(TRY_MS - 1);
    await clock.settle();
    expect(webhook.counts.failedTries).toBe(6);
    clock.advance(1);
    await failed(7);
    clock.advance(60_000);
    await idle();
    expect(new Set(receiver.received.map(({ text }) => text)).size).toBe(1);
    expect(receiver.received.every(({ text, headers }) => isSigned(text, headers['x-forebay-signature'], SECRET))).toBe(true);
    expect(new Set(receiver.received.map(({ headers }) => headers['x-forebay-signature'])).size).toBe(8);
    expect(webhook.counts).toMatchObject({ delivered: 1, failedTries: 7 });
    expect(lines).toEqual([
      'warn the webhook does not take alerts; the log has them all {"reason":"status 500"}',
      'info the webhook takes alerts again {"undelivered":0}',
    ]);
  });

  test.each([
    [0.5, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]],
    [0.999, [999, 1998, 3996]],
  ])('at a share of %d of 1, 2, 4 … 60 s', async (share, pausesMs) => {
    const { webhook, clock, failed } = open(`http://127.0.0.1:${await freePort()}/`, share);
    webhook.send(alert(1));
    for (const [index, pauseMs] of pausesMs.entries()) {
      await failed(index + 1);
      clock.advance(pauseMs - 1);
      await clock.settle();
      expect(fetches).toHaveBeenCalledTimes(index + 1);
      clock.advance(1);
      await clock.settle();
      expect(fetches).toHaveBeenCalledTimes(index + 2);
    }
    await failed(pausesMs.length + 1);
  });

  test.each<[string, (clock: FakeClock) => string, number]>([
    ['in seconds', () => '7', 7000],
    ['as a date', (clock) => new Date(clock.wallNow() + 9000).toUTCString(), 9000],
    ['of hours: in five minutes all the same', () => '86400', 300_000],
    ['that is shorter than the pause', () => '0', 500],
    ['that makes no sense', () => 'soon', 500],
  ])('not before the Retry-After %s', async (_name, retryAfter, pauseMs) => {
    await using receiver = await startAlertReceiver();
    const { webhook, clock, failed, idle } = open(receiver.url);
    receiver.answers.push((response) => void response.writeHead(503, { 'retry-after': retryAfter(clock) }).end());
    webhook.send(alert(1));
    await failed(1);
    clock.advance(pauseMs - 1);
    await clock.settle();
    expect(fetches).toHaveBeenCalledTimes(1);
    clock.advance(1);
    await idle();
    expect(receiver.received).toHaveLength(2);
  });

  test('twenty times at most; the next message says how many are missing, and the log has one line for all of it', async () => {
    const port = await freePort();
    const { webhook, clock, failed, idle, lines } = open(`http://127.0.0.1:${port}/path-secret`);
    webhook.send(alert(1));
    webhook.send(alert(2));
    for (let tries = 1; tries <= 21; tries += 1) {
      await failed(tries);
      expect(webhook.queued).toBe(tries <= 20 ? 2 : 1);
      if (tries <= 20) clock.advance(60_000);
    }
    expect(webhook.counts).toMatchObject({ givenUp: 1, delivered: 0 });
    await using receiver = await startAlertReceiver(port);
    clock.advance(60_000);
    await idle();
    webhook.send(alert(3));
    await idle();
    expect(receiver.received.map(({ body }) => [body['id'], body['undelivered']])).toEqual([
      ['e2-firing', 1],
      ['e3-firing', 0],
    ]);
    expect(lines).toEqual([
      'warn the webhook does not take alerts; the log has them all {"reason":"ECONNREFUSED"}',
      'info the webhook takes alerts again {"undelivered":1}',
    ]);
  });
});

test.each([400, 401, 404, 410, 422])('a message answered with %i is not sent again, and the next one says so', async (status) => {
  await using receiver = await startAlertReceiver();
  const { webhook, idle } = open(receiver.url);
  receiver.answers.push(status);
  webhook.send(alert(1));
  webhook.send(alert(2));
  await idle();
  expect(receiver.received.map(({ body }) => [body['id'], body['undelivered']])).toEqual([
    ['e1-firing', 0],
    ['e2-firing', 1],
  ]);
  expect(webhook.counts).toMatchObject({ refused: 1, delivered: 1, failedTries: 1 });
});

test.each([301, 302, 307, 308])('a redirect (%i) is not followed', async (status) => {
  await using elsewhere = await startAlertReceiver();
  await using receiver = await startAlertReceiver();
  const { webhook, idle, lines } = open(receiver.url);
  receiver.answers.push((response) => void response.writeHead(status, { location: elsewhere.url }).end());
  webhook.send(alert(1));
  await idle();
  expect([elsewhere.received.length, receiver.received.length]).toEqual([0, 1]);
  expect(lines).toEqual([expect.stringContaining(`status ${status}: redirects are not followed`)]);
});

test('messages arrive in order, though the first one needs three tries', async () => {
  await using receiver = await startAlertReceiver();
  const { webhook, clock, failed, idle } = open(receiver.url);
  receiver.answers.push(500, 500);
  for (const message of [alert(1), alert(2), alert(3)]) webhook.send(message);
  await failed(1);
  clock.advance(60_000);
  await failed(2);
  clock.advance(60_000);
  await idle();
  expect(ids(receiver)).toEqual(['e1-firing', 'e1-firing', 'e1-firing', 'e2-firing', 'e3-firing']);
});

describe('a resolved alert', () => {
  test('takes the place of its firing one that was not delivered, whether that waits or is being tried again', async () => {
    await using receiver = await startAlertReceiver();
    const { webhook, clock, failed, idle } = open(receiver.url);
    receiver.answers.push(500);
    webhook.send(alert(1));
    webhook.send(alert(2));
    await failed(1);
    webhook.send(alert(2, 'resolved'));
    webhook.send(alert(1, 'resolved'));
    expect(webhook.queued).toBe(3);
    // The receiver is given its time all the same.
    await clock.settle();
    expect(fetches).toHaveBeenCalledTimes(1);
    clock.advance(60_000);
    await idle();
    expect(ids(receiver)).toEqual(['e1-firing', 'e2-resolved', 'e1-resolved']);
    expect(webhook.counts).toMatchObject({ delivered: 2, superseded: 2, givenUp: 0 });
    expect(receiver.received.at(-1)?.body['undelivered']).toBe(0);
  });

  test('follows its firing one that is under way and arrives', async () => {
    await using receiver = await startAlertReceiver();
    const { webhook, idle } = open(receiver.url);
    let answer = (): void => {};
    receiver.answers.push((response) => (answer = () => void response.writeHead(200).end()));
    webhook.send(alert(1));
    await until(() => expect(receiver.received).toHaveLength(1));
    webhook.send(alert(1, 'resolved'));
    answer();
    await idle();
    expect(ids(receiver)).toEqual(['e1-firing', 'e1-resolved']);
    expect(webhook.counts).toMatchObject({ delivered: 2, superseded: 0 });
  });

  test('leaves those of other episodes alone', async () => {
    await using receiver = await startAlertReceiver();
    const { webhook, clock, failed, idle } = open(receiver.url);
    receiver.answers.push(500);
    for (const message of [alert(0), alert(1, 'resolved'), alert(2), alert(2, 'resolved')]) webhook.send(message);
    await failed(1);
    clock.advance(60_000);
    await idle();
    expect(ids(receiver)).toEqual(['e0-firing', 'e0-firing', 'e1-resolved', 'e2-resolved']);
  });
});

test('no more than 100 messages wait: the oldest is dropped, and the next one delivered says how many are missing', async () => {
  await using receiver = await startAlertReceiver();
  const { webhook, clock, failed, idle } = open(receiver.url);
  receiver.answers.push(500);
  for (let n = 0; n < 1000; n += 1) {
    webhook.send(alert(n));
    expect(webhook.queued).toBeLessThanOrEqual(100);
  }
  await failed(1);
  clock.advance(60_000);
  await idle();
  expect(ids(receiver)).toEqual(['e0-firing', 'e0-firing', ...Array.from({ length: 99 }, (_, n) => `e${901 + n}-firing`)]);
  expect(receiver.received.map(({ body }) => body['undelivered'])).toEqual([0, 0, 900, ...Array<number>(98).fill(0)]);
  expect(webhook.counts).toMatchObject({ dropped: 900, delivered: 100 });
});

describe('closing', () => {
  test('delivers what waits, without the rest of the pause, and takes no more', async () => {
    await using receiver = await startAlertReceiver();
    const { webhook, clock, failed } = open(receiver.url);
    receiver.answers.push(500);
    webhook.send(alert(1));
    webhook.send(alert(2));
    await failed(1);
    const closed = webhook.close();
    expect(webhook.close()).toBe(closed);
    webhook.send(alert(3));
    await closed;
    expect(ids(receiver)).toEqual(['e1-firing', 'e1-firing', 'e2-firing']);
    expect(webhook.counts).toMatchObject({ delivered: 2, dropped: 1 });
    expect(clock.timers).toBe(0);
  });

  test('tries each once more when the receiver fails, and no longer than two seconds when it does not answer', async () => {
    await using receiver = await startAlertReceiver();
    const { webhook, clock } = open(receiver.url);
    receiver.answers.push(500, 500, 'hang');
    for (const message of [alert(1), alert(2), alert(3), alert(4)]) webhook.send(message);
    let isClosed = false;
    const closed = webhook.close().then(() => (isClosed = true));
    await until(() => expect(receiver.received).toHaveLength(3));
    clock.advance(1999);
    await clock.settle();
    expect(isClosed).toBe(false);
    clock.advance(1);
    await closed;
    expect(ids(receiver)).toEqual(['e1-firing', 'e2-firing', 'e3-firing']);
    expect(webhook.counts).toMatchObject({ delivered: 0, givenUp: 4 });
    expect([webhook.queued, clock.timers]).toEqual([0, 0]);
  });

  test('has nothing to wait for when nothing waits', async () => {
    const { webhook, clock } = open('http://127.0.0.1:1/');
    await webhook.close();
    expect(clock.timers).toBe(0);
  });
});

test('an answer without end holds nothing up, and is broken off', async () => {
  await using receiver = await startAlertReceiver();
  const { webhook, idle } = open(receiver.url);
  let isBrokenOff = false;
  receiver.answers.push((response) => {
    response.once('close', () => (isBrokenOff = true));
    response.writeHead(200).write('x'.repeat(65_536));
  });
  webhook.send(alert(1));
  webhook.send(alert(2));
  await idle();
  expect(ids(receiver)).toEqual(['e1-firing', 'e2-firing']);
  await until(() => expect(isBrokenOff).toBe(true));
});

test('neither the address nor the secret is in the log', async () => {
  const { webhook, clock, failed, lines } = open(`http://127.0.0.1:${await freePort()}/path-secret?key=query-secret`);
  webhook.send(alert(1));
  await failed(1);
  clock.advance(0);
  expect(lines).toHaveLength(1);
  expect(lines.join()).not.toMatch(/path-secret|query-secret|horse|127\.0\.0\.1/);
});
