import { expect, test } from 'vitest';
import type { AlertOptions } from '../../../src/alerts/options.ts';
import { resolveAlertOptions } from '../../../src/alerts/options.ts';

const SECRET = 'correct-horse-battery-staple';
const target = (url: string, secret = SECRET): AlertOptions => ({ webhook: { url, secret } });

test.each<[string, object]>([
  ['redisDownMs', { redisDownMs: -1 }],
  ['breakerOpenMs', { breakerOpenMs: 1.5 }],
  ['boundExceededMs', { boundExceededMs: Number.NaN }],
  ['outboxDepth', { outboxDepth: 10_000 }],
  ['outboxDeepMs', { outboxDeepMs: '1s' }],
  ['databaseWaiting', { databaseWaiting: Number.POSITIVE_INFINITY }],
  ['databaseOverloadMs', { databaseOverloadMs: 86_400_001 }],
  ['clearMs', { clearMs: 999 }],
  ['instance', { instance: '' }],
  ['instance', { instance: 'a\nb' }],
  ['onAlert', { onAlert: 'log' }],
  ['redisDown', { redisDown: 1 }],
  ['webhook.url', target('ftp://host/')],
  ['webhook.url', target('host')],
  ['webhook.url', target('https://me:hunter22@host/')],
  ['webhook.secret', target('https://host/', 'hunter22')],
])('a wrong %s is refused by name, and no secret is repeated', (name, options) => {
  expect(() => resolveAlertOptions(options, 1000)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', field: `alerts.${name}`, message: expect.not.stringContaining('hunter22') }),
  );
});

test('nothing given: the defaults, a name of host and process, and no webhook', () => {
  const options = resolveAlertOptions({}, 250);
  expect(options.thresholds).toEqual({
    maxStalenessMs: 250,
    redisDownMs: 10_000,
    breakerOpenMs: 10_000,
    boundExceededMs: 5000,
    outboxDepth: 1000,
    outboxDeepMs: 30_000,
    databaseWaiting: 100,
    databaseOverloadMs: 5000,
    clearMs: 30_000,
  });
  expect(options.instance).toMatch(new RegExp(`.:${process.pid}$`));
  expect(options.webhook).toBeNull();
});
