import { isIP } from 'node:net';
import { isWebhookUrl } from '../../alerts/options.ts';
import type { Kind } from './kinds.ts';
import { duration, durationOr, integer, oneOf, optionalText, proxies, redisServer, size, text, url, yesNo } from './kinds.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** One setting: all that flags, variables, the file, help and the documentation know of it. */
export interface Setting<T> extends Kind<T> {
  readonly description: string;
  readonly defaultValue: T;
  /** What `defaultValue` means, where the value does not say it. */
  readonly defaultText?: string;
  /** `value`: never shown; `url`: the password inside is hidden. */
  readonly secret?: 'value' | 'url';
  /** Under which heading the documentation lists it. */
  readonly group: 'Service' | 'Storage' | 'Cache' | 'HTTP limits' | 'Logs' | 'Alerts';
}

const setting = <T>(
  group: Setting<T>['group'],
  description: string,
  kind: Kind<T>,
  defaultValue: T,
  extra: Pick<Setting<T>, 'secret' | 'defaultText'> = {},
): Setting<T> => Object.freeze({ ...kind, group, description, defaultValue, ...extra });

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i;
const SECRET = { rule: '16 to 512 visible ASCII characters', accepts: (text: string): boolean => /^[\x21-\x7e]{16,512}$/.test(text) };
const PATH = 'a path';
const isPath = (path: string): boolean => path !== '' && !path.includes('\0');

/**
 * Every setting. The key is its name in the file; the flag and the variable follow from it: `bodyLimitBytes` is
 * `--body-limit-bytes` and `FOREBAY_BODY_LIMIT_BYTES`.
 */
