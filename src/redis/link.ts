import type { Redis } from 'ioredis';
import type { BreakerChange } from '../cache/breaker-types.ts';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import { systemChance } from '../core/random.ts';
import type { BreakerOptions } from './breaker-options.ts';
import { Breaker } from './breaker.ts';
import type { ConnectionOptions } from './connection.ts';
import { closeConnection, openConnection } from './connection.ts';

/** What every tier on Redis is told. */
export interface RedisOptions {
  /** `redis://…`, `rediss://…` or `unix:/PATH`. */
  readonly url: string;
  /** Put before every key and the channel, so that several deployments can share a Redis. @defaultValue '' */
  readonly keyPrefix?: string;
  /** The staleness bound, in ms: the bus is asked for an echo four times as often. @defaultValue 1,000 */
  readonly maxStalenessMs?: number;
  /** Told of each change of the connection between up and down, with the reason. */
  readonly onStateChange?: (state: 'up' | 'down', reason: string) => void;
  /** When the breaker opens and closes. @defaultValue as in docs/breaker.md */
  readonly breaker?: Partial<BreakerOptions>;
  /** Told of each change of the breaker. */
  readonly onBreakerChange?: (change: BreakerChange) => void;
  readonly clock?: Clock;
  readonly chance?: Chance;
  /** Opens each of the two connections. @defaultValue `openConnection` */
  readonly connect?: (options: ConnectionOptions) => Redis;
}

/** The two connections of one tier, one for commands, behind a breaker, and one for the bus; and each change of the first between up and down, told once. */
export class RedisLink {
  readonly client: Redis;
  readonly subscriber: Redis;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly prefix: string;
  readonly boundMs: number;
  /** Lets the commands of the first connection pass, or not. Each of them has to ask it. */
  readonly breaker: Breaker;
  /** Resolves when the first try to connect has come to an end, good or bad. */
  readonly connected: Promise<void>;
  #told: 'up' | 'down' | null = null;
  #closed = false;

  constructor(options: RedisOptions) {
    this.clock = options.clock ?? systemClock;
    this.chance = options.chance ?? systemChance;
    this.prefix = options.keyPrefix ?? '';
    this.boundMs = options.maxStalenessMs ?? 1000;
    const { connect = openConnection, onStateChange = () => {} } = options;
    const { breaker, onBreakerChange } = options;
    const connection = { url: options.url, chance: this.chance };
    this.client = connect({ ...connection, name: 'forebay' });
    this.subscriber = connect({ ...connection, name: 'forebay-bus' });
    this.breaker = new Breaker({
      clock: this.clock,
      chance: this.chance,
      probe: () => (this.client.status === 'ready' ? this.client.ping() : null),
      ...(onBreakerChange === undefined ? {} : { onChange: onBreakerChange }),
      ...(breaker === undefined ? {} : { options: breaker }),
    });
    this.client.on('ready', () => this.breaker.hurry());
    this.connected = new Promise((resolve) => {
      this.client.once('ready', resolve);
      this.client.once('close', resolve);
    });
    let lastError = 'the connection was closed';
    const tell = (state: 'up' | 'down', reason: string): void => {
      if (this.#told === state || this.#closed) return;
      this.#told = state;
      onStateChange(state, reason);
    };
    this.client.on('ready', () => tell('up', 'connected'));
    this.client.on('error', (error: Error) => {
      lastError = error.message;
    });
    this.client.on('close', () => tell('down', lastError));
  }

  /** Whether commands can be sent now: there is a connection, and the breaker lets them pass. */
  get state(): 'up' | 'down' {
    return this.client.status === 'ready' && this.breaker.state === 'closed' ? 'up' : 'down';
  }

  /** Calls `run` whenever commands can be sent again. */
  onUp(run: () => void): void {
    const runIfUp = (): void => {
      if (this.state === 'up') run();
    };
    this.client.on('ready', runIfUp);
    this.breaker.listen(runIfUp);
  }

  close(): void {
    this.#closed = true;
    this.breaker.end();
    closeConnection(this.client);
    closeConnection(this.subscriber);
  }
}
