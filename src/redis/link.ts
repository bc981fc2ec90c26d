import type { Redis } from 'ioredis';
import type { BreakerChange } from '../cache/breaker-types.ts';
import type { HealthFinding } from '../cache/health-types.ts';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import type { Chance } from '../core/random.ts';
import { systemChance } from '../core/random.ts';
import type { BreakerOptions } from './breaker-options.ts';
import { resolveBreakerOptions } from './breaker-options.ts';
import { Breaker } from './breaker.ts';
import type { ConnectionOptions, Endpoint } from './connection.ts';
import { closeConnection, hurryConnection, openConnection } from './connection.ts';
import type { RedisAddress, RedisServer } from './server-address.ts';
import { parseRedisServer } from './server-address.ts';

/** What every tier on Redis is told. */
export interface RedisOptions {
  /** Where Redis is: a URL, or a URL with what goes with it. */
  readonly url: string | RedisServer;
  /** Put before every key and the channel, so that several deployments can share a Redis: at most 256 characters, no braces. @defaultValue '' */
  readonly keyPrefix?: string;
  /** The staleness bound, in ms: the bus is asked for an echo four times as often. @defaultValue 1,000 */
  readonly maxStalenessMs?: number;
  /** Told of each change of the connection between up and down, with the reason. */
  readonly onStateChange?: (state: 'up' | 'down', reason: string) => void;
  /** When the breaker opens and closes. @defaultValue as in docs/breaker.md */
  readonly breaker?: Partial<BreakerOptions>;
  /** Told of each change of the breaker. */
  readonly onBreakerChange?: (change: BreakerChange) => void;
  /** Told of each change of a node of a Cluster between up and down. */
  readonly onNodeChange?: (node: string, state: 'up' | 'down', reason: string) => void;
  /** Told once of each setting or state of a server that endangers a promise. */
  readonly onFinding?: (finding: HealthFinding) => void;
  readonly clock?: Clock;
  readonly chance?: Chance;
  /** Opens each of the two connections. @defaultValue `openConnection` */
  readonly connect?: (options: ConnectionOptions) => Redis;
}

/** In a Cluster the first braces of a name say which slot it has, and those are ours. */
const PREFIX = /^[^{}]{0,256}$/;

/**
 * Where a tier's options lead; all that can be wrong with them is told here, before anything is opened: links to the nodes of a Cluster are opened later, when nobody waits for them.
 * @throws {ForebayError} `CONFIG_INVALID`
 */
export function addressOf({ url, breaker, keyPrefix = '' }: RedisOptions): RedisAddress {
  resolveBreakerOptions(breaker);
  checkPrefix(keyPrefix);
  return parseRedisServer(url);
}

function checkPrefix(given: unknown): void {
  if (typeof given === 'string' && PREFIX.test(given)) return;
  const shown = String(given).slice(0, 80);
  throw new ForebayError('CONFIG_INVALID', `keyPrefix = ${shown}: has to be a text of at most 256 characters without { and }`, {
    field: 'keyPrefix',
  });
}

/** What a link is told besides where it leads. */
export interface LinkOptions extends Omit<RedisOptions, 'url'> {
  /** Told of each error that the server answered with. */
  readonly onReplyError?: (error: Error) => void;
  /** Asks a server whose breaker is not closed whether calls would be answered; rejects if not. @defaultValue PING */
  readonly probe?: (client: Redis) => Promise<unknown>;
}

/** The connections of one tier to one server, a few for commands, behind a breaker, and one for the bus; and each change of the first between up and down, told once: they are up while one of them is. */
export class RedisLink {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly prefix: string;
  readonly boundMs: number;
  /** Lets commands pass, or not. Each of them has to ask it. */
  readonly breaker: Breaker;
  /** Resolves when the first try to connect has come to an end, good or bad. */
  readonly connected: Promise<void>;
  readonly #open: (name: string) => Redis;
  readonly #clients: readonly Redis[];
  readonly #subscribers = new Set<Redis>();
  readonly #onUp: (() => void)[] = [];
  #turn = 0;
  #told: 'up' | 'down' | null = null;
  #closed = false;

  constructor(options: LinkOptions, endpoint: Endpoint) {
    this.clock = options.clock ?? systemClock;
    this.chance = options.chance ?? systemChance;
    this.prefix = options.keyPrefix ?? '';
    this.boundMs = options.maxStalenessMs ?? 1000;
    const { connect = openConnection, onStateChange = () => {}, breaker, onBreakerChange, probe = (client) => client.ping() } = options;
    this.#open = (name) =>
      connect({
        endpoint,
        name,
        chance: this.chance,
        ...(options.onReplyError === undefined ? {} : { onReplyError: options.onReplyError }),
      });
    this.#clients = Array.from({ length: endpoint.tuning.connections }, () => this.#open('forebay'));
    this.breaker = new Breaker({
      clock: this.clock,
      chance: this.chance,
      probe: () => (this.connection === 'up' ? probe(this.client) : null),
      ...(onBreakerChange === undefined ? {} : { onChange: onBreakerChange }),
      ...(breaker === undefined ? {} : { options: breaker }),
    });
    const tellIfUp = (): void => {
      if (this.state === 'up') for (const listener of this.#onUp) listener();
    };
    this.breaker.listen(tellIfUp);
    let lastError = 'the connection was closed';
    const tell = (state: 'up' | 'down', reason: string): void => {
      if (this.#told === state || this.#closed) return;
      this.#told = state;
      onStateChange(state, reason);
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connected = promise;
    for (const client of this.#clients) {
      client.on('ready', () => {
        resolve();
        tell('up', 'connected');
        this.breaker.hurry();
        tellIfUp();
      });
      // Sentinels that are all away end no connection, since there is none yet: they are told of as errors only.
      client.on('error', (error: Error) => {
        lastError = error.message;
        resolve();
        if (this.connection === 'down') tell('down', lastError);
      });
      client.on('close', () => {
        resolve();
        if (this.connection === 'down') tell('down', lastError);
      });
    }
  }

  /** A connection for the next commands: of those that are ready, one after the other. */
  get client(): Redis {
    const { length } = this.#clients;
    this.#turn = (this.#turn + 1) % length;
    for (let i = 0; i < length; i += 1) {
      const client = this.#clients[(this.#turn + i) % length];
      if (client?.status === 'ready') return client;
    }
    return this.#clients[this.#turn] as Redis;
  }

  /** Whether there is a connection. */
  get connection(): 'up' | 'down' {
    return this.#clients.some(({ status }) => status === 'ready') ? 'up' : 'down';
  }

  /** Whether commands can be sent now: there is a connection, and the breaker lets them pass. */
  get state(): 'up' | 'down' {
    return this.connection === 'up' && this.breaker.state === 'closed' ? 'up' : 'down';
  }

  /** One more connection, for the bus; closed with the link, or before. */
  openSubscriber(): Redis {
    const subscriber = this.#open('forebay-bus');
    this.#subscribers.add(subscriber);
    return subscriber;
  }

  closeSubscriber(subscriber: Redis): void {
    this.#subscribers.delete(subscriber);
    closeConnection(subscriber);
  }

  /** Called whenever commands can be sent again. */
  onUp(listener: () => void): void {
    this.#onUp.push(listener);
  }

  /** Tries at once what is away, instead of after its delay. */
  probe(): void {
    for (const client of [...this.#clients, ...this.#subscribers]) hurryConnection(client);
    this.breaker.probe();
  }

  close(): void {
    this.#closed = true;
    this.breaker.end();
    for (const client of this.#clients) closeConnection(client);
    for (const subscriber of this.#subscribers) closeConnection(subscriber);
  }
}
