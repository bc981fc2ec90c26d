import { EventEmitter } from 'node:events';
import type { MemoryRedis } from './memory-redis.ts';

/** What can happen next on a connection: it is made, the oldest command arrives at the server, or the oldest reply or message arrives here. */
export type Moment = 'connect' | 'arrive' | 'deliver';

interface Command {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Delivery {
  readonly run: () => void;
  readonly lose: (error: Error) => void;
  readonly mark: number;
}

/**
 * A connection to the memory server with the face of the client's that `src/redis` uses. Commands and replies keep their order, as in a socket; when each arrives is somebody else's to say:
 * `onMoment` is told of each moment that became possible, and `step` lets the oldest of its kind happen.
 */
export class MemoryConnection extends EventEmitter {
  readonly name: string;
  readonly #server: MemoryRedis;
  readonly #onMoment: (connection: MemoryConnection, moment: Moment) => void;
  readonly #mark: () => number;
  readonly #toServer: Command[] = [];
  readonly #toClient: Delivery[] = [];
  status: 'connecting' | 'ready' | 'reconnecting' | 'end' = 'connecting';
  /** The server's mark (a count that only it knows the meaning of) when what was received last was sent. */
  received = 0;
  /** So many of the next messages never arrive, as when a server passes them on to nobody while it changes its role. */
  lostMessages = 0;
  readonly #receive = (text: string): void => {
    if (this.lostMessages > 0) this.lostMessages -= 1;
    else this.#send({ run: () => this.emit('message', this.#channel, text), lose: () => {} });
  };
  #channel = '';

  constructor(
    server: MemoryRedis,
    name: string,
    hooks: { onMoment: (connection: MemoryConnection, moment: Moment) => void; mark?: () => number },
  ) {
    super();
    this.name = name;
    this.#server = server;
    this.#onMoment = hooks.onMoment;
    this.#mark = hooks.mark ?? (() => 0);
    this.#onMoment(this, 'connect');
  }

  /** Whether such a moment can happen now. */
  can(moment: Moment): boolean {
    switch (moment) {
      case 'connect':
        return this.status === 'connecting' || this.status === 'reconnecting';
      case 'arrive':
        return this.#toServer.length > 0;
      case 'deliver':
        return this.#toClient.length > 0;
      default:
        return moment satisfies never;
    }
  }

  /** Lets the oldest moment of a kind happen, if there is one. */
  step(moment: Moment): void {
    if (!this.can(moment)) return;
    if (moment === 'connect') {
      this.status = 'ready';
      this.emit('ready');
    } else if (moment === 'arrive') {
      this.#arrive(this.#toServer.shift() as Command);
    } else {
      const delivery = this.#toClient.shift() as Delivery;
      this.received = Math.max(this.received, delivery.mark);
      delivery.run();
    }
  }

  /** The connection is lost with all that is under way: commands that have not arrived are never carried out, the replies of the others are lost. */
  cut(status: 'reconnecting' | 'end' = 'reconnecting'): void {
    if (this.status === 'end') return;
    const wasReady = this.status === 'ready';
    this.status = status;
    this.#server.unsubscribe(this.#receive);
    const error = new Error('Connection is closed.');
    for (const { reject } of this.#toServer.splice(0)) reject(error);
    for (const { lose } of this.#toClient.splice(0)) lose(error);
    if (wasReady || status === 'end') this.emit('close');
    if (status === 'reconnecting') this.#onMoment(this, 'connect');
  }

  disconnect(reconnect = false): void {
    this.cut(reconnect ? 'reconnecting' : 'end');
  }

  get(key: string): Promise<string | null> {
    return this.#ask(() => this.#server.get(key)?.toString() ?? null);
  }

  pttl(key: string): Promise<number> {
    return this.#ask(() => this.#server.pttl(key));
  }

  hmgetBuffer(key: string, ...fields: string[]): Promise<(Buffer | null)[]> {
    return this.#ask(() => this.#server.hmget(key, fields));
  }

  hmget(key: string, ...fields: string[]): Promise<(string | null)[]> {
    return this.#ask(() => this.#server.hmget(key, fields).map((value) => value?.toString() ?? null));
  }

  publish(channel: string, text: string): Promise<number> {
    return this.#ask(() => this.#server.publish(channel, text));
  }

  mgetBuffer(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return this.#ask(() => this.#server.mget(keys));
  }

  time(): Promise<[string, string]> {
    return this.#ask(() => this.#server.time());
  }

  ping(): Promise<string> {
    return this.#ask(() => 'PONG');
  }

  /** It has nothing to say of itself. */
  info(): Promise<string> {
    return this.#ask(() => '');
  }

  config(): Promise<string[]> {
    return this.#ask(() => []);
  }

  subscribe(channel: string): Promise<number> {
    this.#channel = channel;
    return this.#ask(() => {
      this.#server.subscribe(channel, this.#receive);
      return 1;
    });
  }

  pipeline(): MemoryPipeline {
    return new MemoryPipeline((command, script, keys, args) =>
      this.#ask(() => (command === 'EVAL' ? this.#server.eval(script, keys, args) : this.#server.evalsha(script, keys, args))),
    );
  }

  #ask<T>(run: () => T): Promise<T> {
    if (this.status !== 'ready') return Promise.reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"));
    return new Promise<T>((resolve, reject) => {
      this.#toServer.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.#onMoment(this, 'arrive');
    });
  }

  #arrive({ run, resolve, reject }: Command): void {
    try {
      const reply = run();
      this.#send({ run: () => resolve(reply), lose: reject });
    } catch (error) {
      this.#send({ run: () => reject(error as Error), lose: reject });
    }
  }

  #send(delivery: Omit<Delivery, 'mark'>): void {
    this.#toClient.push({ ...delivery, mark: this.#mark() });
    this.#onMoment(this, 'deliver');
  }
}

type RunScript = (
  command: 'EVAL' | 'EVALSHA',
  script: string,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
) => Promise<unknown>;

/** Script calls that travel together. */
class MemoryPipeline {
  readonly #run: RunScript;
  readonly #calls: (() => Promise<unknown>)[] = [];

  constructor(run: RunScript) {
    this.#run = run;
  }

  callBuffer(command: 'EVAL' | 'EVALSHA', script: string, count: number, ...rest: (string | Buffer)[]): this {
    this.#calls.push(() => this.#run(command, script, rest.slice(0, count).map(String), rest.slice(count)));
    return this;
  }

  exec(): Promise<[Error | null, unknown][]> {
    return Promise.all(
      this.#calls.map((call) =>
        call().then(
          (value): [Error | null, unknown] => [null, value],
          (error: Error): [Error | null, unknown] => [error, null],
        ),
      ),
    );
  }
}
