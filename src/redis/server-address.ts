import { readFileSync } from 'node:fs';
import { ForebayError } from '../core/errors.ts';

/** Where Redis is and how to log in, for what a URL cannot say or should not hold. */
export interface RedisServer {
  /**
   * - `redis://user:password@host:6379/0`, with TLS `rediss://…`
   * - `redis+sentinel://host1:26379,host2/master/0`: the primary that these Sentinels name `master`; with TLS `rediss+sentinel://…`
   * - `redis+cluster://host1:6379,host2`: a Cluster, found through any of these nodes; with TLS `rediss+cluster://…`
   * - `unix:/path/to/socket?db=0`
   *
   * Each other field of this object may be a parameter of the URL instead: `?passwordFile=/run/secrets/redis&connections=2`.
   */
  readonly url: string;
  /** ACL user. @defaultValue that of the URL, else the server's `default` */
  readonly username?: string;
  readonly password?: string;
  /** A file with the password in its first line; read when the connection is set up. */
  readonly passwordFile?: string;
  /** Log-in of the Sentinels themselves, which have users of their own. */
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  readonly sentinelPasswordFile?: string;
  /** PEM file of the authorities that may have signed the server's certificate. @defaultValue those of the system */
  readonly caFile?: string;
  /** PEM files of our own certificate and its key, for servers that ask for one (`tls-auth-clients yes`). */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The name that the certificate has to be for, and that is sent to the server (SNI). @defaultValue the host */
  readonly servername?: string;
  /**
   * Where servers are reached that Sentinels or a Cluster announce at an address of their own network: `{ '10.0.0.1:6379': 'redis.example.com:17001' }`; in a URL
   * `natMap=10.0.0.1:6379=redis.example.com:17001,…`. Sentinels and replicas belong in it too. An address that is not in it is used as it is.
   */
  readonly natMap?: Readonly<Record<string, string>> | string;
  /** Multiplexed connections for commands, to each node, 1 to 64; one more is for the bus. @defaultValue 1 */
  readonly connections?: number;
  /** Longest wait for a connection in ms, 10 to 60,000. @defaultValue 2,000 */
  readonly connectTimeoutMs?: number;
  /** A connection on which commands wait so long without a byte is given up as frozen, in ms, 100 to 60,000. @defaultValue 3,000 */
  readonly frozenAfterMs?: number;
  /** TCP keepalive: idle time before the first probe, in ms, 0 (off) to 3,600,000. @defaultValue 10,000 */
  readonly keepAliveMs?: number;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface Login {
  readonly username?: string;
  readonly password?: string;
}

/** TLS material, read from its files. */
export interface Tls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}

export interface Tuning {
  readonly connections: number;
  readonly connectTimeoutMs: number;
  readonly frozenAfterMs: number;
  readonly keepAliveMs: number;
}

/** By an address as servers announce it (`10.0.0.1:6379`): where it is reached. */
export type NatMap = Readonly<Record<string, HostPort>>;

interface Shared {
  readonly login: Login;
  /** `null`: in the clear. */
  readonly tls: Tls | null;
  readonly tuning: Tuning;
}

/** An address that was understood and checked; files are read. */
export type RedisAddress = Shared &
  (
    | ({ readonly kind: 'standalone'; readonly db: number } & HostPort)
    | { readonly kind: 'socket'; readonly path: string; readonly db: number }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly HostPort[];
        readonly master: string;
        readonly db: number;
        readonly sentinelLogin: Login;
        readonly natMap: NatMap;
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly HostPort[]; readonly natMap: NatMap }
  );

const FORMS = 'give redis://HOST:PORT, redis+sentinel://HOST,HOST/MASTER, redis+cluster://HOST,HOST (rediss… with TLS) or unix:/PATH';
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const MAX_HOSTS = 64;
const MAX_ANNOUNCED = 2000;
const NAT_FORM =
  '"natMap" must be { "HOST:PORT": "HOST:PORT" } or, in a URL, HOST:PORT=HOST:PORT,…: the address that is announced, and where it is reached';
const MAX_DATABASE = 65_535;

const TEXTS = [
  'username',
  'password',
  'passwordFile',
  'sentinelUsername',
  'sentinelPassword',
  'sentinelPasswordFile',
  'caFile',
  'certFile',
  'keyFile',
  'servername',
] as const;
type TextName = (typeof TEXTS)[number];
/** Default, least and most of each. */
const NUMBERS = {
  // One keeps a process of one thread as busy as more do: docs/redis.md has the measurement.
  connections: [1, 1, 64],
  // An address that nobody answers costs a failover this long; a connection across a continent takes a tenth of it.
  connectTimeoutMs: [2000, 10, 60_000],
  // Longer than any pause that a healthy server makes (a fork, a slow script), and short enough for a frozen primary to be left before its failover has ended.
  frozenAfterMs: [3000, 100, 60_000],
  // A firewall that forgets idle connections does so after minutes.
  keepAliveMs: [10_000, 0, 3_600_000],
} as const satisfies Record<keyof Tuning, readonly [number, number, number]>;

