import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveAlertOptions } from '../../../src/alerts/options.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { ForebayError } from '../../../src/core/errors.ts';
import { formatDuration, parseDuration } from '../../../src/core/duration.ts';
import { formatSize, parseSize } from '../../../src/core/size.ts';
import { configOptions, loadConfig, renderConfig, toForebayOptions } from '../../../src/service/config.ts';

const dir = mkdtempSync(join(tmpdir(), 'forebay-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(content: unknown): string {
  const path = join(dir, `${Math.random()}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function errorOf(input: Parameters<typeof loadConfig>[0]): string {
  try {
    loadConfig({ env: {}, cwd: dir, ...input });
  } catch (error) {
    if (error instanceof ForebayError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** A value that breaks each setting's rule. */
const WRONG: Readonly<Record<string, unknown>> = {
  host: 'no host',
  port: '65536',
  token: 'short',
  tokenFile: '',
  trustProxy: '10.0.0.0/33',
  data: '',
  databaseUrl: 'mysql://h/db',
  databaseConnections: '0',
  redisUrl: 'http://h',
  redisMaxBytes: '1kb',
  index: '',
  hash: 'maybe',
  keyPrefix: 'a{b}',
  localMaxEntries: '-1',
  localMaxBytes: '64 apples',
  localPolicy: 'fifo',
  fixedTtlMs: 'forever',
  maxStalenessMs: '99ms',
  staleIfErrorMs: '25h',
  relay: 'sometimes',
  warm: 'lukewarm',
  popularRows: '-1',
  auditPerSecond: '1001',
  redisBudgetMs: '11s',
  maxConcurrentLoads: '1.5',
  bodyLimitBytes: '1tb',
  maxConnections: 'many',
  requestTimeoutMs: '1ms',
  handlerTimeoutMs: '2h',
  keepAliveTimeoutMs: '0',
  shutdownTimeoutMs: 'soon',
  logLevel: 'loud',
  logFormat: 'xml',
  logRequests: 'some',
  traces: 'maybe',
  alertWebhookUrl: 'ftp://h/hook',
  alertWebhookSecret: 'short',
  alertWebhookSecretFile: '',
  alertInstance: 'a b',
  alertRedisDownMs: '25h',
  alertBreakerOpenMs: 'long',
  alertBoundExceededMs: '-1',
  alertOutboxDepth: '10000',
  alertOutboxDeepMs: '1w',
  alertDatabaseWaiting: '0.5',
  alertDatabaseOverloadMs: 'soon',
  alertClearMs: '999ms',
};

describe('sizes and durations', () => {
  it('read back as they were written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom(1, 1000, 60_000, 2 ** 10, 2 ** 20), (n, unit) => {
        const value = Math.floor(n / unit / 4) * unit;
        expect(parseSize(formatSize(value))).toBe(value);
        expect(parseDuration(formatDuration(value))).toBe(value);
      }),
    );
  });

  it.each(['', ' ', '-1', '1.', '.5', '1 000', '1e3', '0x10', 'mb', '1zb', 'NaN', '9007199254740992', '1.5', '0.3b'])(
    '%j is neither',
    (text) => expect([parseSize(text), parseDuration(text)]).toEqual([undefined, undefined]),
  );
});

describe('loadConfig', () => {
  it('needs nothing: every default follows its own rule', () => {
    const config = loadConfig({ env: {}, cwd: dir });
    const data = join(dir, '.forebay');
    expect(config).toMatchObject({ host: '127.0.0.1', port: 7070, databaseUrl: 'embedded', redisUrl: 'embedded', token: null, data });
    for (const { name, defaultText } of configOptions) {
      if (['none', 'empty', 'HOST:PID'].includes(defaultText)) continue;
      const given = loadConfig({ env: {}, cwd: dir, flags: { [name]: defaultText } });
      expect([name, given[name]]).toEqual([name, config[name]]);
    }
  });

  it('is frozen', () => {
    const config = loadConfig({ env: {}, cwd: dir });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.origins)).toBe(true);
  });

  it('takes flags before variables before the file before defaults, and knows which it was', () => {
    const path = file({ port: 1, localMaxEntries: 11, redisBudgetMs: '1s' });
    const config = loadConfig({
      cwd: dir,
      flags: { port: '3', config: path },
      env: { FOREBAY_PORT: '2', FOREBAY_LOCAL_MAX_ENTRIES: '12' },
    });
    expect(config).toMatchObject({ port: 3, localMaxEntries: 12, redisBudgetMs: 1000, host: '127.0.0.1' });
    expect(config.origins.port.as).toBe('--port');
    expect(config.origins.localMaxEntries.as).toBe('FOREBAY_LOCAL_MAX_ENTRIES');
    expect(config.origins.redisBudgetMs.as).toBe(`"redisBudgetMs" in ${path}`);
    expect(config.origins.host.from).toBe('default');
  });

  it('finds the file by variable too, relative to the folder, and the flag wins', () => {
    writeFileSync(join(dir, 'a.json'), '{"port": 1}');
    writeFileSync(join(dir, 'b.json'), '{"port": 2}');
    expect(loadConfig({ cwd: dir, env: { FOREBAY_CONFIG: 'a.json' } }).port).toBe(1);
    expect(loadConfig({ cwd: dir, env: { FOREBAY_CONFIG: 'a.json' }, flags: { config: 'b.json' } }).port).toBe(2);
  });

  it('reads sizes, durations, switches and lists as people write them', () => {
    const flags = {
      localMaxBytes: '1.5 GB',
      fixedTtlMs: '5m',
      hash: true,
      trustProxy: '10.0.0.0/8, ::1',
      redisMaxBytes: 8388608,
      redisUrl: 'unix:/run/r.sock',
    };
    expect(loadConfig({ env: { FOREBAY_REDIS_BUDGET_MS: '20' }, cwd: dir, flags })).toMatchObject({
      localMaxBytes: 1.5 * 2 ** 30,
      fixedTtlMs: 300_000,
      hash: true,
      trustProxy: '10.0.0.0/8,::1',
      redisMaxBytes: 8 * 2 ** 20,
      redisBudgetMs: 20,
      redisUrl: 'unix:/run/r.sock',
    });
  });

  it('has a wrong value here for every setting', () => {
    expect(Object.keys(WRONG).toSorted()).toEqual(configOptions.map(({ name }) => name).toSorted());
  });

  it.each(configOptions)(
    'names the variable, the value and the rule of a wrong $name, wherever it came from',
    ({ name, flag, env, rule, secret }) => {
      const wrong = WRONG[name];
      const shown = secret ? '********' : String(wrong);
      expect(errorOf({ flags: { [name]: wrong } })).toContain(`${flag}="${shown}": must be ${rule}`);
      // An empty variable is an unset one, so those two cannot be wrong there.
      if (wrong !== '') expect(errorOf({ env: { [env]: String(wrong) } })).toContain(`${env}="${shown}": must be ${rule}`);
      const path = file({ [name]: wrong });
      expect(errorOf({ flags: { config: path } })).toContain(`"${name}" in ${path}="${shown}": must be ${rule}`);
    },
  );

  it.each([[[1]], [{}], [null]])('refuses %j for every setting', (value) => {
    const message = errorOf({ flags: { config: file(Object.fromEntries(configOptions.map(({ name }) => [name, value]))) } });
    expect(message.split('\n')).toHaveLength(configOptions.length + 1);
  });

  it('lists every error, not only the first', () => {
    const message = errorOf({ flags: WRONG });
    expect(message).toContain(`${configOptions.length} errors`);
    for (const { flag } of configOptions) expect(message).toContain(`\n  ${flag}=`);
  });

  it('refuses unknown names and says what was probably meant', () => {
    const path = file({ prot: 1 });
    const message = errorOf({
      flags: { lcoalMaxBytes: '1mb', config: path },
      env: { FOREBAY_REDIS_URI: 'x', FOREBAY_XYZZY: '1', OTHER: 'x' },
    });
    expect(message).toContain('--lcoal-max-bytes: there is no such flag; did you mean --local-max-bytes?');
    expect(message).toContain('FOREBAY_REDIS_URI: there is no such variable; did you mean FOREBAY_REDIS_URL?');
    expect(message).toMatch(/FOREBAY_XYZZY: there is no such variable$/m);
    expect(message).toContain(`"prot" in ${path}: there is no such setting; did you mean port?`);
    expect(message).not.toContain('OTHER');
  });

  it('is not fooled by names that every object has', () => {
    const path = file('{"constructor": 1, "__proto__": 2, "toString": 3}');
    const message = errorOf({ flags: { config: path } });
    for (const name of ['constructor', '__proto__', 'toString']) expect(message).toContain(`"${name}" in`);
  });

  it('explains the variables that Kubernetes adds beside a service of this name', () => {
    const message = errorOf({
      env: { FOREBAY_PORT: 'tcp://10.0.0.1:7070', FOREBAY_SERVICE_HOST: '10.0.0.1', FOREBAY_PORT_7070_TCP_ADDR: '10.0.0.1' },
    });
    expect(message.match(/enableServiceLinks/g)).toHaveLength(3);
  });

  it.each([
    ['[]', 'must hold one JSON object'],
    ['{"port": 1,}', 'is not valid JSON'],
    ['', 'is not valid JSON'],
  ])('says what is wrong with the file %j', (content, expected) => {
    const path = file(content);
    expect(errorOf({ flags: { config: path } })).toContain(`--config="${path}": ${expected}`);
    expect(errorOf({ env: { FOREBAY_CONFIG: path } })).toContain(`FOREBAY_CONFIG="${path}": ${expected}`);
  });

  it('says which file cannot be read', () => {
    expect(errorOf({ flags: { config: 'missing.json' } })).toMatch(/--config="missing.json": cannot be read: ENOENT/);
  });

  it('does not quote the text of a broken file, which may hold a secret', () => {
    expect(errorOf({ flags: { config: file('{"token": "correct-horse-battery" oops}') } })).not.toMatch(/horse|battery/);
  });
});

describe('the token', () => {
  const TOKEN = 'correct-horse-battery-staple';

  it('is read from its file, without the white space around it', () => {
    const path = file(`\n ${TOKEN}\n`);
    const config = loadConfig({ cwd: dir, env: { FOREBAY_TOKEN_FILE: path } });
    expect(config.token).toBe(TOKEN);
    expect(config.origins.token.as).toBe('FOREBAY_TOKEN_FILE');
    expect(renderConfig(config)).not.toContain(TOKEN);
  });

  it('is refused empty: a secret that failed to arrive must not open the service', () => {
    expect(errorOf({ env: { FOREBAY_TOKEN: '' } })).toContain('FOREBAY_TOKEN="********": must be');
    const path = file(' ');
    expect(errorOf({ env: { FOREBAY_TOKEN_FILE: path } })).toContain('the token in the file must be');
  });

  it('is taken from one place only', () => {
    expect(errorOf({ env: { FOREBAY_TOKEN: TOKEN, FOREBAY_TOKEN_FILE: file(TOKEN) } })).toMatch(
      /FOREBAY_TOKEN_FILE: give the token or the file.*FOREBAY_TOKEN is set/,
    );
  });
});

describe('the webhook of alerts', () => {
  const SECRET = 'correct-horse-battery-staple';
  const URL = 'https://hooks.example/T0/path-secret';

  it('comes with its secret, from a variable or a file, and both stay hidden', () => {
    for (const given of [{ FOREBAY_ALERT_WEBHOOK_SECRET: SECRET }, { FOREBAY_ALERT_WEBHOOK_SECRET_FILE: file(`${SECRET}\n`) }]) {
      const config = loadConfig({ cwd: dir, env: { FOREBAY_ALERT_WEBHOOK_URL: URL, ...given } });
      expect(toForebayOptions(config, { logger: silentLogger }).alerts?.webhook).toEqual({ url: URL, secret: SECRET });
      for (const json of [true, false]) expect(renderConfig(config, { json })).not.toMatch(/path-secret|horse/);
    }
  });

  it('is refused without one, and when the secret is given twice', () => {
    expect(errorOf({ env: { FOREBAY_ALERT_WEBHOOK_URL: URL } })).toMatch(
      /FOREBAY_ALERT_WEBHOOK_URL: alerts are signed; give FOREBAY_ALERT_WEBHOOK_SECRET/,
    );
    const twice = { FOREBAY_ALERT_WEBHOOK_SECRET: SECRET, FOREBAY_ALERT_WEBHOOK_SECRET_FILE: file(SECRET) };
    expect(errorOf({ env: twice })).toMatch(/FOREBAY_ALERT_WEBHOOK_SECRET_FILE: give the secret or the file/);
  });

  it('is refused with a user in its URL, which the log could not hide', () => {
    expect(errorOf({ env: { FOREBAY_ALERT_WEBHOOK_URL: 'https://me:hunter22@h/' } })).not.toContain('hunter22');
  });
});

describe('secrets', () => {
  /** Distinct enough that it can only come from the secret itself. */
  const password = fc
    .string({ unit: fc.constantFrom(...Array.from('XYZ@:/?#%&=[] "\\')), minLength: 3, maxLength: 10 })
    .map((tail) => `s3cr${tail}3t`);
  const pieces = (secret: string): string[] => secret.split(/[@:/?#%&=[\] "\\]+/).filter((piece) => piece.length > 3);

  it('are printed neither in the configuration nor in errors, however the URL is broken', () => {
    const shapes = (secret: string): string[] => [
      `postgres://user:${secret}@host:5432/db`,
      `postgres://user:${encodeURIComponent(secret)}@host/db?password=${encodeURIComponent(secret)}`,
      `redis://:${secret}@host:6379`,
      `http://user:${secret}@host`,
      `postgres:user:${secret}@host`,
      `postgres://host/db?sslpassword=${secret}`,
    ];
    fc.assert(
      fc.property(password, fc.nat(5), (secret, shape) => {
        const url = shapes(secret)[shape] ?? '';
        for (const name of ['databaseUrl', 'redisUrl']) {
          let shown: string;
          try {
            const config = loadConfig({ env: {}, cwd: dir, flags: { [name]: url } });
            shown = renderConfig(config) + renderConfig(config, { json: true });
          } catch (error) {
            shown = String(error);
          }
          for (const piece of [secret, encodeURIComponent(secret), ...pieces(secret)]) expect(shown).not.toContain(piece);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are hidden in both forms of the rendered configuration, the rest of a URL stays', () => {
    const env = { FOREBAY_TOKEN: 'correct-horse-battery', FOREBAY_DATABASE_URL: 'postgres://me:hunter22@db:5432/files?sslmode=require' };
    const config = loadConfig({ env, cwd: dir });
    for (const shown of [renderConfig(config), renderConfig(config, { json: true })]) {
      expect(shown).not.toMatch(/horse|hunter22/);
      expect(shown).toContain('postgres://me:********@db:5432/files?sslmode=require');
      expect(shown).toContain('FOREBAY_TOKEN');
    }
    expect(JSON.parse(renderConfig(config, { json: true }))).toMatchObject({
      port: { value: 7070, from: 'default' },
      token: { value: '********' },
    });
  });
});

describe('toForebayOptions', () => {
  it('keeps the embedded database in the data folder and takes the embedded Redis from the caller', () => {
    const config = loadConfig({ env: {}, cwd: dir });
    expect(toForebayOptions(config, { logger: silentLogger, embeddedRedisUrl: 'unix:/r.sock' })).toMatchObject({
      database: `pglite:${join(dir, '.forebay', 'database')}`,
      redis: 'unix:/r.sock',
    });
    expect(toForebayOptions(config, { logger: silentLogger }).redis).toBeNull();
  });

  it('passes URLs on, and none as null', () => {
    const env = { FOREBAY_DATABASE_URL: 'postgres://h/db', FOREBAY_REDIS_URL: 'none', FOREBAY_FIXED_TTL_MS: '10s' };
    const options = toForebayOptions(loadConfig({ env, cwd: dir }), { logger: silentLogger, embeddedRedisUrl: 'unix:/r.sock' });
    expect(options).toMatchObject({ database: 'postgres://h/db', redis: null, ttl: { fixedMs: 10_000 } });
  });

  it('passes on how fresh records have to be, who moves changes, and how much is audited', () => {
    const freshness = (env: Record<string, string>): object => {
      const { maxStalenessMs, staleIfErrorMs, relay, auditPerSecond } = toForebayOptions(loadConfig({ env, cwd: dir }), {
        logger: silentLogger,
      });
      return { maxStalenessMs, staleIfErrorMs, relay, auditPerSecond };
    };
    expect(freshness({})).toEqual({ maxStalenessMs: 1000, staleIfErrorMs: 0, relay: 'always', auditPerSecond: 0 });
    const env = {
      FOREBAY_MAX_STALENESS_MS: '250ms',
      FOREBAY_STALE_IF_ERROR_MS: '1d',
      FOREBAY_RELAY: 'never',
      FOREBAY_AUDIT_PER_SECOND: '1000',
    };
    expect(freshness(env)).toEqual({ maxStalenessMs: 250, staleIfErrorMs: 86_400_000, relay: 'never', auditPerSecond: 1000 });
  });

  it('passes on from when on alerts are told', () => {
    const { alerts } = toForebayOptions(loadConfig({ env: {}, cwd: dir }), { logger: silentLogger });
    const byDefault = resolveAlertOptions({}, 1000).thresholds;
    expect(resolveAlertOptions(alerts ?? {}, 1000).thresholds).toEqual(byDefault);
    const env = {
      FOREBAY_ALERT_INSTANCE: 'files-3',
      FOREBAY_ALERT_REDIS_DOWN_MS: '1s',
      FOREBAY_ALERT_BREAKER_OPEN_MS: '2s',
      FOREBAY_ALERT_BOUND_EXCEEDED_MS: '3s',
      FOREBAY_ALERT_OUTBOX_DEPTH: '4',
      FOREBAY_ALERT_DATABASE_WAITING: '5',
      FOREBAY_ALERT_OUTBOX_DEEP_MS: '7s',
      FOREBAY_ALERT_DATABASE_OVERLOAD_MS: '8s',
      FOREBAY_ALERT_CLEAR_MS: '6s',
    };
    expect(toForebayOptions(loadConfig({ env, cwd: dir }), { logger: silentLogger }).alerts).toEqual({
      instance: 'files-3',
      redisDownMs: 1000,
      breakerOpenMs: 2000,
      boundExceededMs: 3000,
      outboxDepth: 4,
      databaseWaiting: 5,
      outboxDeepMs: 7000,
      databaseOverloadMs: 8000,
      clearMs: 6000,
    });
  });

  it('passes on whether to warm, and how much is remembered for it', () => {
    const warmth = (env: Record<string, string>): object => {
      const { warm, popularRows } = toForebayOptions(loadConfig({ env, cwd: dir }), { logger: silentLogger });
      return { warm, popularRows };
    };
    expect(warmth({})).toEqual({ warm: 'background', popularRows: 100_000 });
    expect(warmth({ FOREBAY_WARM: 'blocking', FOREBAY_POPULAR_ROWS: '0' })).toEqual({ warm: 'blocking', popularRows: 0 });
  });
});
