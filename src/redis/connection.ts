import type { RedisOptions } from 'ioredis';
import { Redis } from 'ioredis';
import type { Chance } from '../core/random.ts';
import type { RedisAddress } from './server-address.ts';

/** Where one connection leads: a server, or whatever the Sentinels say is the primary. */
export type Endpoint = Exclude<RedisAddress, { readonly kind: 'cluster' }>;

export interface ConnectionOptions {
  readonly endpoint: Endpoint;
  /** Names the connection in `CLIENT LIST`. */
  readonly name: string;
  readonly chance: Chance;
  /** Told of each error that the server answered with. */
  readonly onReplyError?: (error: Error) => void;
  /** Stays with a server that says that it is a replica, or loads its data: for whoever wants to know what it is. @defaultValue false */
  readonly stays?: boolean;
}

type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

const RETRY_BASE_MS = 50;
const RETRY_CAP_MS = 2000;
const RETRY_LEAST_MS = 20;
/** A Sentinel that accepts and never answers is passed over after so long. */
const SENTINEL_ANSWER_MS = 1000;

/** How the client is told to begin anew: a former primary that became a replica (READONLY, MASTERDOWN), or one that reads its data (LOADING). The address may lead to another one by now. */
const ELSEWHERE = /^(READONLY|MASTERDOWN|LOADING)\b/;

/**
 * Opens one connection, in the background: a server that is away is tried again for ever, after `random * min(2 s, 50 ms * 2^n)` (exponential back-off with full jitter), so that a fleet does not
 * come back in step. Commands fail at once while there is no connection (nothing is queued) and when it is lost (nothing is sent twice).
 */
export function openConnection({ endpoint, name, chance, onReplyError = () => {}, stays = false }: ConnectionOptions): Redis {
  const { tuning, login, tls } = endpoint;
  const backOff = (attempt: number): number =>
    RETRY_LEAST_MS + chance.random() * Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 16));
  const settings: ClientOptions = {
    ...place(endpoint, backOff),
    ...login,
    ...(tls === null ? {} : { tls: { ...(endpoint.kind === 'standalone' ? { servername: endpoint.host } : {}), ...tls } }),
    db: endpoint.db,
    connectionName: name,
    // Its own name and version, which a server of before 7.2 does not know how to take, and an ACL user may have no right to tell.
    disableClientInfo: true,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // A server that still reads its data is tried again soon, not after the time that it thinks it takes.
    maxLoadingRetryTime: RETRY_CAP_MS,
    connectTimeout: tuning.connectTimeoutMs,
    socketTimeout: tuning.frozenAfterMs,
    keepAlive: tuning.keepAliveMs,
    noDelay: true,
    retryStrategy: backOff,
    reconnectOnError: (error: Error) => {
      onReplyError(error);
      return !stays && ELSEWHERE.test(error.message);
    },
  };
  const client = new Redis(settings);
  // Without a listener an error event would end the process; states are told by 'ready' and 'close'.
  client.on('error', () => {});
  client.connect().catch(() => {});
  return client;
}

function place(endpoint: Endpoint, backOff: (attempt: number) => number): ClientOptions {
  switch (endpoint.kind) {
    case 'standalone':
      return { host: endpoint.host, port: endpoint.port };
    case 'socket':
      return { path: endpoint.path };
    case 'sentinel': {
      const { username, password } = endpoint.sentinelLogin;
      return {
        sentinels: endpoint.sentinels.map(({ host, port }) => ({ host, port })),
        name: endpoint.master,
        role: 'master',
        natMap: endpoint.natMap,
        ...(username === undefined ? {} : { sentinelUsername: username }),
        ...(password === undefined ? {} : { sentinelPassword: password }),
        ...(endpoint.tls === null ? {} : { sentinelTLS: { ...endpoint.tls }, enableTLSForSentinelMode: true }),
        sentinelCommandTimeout: SENTINEL_ANSWER_MS,
        // Must always be a number: without one the client gives up for good.
        sentinelRetryStrategy: backOff,
      };
    }
    default:
      return endpoint satisfies never;
  }
}

/**
 * Tries now what would be tried after a delay. The client has no word for it: a `connect` of one's own would leave the delay running, which after the end of the connection would open it again. Where its timer is not
 * found, the delay is waited for, two seconds at most.
 */
export function hurryConnection(client: Redis): void {
  const waiting = client as unknown as { reconnectTimeout?: NodeJS.Timeout | null };
  if (client.status !== 'reconnecting' || waiting.reconnectTimeout === undefined || waiting.reconnectTimeout === null) return;
  clearTimeout(waiting.reconnectTimeout);
  waiting.reconnectTimeout = null;
  client.connect().catch(() => {});
}

/** Ends a connection for good; does not wait for a server that does not answer. */
export function closeConnection(client: Redis): void {
  client.disconnect();
}
