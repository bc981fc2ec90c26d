import type { Redis } from 'ioredis';
import type { TestRedis } from '../../support/redis.ts';
import type { TestSentinels } from '../../support/sentinel.ts';
import { startSentinels } from '../../support/sentinel.ts';
import type { RedisControl } from './control.ts';
import { RedisFront, natMapOf } from './front.ts';
import { asked, until } from './until.ts';

/** A primary with two replicas under three Sentinels, which do as they see fit. */
export class SentinelControl implements RedisControl {
  readonly topology = 'sentinel';
  readonly #sentinels: TestSentinels;
  readonly #fronts: RedisFront[] = [];
  /** Ports of servers that were frozen, and of those that were killed. */
  readonly #frozen = new Set<number>();
  readonly #dead = new Set<number>();

  private constructor(sentinels: TestSentinels) {
    this.#sentinels = sentinels;
  }

  static async start(): Promise<SentinelControl> {
    return new SentinelControl(await startSentinels());
  }

  async front(random: () => number): Promise<RedisFront> {
    const { servers, sentinelPorts } = this.#sentinels;
    const ports = [...servers.keys(), ...sentinelPorts];
    const front = await RedisFront.open(
      ports,
      random,
      (at) => `redis+sentinel://${sentinelPorts.map(at).join(',')}/main?${natMapOf(ports, at)}`,
    );
    this.#fronts.push(front);
    return front;
  }

  async freeze(): Promise<void> {
    const port = await this.#sentinels.primary();
    this.#frozen.add(port);
    this.#server(port).freeze();
  }

  async thaw(): Promise<void> {
    for (const port of this.#frozen) this.#server(port).thaw();
    this.#frozen.clear();
  }

  async crash(): Promise<void> {
    const port = await this.#sentinels.primary();
    this.#dead.add(port);
    await this.#server(port).kill();
    for (const front of this.#fronts) front.cutFrom(port);
  }

  async startEmpty(): Promise<void> {
    for (const port of this.#dead) await this.#sentinels.restart(port);
    this.#dead.clear();
  }

  async addReplica(): Promise<void> {
    await this.startEmpty();
    for (const port of this.#sentinels.servers.keys())
      await until(`the replica ${port} is in step`, async () => {
        // The Sentinels may choose another one meanwhile: on a machine that stood still for a second, say.
        const primary = await this.#sentinels.primary();
        if (port === primary) return true;
        const info = await asked(port, (client) => client.info('replication'));
        return info.includes('master_link_status:up') && info.includes(`master_port:${primary}`);
      });
  }

  /** The replicas stand still, and what they were sent meanwhile is not waiting for them when they go on. */
  async cutReplication(): Promise<void> {
    const primary = await this.#sentinels.primary();
    for (const port of this.#sentinels.servers.keys()) {
      if (port === primary) continue;
      this.#frozen.add(port);
      this.#server(port).freeze();
    }
    await asked(primary, (client) => client.call('CLIENT', 'KILL', 'TYPE', 'replica'));
  }

  async promote(): Promise<void> {
    const before = await this.#sentinels.primary();
    await this.crash();
    await this.thaw();
    await until('the Sentinels name another primary', async () => (await this.#sentinels.primary()) !== before);
  }

  async ask(work: (client: Redis) => Promise<void>): Promise<void> {
    await asked(await this.#sentinels.primary(), work);
  }

  #server(port: number): TestRedis {
    const server = this.#sentinels.servers.get(port);
    if (server === undefined) throw new Error(`no server was started at port ${port}`);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#fronts.map((front) => front.close()));
    await this.thaw();
    await this.#sentinels.stop();
  }
}
