import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';
import type { TempFolder } from './temp-folder.ts';
import { tempFolder } from './temp-folder.ts';

/** The Redis of a run, and what can befall it. Clients reach whatever is primary now through their proxies, always at the same address. */
export class RedisControl implements AsyncDisposable {
  #primary: TestRedis;
  #replica: { readonly server: TestRedis; readonly link: FaultProxy } | null = null;
  readonly #fronts: FaultProxy[] = [];
  readonly #backups: TempFolder[] = [];

  private constructor(primary: TestRedis) {
    this.#primary = primary;
  }

  static async start(): Promise<RedisControl> {
    return new RedisControl(await startRedis());
  }

  get port(): number {
    return this.#primary.port;
  }

  /** A way in for one process. */
  async front(random: () => number): Promise<FaultProxy> {
    const proxy = await FaultProxy.start({ target: this.port, random });
    this.#fronts.push(proxy);
    return proxy;
  }

  freeze(): void {
    this.#primary.freeze();
  }

  thaw(): void {
    this.#primary.thaw();
  }

  /** kill -9; nobody listens until `startEmpty`. */
  async crash(): Promise<void> {
    await this.#primary.kill();
    for (const front of this.#fronts) front.cut('reset');
  }

  async startEmpty(): Promise<void> {
    this.#lead(await startRedis());
  }

  /** Saves all data to a file and gives its folder. */
  async backup(): Promise<string> {
    const folder = tempFolder('chaos-rdb');
    this.#backups.push(folder);
    await this.ask(async (client) => {
      await client.save();
      const [, from = ''] = await client.config('GET', 'dir');
      copyFileSync(path.join(from, 'dump.rdb'), path.join(folder.path, 'dump.rdb'));
    });
    return folder.path;
  }

  /** Crashes, and comes back with the data of a backup. */
  async restore(dir: string): Promise<void> {
    await this.crash();
    this.#lead(await startRedis({ args: ['--dir', dir] }));
  }

  /** Starts a replica behind a link of its own, and waits until it is in step. */
  async addReplica(): Promise<void> {
    const link = await FaultProxy.start({ target: this.port });
    const server = await startRedis({ args: ['--replicaof', '127.0.0.1', String(link.port), '--repl-diskless-sync-delay', '0'] });
    this.#replica = { server, link };
    const client = new Redis(server.port, '127.0.0.1');
    while (!(await client.info('replication')).includes('master_link_status:up')) await new Promise((resolve) => setTimeout(resolve, 20));
    client.disconnect();
  }

  /** What is written from now on does not reach the replica. */
  cutReplication(): void {
    this.#replica?.link.impose({ toClient: { stop: true }, toServer: { stop: true } });
  }

  /** The primary dies and the replica takes its place. */
  async promote(): Promise<void> {
    const replica = this.#replica;
    if (replica === null) throw new Error('there is no replica to promote');
    this.#replica = null;
    await this.crash();
    const client = new Redis(replica.server.port, '127.0.0.1');
    await client.replicaof('NO', 'ONE');
    client.disconnect();
    await replica.link.close();
    this.#lead(replica.server);
  }

  /** Runs commands as an operator would, past all proxies. */
  async ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.port, '127.0.0.1');
    client.on('error', () => {});
    try {
      return await work(client);
    } finally {
      client.disconnect();
    }
  }

  #lead(server: TestRedis): void {
    this.#primary = server;
    for (const front of this.#fronts) front.retarget(server.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#fronts.map((front) => front.close()));
    await this.#replica?.link.close();
    await this.#replica?.server.kill();
    this.#primary.thaw();
    await this.#primary.kill();
    for (const folder of this.#backups) folder[Symbol.dispose]();
  }
}
