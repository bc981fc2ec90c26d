import type { RedisOptions } from 'ioredis';
import { Redis } from 'ioredis';
import type { Chance } from '../core/random.ts';
import { parseRedisUrl } from './url.ts';

export interface ConnectionOptions {
  readonly url: string;
  /** Names the connection in `CLIENT LIST`. */
  readonly name: string;
  /** Longest wait for a connection, in ms. @defaultValue 2,000 */
  readonly connectTimeoutMs?: number;
  /** A connection on which commands wait so long without a byte is given up as frozen, in ms. @defaultValue 3,000 */
  readonly frozenAfterMs?: number;
  readonly chance: Chance;
}

const RETRY_BASE_MS = 50;
const RETRY_CAP_MS = 2000;
const RETRY_LEAST_MS = 20;

/**
 * Opens one connection, in the background: a server that is away is tried again for ever, after `random * min(2 s, 50 ms * 2^n)` (exponential back-off with full jitter), so that a fleet does not
 * come back in step. Commands fail at once while there is no connection (nothing is queued) and when it is lost (nothing is sent twice).
 */
export function openConnection(options: ConnectionOptions): Redis {
  const settings = {
    ...parseRedisUrl(options.url),
    connectionName: options.name,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: options.connectTimeoutMs ?? 2000,
    socketTimeout: options.frozenAfterMs ?? 3000,
    keepAlive: 10_000,
    noDelay: true,
    retryStrategy: (attempt: number) =>
      RETRY_LEAST_MS + options.chance.random() * Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 16)),
    // A former primary that became a replica answers READONLY: the address may lead to the new one by now.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
  const client = new Redis(settings);
  // Without a listener an error event would end the process; states are told by 'ready' and 'close'.
  client.on('error', () => {});
  client.connect().catch(() => {});
  return client;
}

/** Ends a connection for good; does not wait for a server that does not answer. */
export function closeConnection(client: Redis): void {
  client.disconnect();
}