export const settings = Object.freeze({
  host: setting(
    'Service',
    'Address to listen on. With one that others can reach, set a token too.',
    text('an IP address or a host name', 'HOST', (host) => isIP(host) !== 0 || HOST.test(host)),
    '127.0.0.1',
  ),
  port: setting('Service', 'Port to listen on; 0 takes any free one.', integer(0, 65_535), 7070),
  token: setting(
    'Service',
    'Bearer token that writes and cache administration must carry. Without one they are open to everyone who can connect.',
    optionalText(SECRET.rule, 'TOKEN', SECRET.accepts),
    null,
    { secret: 'value', defaultText: 'none' },
  ),
  tokenFile: setting(
    'Service',
    'File that holds the token, instead of giving it itself; white space around it is dropped.',
    optionalText(PATH, 'FILE', isPath),
    null,
    { defaultText: 'none' },
  ),
  trustProxy: setting('Service', 'Proxies whose `X-Forwarded-For` is believed for the client address in the logs.', proxies(), false),

  data: setting('Storage', 'Folder of the embedded database and Redis; made if missing.', text(PATH, 'DIR', isPath), '.forebay'),
  databaseUrl: setting(
    'Storage',
    'Postgres to use. `embedded` runs one inside the process, with its files in the data folder.',
    url('"embedded" or a URL such as postgres://user:password@host:5432/name', ['postgres:', 'postgresql:'], ['embedded']),
    'embedded',
    { secret: 'url' },
  ),
  databaseConnections: setting('Storage', 'Connections to Postgres at most.', integer(1, 500), 10),
  redisUrl: setting(
    'Storage',
    'Redis to use, alone, behind Sentinels, or a Cluster. `embedded` starts a private redis-server; `none` runs without.',
    redisServer(['embedded', 'none']),
    'embedded',
    { secret: 'url' },
  ),
  redisMaxBytes: setting('Storage', 'Memory limit (`maxmemory`) of the embedded Redis.', size(4 * MIB, 1024 * GIB), 256 * MIB),
  index: setting('Storage', 'Folder to index before serving.', optionalText(PATH, 'DIR', isPath), null, { defaultText: 'none' }),
  hash: setting('Storage', "Whether indexing reads every file to compute its content's SHA-256.", yesNo(), false),

  keyPrefix: setting(
    'Cache',
    'Put before every key in Redis, so that several services can share one.',
    text('up to 64 letters, digits and the characters _ . : -', 'TEXT', (prefix) => /^[\w.:-]{0,64}$/.test(prefix)),
    '',
    { defaultText: 'empty' },
  ),
  localMaxEntries: setting('Cache', 'Entries kept in process memory at most; 0 keeps none.', integer(0, 50_000_000), 50_000),
  localMaxBytes: setting('Cache', 'Process memory for entries at most.', size(0, 1024 * GIB), 128 * MIB),
  localPolicy: setting('Cache', 'Which entry makes room when process memory is full.', oneOf(['s3fifo', 'lru']), 's3fifo'),
  fixedTtlMs: setting(
    'Cache',
    'Lifetime of entries. `adaptive` chooses by size, frequency and age since the last change.',
    durationOr('adaptive', 1, 30 * DAY_MS),
    'adaptive',
  ),
  maxStalenessMs: setting(
    'Cache',
    'The bound: no read that begins so long after a commit gives an older record. A smaller one asks the database more often what has changed.',
    duration(100, DAY_MS),
    1_000,
  ),
  staleIfErrorMs: setting(
    'Cache',
    'While the database does not answer, records that may be staler than the bound by at most so much are served, marked stale; 0 serves none.',
    duration(0, DAY_MS),
    0,
  ),
  relay: setting(
    'Cache',
    'Whether this process moves changes from the database to Redis and to the others. At least one process has to.',
    oneOf(['always', 'never']),
    'always',
  ),
  warm: setting(
    'Cache',
    'Whether caches are filled with what is popular, at the start and when Redis comes back empty: not at all, while serving, or before serving (for a minute at most).',
    oneOf(['off', 'background', 'blocking']),
    'background',
  ),
  popularRows: setting(
    'Cache',
    'Records of which the database remembers how popular they are: best half of those that Redis can hold. 0 counts none.',
    integer(0, 10_000_000),
    100_000,
  ),
  auditPerSecond: setting('Cache', 'Cached records compared with the database, a second; 0 compares none.', integer(0, 1_000), 0),
  redisBudgetMs: setting('Cache', 'How long one read waits for Redis before it asks the database.', duration(1, 10_000), 50),
  maxConcurrentLoads: setting(
    'Cache',
    'Database loads in flight at once at most; more wait, and past the queue are refused.',
    integer(1, 10_000),
    16,
  ),

  bodyLimitBytes: setting('HTTP limits', 'Largest request body.', size(64 * KIB, 64 * MIB), MIB),
  maxConnections: setting('HTTP limits', 'Open client connections at most; more are closed at once.', integer(1, 1_000_000), 10_000),
  requestTimeoutMs: setting('HTTP limits', 'Time for a client to send a whole request.', duration(1_000, 60 * MINUTE_MS), 30_000),
  handlerTimeoutMs: setting(
    'HTTP limits',
    'Time to answer a request; past it the client gets a 503.',
    duration(100, 60 * MINUTE_MS),
    30_000,
  ),
  keepAliveTimeoutMs: setting(
    'HTTP limits',
    'How long an idle connection is kept. Keep it above that of a load balancer in front.',
    duration(1_000, 60 * MINUTE_MS),
    72_000,
  ),
  shutdownTimeoutMs: setting(
    'HTTP limits',
    'How long closing waits for requests in flight before it cuts them off.',
    duration(0, 60 * MINUTE_MS),
    10_000,
  ),

  logLevel: setting('Logs', 'Least level that is logged.', oneOf(['debug', 'info', 'warn', 'error', 'silent']), 'info'),
  logFormat: setting('Logs', '`auto` is pretty on a terminal and JSON elsewhere.', oneOf(['auto', 'pretty', 'json']), 'auto'),
  logRequests: setting(
    'Logs',
    'Which requests get a line: `failed` are those answered with a status of 400 or above.',
    oneOf(['all', 'failed', 'none']),
    'all',
  ),
  traces: setting(
    'Logs',
    'Whether reads and the work of the relay are told to OpenTelemetry as spans. Needs the package @opentelemetry/api, and an SDK that is started first, as with `node --import`.',
    yesNo(),
    false,
  ),

  alertWebhookUrl: setting(
    'Alerts',
    'Where alerts are posted as JSON. Needs a secret too.',
    optionalText('an http: or https: URL without user and password in it', 'URL', isWebhookUrl),
    null,
    { secret: 'value', defaultText: 'none' },
  ),
  alertWebhookSecret: setting('Alerts', 'Secret with which they are signed.', optionalText(SECRET.rule, 'SECRET', SECRET.accepts), null, {
    secret: 'value',
    defaultText: 'none',
  }),
  alertWebhookSecretFile: setting(
    'Alerts',
    'File that holds the secret, instead of giving it itself; white space around it is dropped.',
    optionalText(PATH, 'FILE', isPath),
    null,
    { defaultText: 'none' },
  ),
  alertInstance: setting(
    'Alerts',
    'Name of this process in alerts.',
    optionalText('1 to 128 visible ASCII characters', 'NAME', (name) => /^[\x21-\x7e]{1,128}$/.test(name)),
    null,
    { defaultText: 'HOST:PID' },
  ),
  alertRedisDownMs: setting('Alerts', 'Alert when Redis cannot be reached for so long.', duration(0, DAY_MS), 10_000),
  alertBreakerOpenMs: setting('Alerts', 'Alert when the breaker keeps calls from Redis for so long.', duration(0, DAY_MS), 10_000),
  alertBoundExceededMs: setting('Alerts', 'Alert when the staleness is beyond the bound for so long.', duration(0, DAY_MS), 5_000),
  alertOutboxDepth: setting('Alerts', 'Alert when more changes than this wait to be told to the caches.', integer(0, 9_999), 1_000),
  alertOutboxDeepMs: setting('Alerts', 'How long the outbox has to stay so deep.', duration(0, DAY_MS), 30_000),
  alertDatabaseWaiting: setting('Alerts', 'Alert when more callers than this wait for the database.', integer(0, 1_000_000), 100),
  alertDatabaseOverloadMs: setting('Alerts', 'How long the database has to stay so busy.', duration(0, DAY_MS), 5_000),
  alertClearMs: setting(
    'Alerts',
    'An alert has to be over for so long before it is told to be; doubled with each time that it fired within the hour.',
    duration(1_000, 60 * MINUTE_MS),
    30_000,
  ),
});

export type SettingName = keyof typeof settings;

/** The effective value of every setting. */
export type Settings = { readonly [N in SettingName]: (typeof settings)[N] extends Setting<infer T> ? T : never };

export const settingNames = Object.freeze(Object.keys(settings) as SettingName[]);

const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`);

/** `bodyLimitBytes` -> `FOREBAY_BODY_LIMIT_BYTES`. */
export const envNameOf = (name: string): string => `FOREBAY_${words(name).toUpperCase()}`;

/** `bodyLimitBytes` -> `--body-limit-bytes`. */
export const flagOf = (name: string): string => `--${words(name).toLowerCase().replaceAll('_', '-')}`;