const URL_FORM = /^(rediss?)(\+sentinel|\+cluster)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const SOCKET_FORM = /^unix:(?:\/\/)?(?:([^@/?#]*)@)?(\/[^?#]*)(?:\?([^#]*))?$/;

/**
 * Understands a URL, or a URL and what goes with it.
 * @throws {ForebayError} `CONFIG_INVALID`: what is wrong, without any password.
 */
export function parseRedisServer(given: string | RedisServer): RedisAddress {
  return parse(given, readSetting);
}

/** Whether this is a URL that `parseRedisServer` understands; files that it names are not looked for. */
export function isRedisUrl(url: string): boolean {
  try {
    parse(url, () => Buffer.from('unread'));
    return true;
  } catch {
    return false;
  }
}

type ReadFile = (path: string, name: string) => Buffer;

function parse(given: string | RedisServer, read: ReadFile): RedisAddress {
  const { url, ...fields } = typeof given === 'string' ? { url: given } : given;
  const socket = SOCKET_FORM.exec(url);
  if (socket !== null) {
    const [, userInfo, path = '', query] = socket;
    const { db = '', ...parameters } = parametersOf(query);
    const settings = settle(userInfo, parameters, fields, read);
    if (settings.tls !== null) throw invalid('TLS files go with rediss://, not with a Unix socket; leave them out');
    return { kind: 'socket', path: decode(path), db: database(db), ...withoutNat(withoutSentinel(settings)) };
  }
  const [, scheme = '', topology = '', userInfo, hosts = '', rest = '', query] = URL_FORM.exec(url) ?? [];
  if (scheme === '') throw invalid(`the Redis URL is none that is known; ${FORMS}`);
  const settings = settle(userInfo, parametersOf(query), fields, read);
  if (settings.tls !== null && scheme === 'redis')
    throw invalid(`TLS files are given, and the URL begins with "${scheme}${topology}:"; write "rediss${topology}:"`);
  const tls = scheme === 'rediss' ? (settings.tls ?? {}) : null;
  const path = rest.replace(/^\//, '').split('/').map(decode);
  switch (topology) {
    case '+sentinel': {
      const [master = '', db = '', ...more] = path;
      if (master === '' || more.length > 0)
        throw invalid('the URL of Sentinels has to name the master they watch: redis+sentinel://HOST,HOST/MASTER or …/MASTER/DB');
      const { sentinelLogin, ...shared } = settings;
      return { kind: 'sentinel', sentinels: hostsOf(hosts, SENTINEL_PORT), master, db: database(db), sentinelLogin, ...shared, tls };
    }
    case '+cluster':
      if (path.join('') !== '') throw invalid('a Cluster has one database, 0; leave out what follows the hosts');
      return { kind: 'cluster', nodes: hostsOf(hosts, REDIS_PORT), ...withoutSentinel(settings), tls };
    default: {
      const [first = { host: '127.0.0.1', port: REDIS_PORT }, ...others] = hosts === '' ? [] : hostsOf(hosts, REDIS_PORT);
      if (others.length > 0) throw invalid('several hosts go with redis+sentinel:// or redis+cluster://; redis:// takes one');
      if (path.length > 1) throw invalid('what follows the host is the number of a database: redis://HOST:PORT/0');
      return { kind: 'standalone', ...first, db: database(path[0] ?? ''), ...withoutNat(withoutSentinel(settings)), tls };
    }
  }
}

/** The address in words for logs: no user, no password, no parameters. */
export function describeAddress(address: RedisAddress): string {
  const list = (hosts: readonly HostPort[]): string =>
    hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  switch (address.kind) {
    case 'standalone':
      return list([address]);
    case 'socket':
      return `unix:${address.path}`;
    case 'sentinel':
      return `${address.master} at the Sentinels ${list(address.sentinels)}`;
    case 'cluster':
      return `the Cluster at ${list(address.nodes)}`;
    default:
      return address satisfies never;
  }
}

interface Announced extends Shared {
  readonly natMap: NatMap;
}

interface Settled extends Announced {
  readonly sentinelLogin: Login;
}

/** Puts together what the URL and the object say; what both say is refused, since nobody can tell which is meant. */
function settle(
  userInfo: string | undefined,
  parameters: Readonly<Record<string, string>>,
  fields: Omit<RedisServer, 'url'>,
  read: ReadFile,
): Settled {
  const inUrl: Record<string, string> = { ...parameters };
  const [user = '', ...password] = (userInfo ?? '').split(':');
  if (user !== '') inUrl.username = decode(user);
  if (password.length > 0) inUrl.password = decode(password.join(':'));
  const known: readonly string[] = [...TEXTS, 'natMap', ...Object.keys(NUMBERS)];
  const all: Record<string, unknown> = { ...inUrl };
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (name in inUrl) throw invalid(`"${name}" is in the URL and beside it; leave one out`);
    all[name] = value;
  }
  for (const name of Object.keys(all))
    if (!known.includes(name)) throw invalid(`"${name}" is no setting of a Redis connection; there are ${known.join(', ')}`);
  const text = (name: TextName): string | undefined => {
    const value = all[name];
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw invalid(`"${name}" must be a text that is not empty`);
    return value;
  };
  const login = (userName: TextName, passwordName: TextName, fileName: TextName): Login => {
    const file = text(fileName);
    if (file !== undefined && text(passwordName) !== undefined)
      throw invalid(`"${passwordName}" and "${fileName}" are both given; leave one out`);
    const username = text(userName);
    const secret = file === undefined ? text(passwordName) : firstLine(read(file, fileName), file, fileName);
    if (username !== undefined && secret === undefined) throw invalid(`"${userName}" needs "${passwordName}" or "${fileName}"`);
    return { ...(username === undefined ? {} : { username }), ...(secret === undefined ? {} : { password: secret }) };
  };
  const file = (name: TextName): Buffer | undefined => {
    const path = text(name);
    return path === undefined ? undefined : read(path, name);
  };
  const material = { ca: file('caFile'), cert: file('certFile'), key: file('keyFile'), servername: text('servername') };
  if ((material.cert === undefined) !== (material.key === undefined)) throw invalid('"certFile" and "keyFile" go together; give both');
  const given = Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined)) as Tls;
  return {
    login: login('username', 'password', 'passwordFile'),
    sentinelLogin: login('sentinelUsername', 'sentinelPassword', 'sentinelPasswordFile'),
    tls: Object.keys(given).length === 0 ? null : given,
    natMap: natMapOf(all.natMap),
    tuning: {
      connections: numberOf(all, 'connections'),
      connectTimeoutMs: numberOf(all, 'connectTimeoutMs'),
      frozenAfterMs: numberOf(all, 'frozenAfterMs'),
      keepAliveMs: numberOf(all, 'keepAliveMs'),
    },
  };
}

function withoutNat({ natMap, ...shared }: Announced): Shared {
  if (Object.keys(natMap).length > 0)
    throw invalid('"natMap" goes with redis+sentinel:// or redis+cluster://, whose servers announce addresses; leave it out');
  return shared;
}

function withoutSentinel({ sentinelLogin, ...shared }: Settled): Announced {
  if (Object.keys(sentinelLogin).length > 0) throw invalid('a log-in of Sentinels goes with redis+sentinel:// only; leave it out');
  return shared;
}

function numberOf(all: Readonly<Record<string, unknown>>, name: keyof typeof NUMBERS): number {
  const [usual, least, most] = NUMBERS[name];
  const value = all[name] ?? usual;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most)
    throw invalid(`"${name}" must be a whole number from ${least} to ${most}`);
  return number;
}

