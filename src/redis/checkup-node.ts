import type { Redis } from 'ioredis';
import type { Clock } from '../core/clock.ts';
import type { Endpoint } from './connection.ts';
import { closeConnection } from './connection.ts';
import type { Info } from './server-info.ts';
import { factsOf, findingsOf, parseInfo } from './server-info.ts';

export interface NodeCheckupOptions {
  /** `HOST:PORT`, or the path of its socket. */
  readonly name: string;
  readonly client: Redis;
  readonly endpoint: Endpoint;
  /** The log's own table there. */
  readonly table: string;
  /** What is between braces in keys that have to be on it. */
  readonly tag: string;
  readonly serves: (slot: number) => boolean;
  readonly clock: Clock;
}

/** A right that a user has to have, and a call that needs it and changes nothing but a key of the doctor's own. */
interface Try {
  readonly right: string;
  readonly writes?: boolean;
  readonly call: readonly [string, ...string[]];
}

const SOON_GONE_MS = '30000';

/** One server of Redis, asked plainly. Each question rejects with what the server says. */
export class NodeCheckup {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly serves: (slot: number) => boolean;
  readonly #o: NodeCheckupOptions;
  #info: Info | null = null;

  constructor(options: NodeCheckupOptions) {
    this.#o = options;
    this.name = options.name;
    this.endpoint = options.endpoint;
    this.serves = options.serves;
  }

  call(command: string, ...args: readonly string[]): Promise<unknown> {
    return this.#o.client.call(command, ...args);
  }

  /** What INFO says; asked once. */
  async info(): Promise<Info> {
    this.#info ??= parseInfo(await this.#o.client.info());
    return this.#info;
  }

  /** What endangers a promise, by code: as instances look for it themselves. `bufferLimits`: of `CONFIG GET`, `null` where it may not be asked. */
  async findings(inCluster: boolean, bufferLimits: string | null): Promise<ReturnType<typeof findingsOf>> {
    return findingsOf({ facts: factsOf(await this.info()), bufferLimits, inCluster });
  }

  async facts(): Promise<ReturnType<typeof factsOf>> {
    return factsOf(await this.info());
  }

  /** One setting; `null` when the user may not ask. */
  async config(name: string): Promise<string | null> {
    try {
      const [, value = null] = (await this.#o.client.config('GET', name)) as [string?, string?];
      return value;
    } catch {
      return null;
    }
  }

  /** Times of PINGs one after the other, in ms. */
  async pings(times: number): Promise<readonly number[]> {
    const taken: number[] = [];
    for (let n = 0; n < times; n += 1) {
      const from = this.#o.clock.now();
      await this.#o.client.ping();
      taken.push(this.#o.clock.now() - from);
    }
    return taken;
  }

  /** The history that the log's table there is of; `null` when there is no table. */
  async epoch(): Promise<string | null> {
    return this.#o.client.hget(this.#o.table, 'e');
  }

  /** Writes a key of its own, reads it and removes it. @throws what the server says against it */
  async writeOnce(prefix: string, text: string): Promise<void> {
    const { client, tag } = this.#o;
    const key = `${prefix}file:info:{${tag}}`;
    await client.set(key, text, 'PX', Number(SOON_GONE_MS));
    const read = await client.get(key);
    await client.unlink(key);
    if (read !== text) throw new Error(`what was written a moment ago was gone, or another text`);
  }

  /** The rights that our user lacks there, each in the words of `ACL SETUSER`. */
  async missingRights(prefix: string, inCluster: boolean, dryRun: boolean): Promise<readonly string[]> {
    const { tag, table } = this.#o;
    const own = `${prefix}file:info:{${tag}}`;
    const keys = [own, `${own}:lease`, `${prefix}file:meta:{${tag}}`, table, `${table}:at`];
    const hash = `${prefix}file:meta:{${tag}}`;
    const tries: Try[] = [
      { right: '+ping', call: ['PING'] },
      { right: '+info', call: ['INFO', 'server'] },
      { right: '+time', call: ['TIME'] },
      { right: '+client|setname', call: ['CLIENT', 'SETNAME', 'forebay-doctor'] },
      { right: '+get', call: ['GET', own] },
      { right: '+mget', call: ['MGET', own] },
      // With XX nothing is written: there is no such key.
      { right: '+set', call: ['SET', own, '', 'XX'] },
      { right: '+unlink', call: ['UNLINK', own] },
      { right: '+pttl', call: ['PTTL', own] },
      { right: '+type', call: ['TYPE', own] },
      // A text that is gone soon: what is told of it is WRONGTYPE, and nothing else is written, so that nothing stays when this process is killed now.
      { right: '+set', writes: true, call: ['SET', hash, '', 'PX', SOON_GONE_MS] },
      { right: '+hset', writes: true, call: ['HSET', hash, 'f', '1'] },
      { right: '+hget', call: ['HGET', hash, 'f'] },
      { right: '+hmget', call: ['HMGET', hash, 'f'] },
      { right: '+hgetall', call: ['HGETALL', hash] },
      { right: '+hexists', call: ['HEXISTS', hash, 'f'] },
      { right: '+unlink', writes: true, call: ['UNLINK', hash] },
      // For backups.
      { right: '+scan', call: ['SCAN', '0', 'COUNT', '1'] },
      { right: '+eval', call: ['EVAL', 'return 1', '1', own] },
      { right: '+evalsha', call: ['EVALSHA', '0'.repeat(40), '1', own] },
      ...keys.map((key): Try => ({ right: `~${prefix}*`, call: ['EVAL', 'return 1', '1', key] })),
      inCluster ? { right: '+cluster|info', call: ['CLUSTER', 'INFO'] } : { right: '+time', call: ['TIME'] },
    ];
    const missing = new Set<string>();
    for (const { right, writes = false, call } of tries) {
      if (writes && dryRun) continue;
      const [command, ...args] = call;
      const said = await this.call(command, ...args).then(
        () => '',
        (error: Error) => error.message,
      );
      if (!isRefused(said)) continue;
      // A refusal of a key names no command, and the other way round.
      missing.add(/key|pattern/i.test(said) ? `~${prefix}*` : right);
    }
    // Whoever may not run scripts is told so; that says nothing of keys.
    if (missing.has('+eval')) missing.delete(`~${prefix}*`);
    return [...missing];
  }

  close(): void {
    closeConnection(this.#o.client);
  }
}

/** Whether a server said that the user lacks a right. */
const isRefused = (message: string): boolean => message.startsWith('NOPERM');
