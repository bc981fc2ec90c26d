import type { Redis } from 'ioredis';
import type { LogTags } from '../../src/cache/log-tags.ts';
import type { RedisOptions } from '../../src/redis/link.ts';
import { createRedisLogStore } from '../../src/redis/log-store.ts';
import type { RedisTierOptions } from '../../src/redis/remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import type { Moment } from './memory-connection.ts';
import { MemoryConnection } from './memory-connection.ts';
import { MemoryRedis } from './memory-redis.ts';

export interface MemoryServerOptions {
  /** The server's clock, in ms. @defaultValue the system's */
  readonly now?: () => number;
  /**
   * Told of each moment that became possible on a connection. The default lets it happen in the next turn of the event loop; a test that wants another order keeps quiet and calls `step` itself.
   */
  readonly onMoment?: (connection: MemoryConnection, moment: Moment) => void;
  /** Written on each delivery when it is sent, for `MemoryConnection.received`. */
  readonly mark?: () => number;
}

/** A server that memory tiers share: data and clients' connections, to be lost, held up and brought back. */
export class MemoryServer {
  readonly redis: MemoryRedis;
  readonly connections: MemoryConnection[] = [];
  readonly #onMoment: (connection: MemoryConnection, moment: Moment) => void;
  readonly #mark: (() => number) | undefined;
  readonly #held: (() => void)[] = [];
  #state: 'up' | 'frozen' | 'away' = 'up';

  constructor(options: MemoryServerOptions = {}) {
    this.redis = new MemoryRedis(options.now ?? (() => Date.now()));
    this.#mark = options.mark;
    this.#onMoment = options.onMoment ?? ((connection, moment) => void setImmediate(() => this.#let(connection, moment)));
  }

  connect(name: string): MemoryConnection {
    const { onMoment, mark } = { onMoment: this.#onMoment, mark: this.#mark };
    const connection = new MemoryConnection(this.redis, name, mark === undefined ? { onMoment } : { onMoment, mark });
    this.connections.push(connection);
    return connection;
  }

  /** Keeps its connections and answers nothing. */
  freeze(): void {
    this.#state = 'frozen';
  }

  thaw(): void {
    this.#state = 'up';
    for (const run of this.#held.splice(0)) setImmediate(run);
  }

  /** Ends with all that it holds; nobody can connect until `start`. */
  kill(): void {
    this.#state = 'away';
    this.redis.flush();
    this.redis.forgetScripts();
    for (const connection of this.connections) connection.cut();
  }

  start(): void {
    this.thaw();
  }

  #let(connection: MemoryConnection, moment: Moment): void {
    const stuck = this.#state === 'frozen' ? moment !== 'deliver' : this.#state === 'away' && moment === 'connect';
    if (stuck) this.#held.push(() => this.#let(connection, moment));
    else connection.step(moment);
  }
}

/** The two connections of a tier or a store, every moment of which can be scheduled. */
export interface MemoryLines {
  readonly commands: MemoryConnection;
  readonly bus: MemoryConnection;
}

/** A remote tier on the memory server: the real tier's own code. */
export function createMemoryTier(
  server: MemoryServer,
  options: Omit<RedisTierOptions, 'url' | 'connect'> = {},
): MemoryLines & { readonly tier: ReturnType<typeof createRedisTier> } {
  const { made, lines } = connecting(server, (connect) => createRedisTier({ ...options, url: 'redis://memory', connect }));
  return { tier: made, ...lines };
}

/** A store that follows a log, on the memory server: the real store's own code. */
export function createMemoryLogStore(
  server: MemoryServer,
  options: Omit<RedisOptions, 'url' | 'connect'>,
  tags: LogTags,
): MemoryLines & { readonly store: ReturnType<typeof createRedisLogStore> } {
  const { made, lines } = connecting(server, (connect) => createRedisLogStore({ ...options, url: 'redis://memory', connect }, tags));
  return { store: made, ...lines };
}

function connecting<T>(
  server: MemoryServer,
  make: (connect: NonNullable<RedisOptions['connect']>) => T,
): { readonly made: T; readonly lines: MemoryLines } {
  const opened: MemoryConnection[] = [];
  const made = make(({ name }) => {
    const connection = server.connect(name);
    opened.push(connection);
    return connection as unknown as Redis;
  });
  const [commands, bus] = opened as [MemoryConnection, MemoryConnection];
  return { made, lines: { commands, bus } };
}