function natMapOf(given: unknown = {}): NatMap {
  if (typeof given !== 'string' && (typeof given !== 'object' || given === null)) throw invalid(NAT_FORM);
  const pairs: unknown[][] = typeof given === 'string' ? given.split(',').map((pair) => pair.split('=')) : Object.entries(given);
  const found: Record<string, HostPort> = {};
  for (const pair of pairs) {
    const [announced, reached] = pair.map((one) => (typeof one === 'string' ? hostsOf(one, REDIS_PORT)[0] : undefined));
    if (announced === undefined || reached === undefined || pair.length > 2) throw invalid(NAT_FORM);
    found[`${announced.host}:${announced.port}`] = reached;
  }
  const { length } = Object.keys(found);
  if (length > MAX_ANNOUNCED) throw invalid(`"natMap" has ${length} addresses; ${MAX_ANNOUNCED} are the most`);
  return found;
}

function hostsOf(text: string, usualPort: number): HostPort[] {
  const hosts = text.split(',').map((one): HostPort => {
    const [, bracketed, plain = '', port = ''] = /^(?:\[([\da-fA-F:.]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(one) ?? [];
    const host = bracketed ?? decode(plain);
    const number = port === '' ? usualPort : Number(port);
    if (host === '' || number < 1 || number > 65_535) throw invalid(`"${one}" is not HOST or HOST:PORT; ${FORMS}`);
    return { host, port: number };
  });
  if (hosts.length > MAX_HOSTS)
    throw invalid(`${hosts.length} hosts are given; ${MAX_HOSTS} are the most, and a few are enough to find the others`);
  return hosts;
}

function parametersOf(query: string | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query ?? '')) {
    if (name in found) throw invalid(`"${name}" is in the URL twice`);
    found[name] = value;
  }
  return found;
}

function database(text: string): number {
  if (!/^\d{0,5}$/.test(text) || Number(text) > MAX_DATABASE)
    throw invalid(`"${text}" is not the number of a Redis database; give redis://HOST:PORT/0`);
  return Number(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('a "%" in the Redis URL is not followed by two digits; write "%25" for the sign itself');
  }
}

function firstLine(bytes: Buffer, path: string, name: string): string {
  const line = bytes.toString('utf8').split(/\r?\n/, 1)[0] ?? '';
  if (line === '') throw invalid(`the first line of the file "${path}" ("${name}") is empty`);
  return line;
}

function readSetting(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ForebayError('CONFIG_INVALID', `the file "${path}" ("${name}") cannot be read: ${(cause as Error).message}`, {
      field: 'redis',
      cause,
    });
  }
}

function invalid(message: string): ForebayError {
  return new ForebayError('CONFIG_INVALID', message, { field: 'redis' });
}
