import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { makeCertificates } from '../../support/certificates.ts';
import type { Certificates } from '../../support/certificates.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { TestRedis } from '../../support/redis.ts';
import { freePort, startRedis } from '../../support/redis.ts';
import type { TempFolder } from '../temp-folder.ts';
import { tempFolder } from '../temp-folder.ts';
import type { RedisControl } from './control.ts';
import { RedisFront } from './front.ts';
import { asked, until } from './until.ts';

/** A server, and the port at which clients find it. */
interface Served {
  readonly server: TestRedis;
  readonly port: number;
}

/** One server, in the clear or over TLS with certificates on both sides. Clients reach whatever is primary now through their proxies. */
export class OneServerControl implements RedisControl {
  readonly topology: 'standalone' | 'tls';
  readonly #certificates: Certificates | null;
  #primary: Served;
  #replica: (Served & { readonly link: FaultProxy }) | null = null;
  /** Names the way in of the fronts, whoever it leads to by now. */
  readonly #entry: number;
  readonly #fronts: RedisFront[] = [];
  readonly #backups: TempFolder[] = [];

  private constructor(topology: 'standalone' | 'tls', certificates: Certificates | null, primary: Served) {
    this.topology = topology;
    this.#certificates = certificates;
    this.#primary = primary;
    this.#entry = primary.port;
  }

  static async start(topology: 'standalone' | 'tls'): Promise<OneServerControl> {
    const certificates = topology === 'tls' ? makeCertificates() : null;
    return new OneServerControl(topology, certificates, await serve(certificates));
  }

  async front(random: () => number): Promise<RedisFront> {
    const front = await RedisFront.open([this.#entry], random, (at) => {
      const host = at(this.#entry);
      if (this.#certificates === null) return `redis://${host}`;
      const { ca, clientCert, clientKey } = this.#certificates;
      return `rediss://${host}?caFile=${ca}&certFile=${clientCert}&keyFile=${clientKey}`;
    });
    front.retarget(this.#entry, this.#primary.port);
    this.#fronts.push(front);
    return front;
  }

  async freeze(): Promise<void> {
    this.#primary.server.freeze();
  }

  async thaw(): Promise<void> {
    this.#primary.server.thaw();
  }

  /** Nobody listens until `startEmpty`. */
  async crash(): Promise<void> {
    await this.#primary.server.kill();
    for (const front of this.#fronts) front.cut('reset');
  }

  async startEmpty(): Promise<void> {
    this.#lead(await serve(this.#certificates));
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
    this.#lead(await serve(this.#certificates, ['--dir', dir]));
  }

  /** Starts a replica behind a link of its own, and waits until it is in step. */
  async addReplica(): Promise<void> {
    const link = await FaultProxy.start({ target: this.#primary.server.port });
    const replica = await serve(this.#certificates, ['--replicaof', '127.0.0.1', String(link.port), '--repl-diskless-sync-delay', '0']);
    this.#replica = { ...replica, link };
    await until('the replica is in step', async () =>
      (await asked(replica.server.port, (client) => client.info('replication'))).includes('master_link_status:up'),
    );
  }

  async cutReplication(): Promise<void> {
    this.#replica?.link.impose({ toClient: { stop: true }, toServer: { stop: true } });
  }

  async promote(): Promise<void> {
    const replica = this.#replica;
    if (replica === null) throw new Error('there is no replica to promote');
    this.#replica = null;
    await this.crash();
    const client = new Redis(replica.server.port, '127.0.0.1');
    await client.replicaof('NO', 'ONE');
    client.disconnect();
    await replica.link.close();
    this.#lead(replica);
  }

  async ask(work: (client: Redis) => Promise<void>): Promise<void> {
    await asked(this.#primary.server.port, work);
  }

  #lead(served: Served): void {
    this.#primary = served;
    for (const front of this.#fronts) front.retarget(this.#entry, served.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#fronts.map((front) => front.close()));
    await this.#replica?.link.close();
    await this.#replica?.server.kill();
    this.#primary.server.thaw();
    await this.#primary.server.kill();
    for (const folder of this.#backups) folder[Symbol.dispose]();
    this.#certificates?.[Symbol.dispose]();
  }
}

/** The harness itself speaks to the server in the clear, at a port that it tells nobody of. */
async function serve(certificates: Certificates | null, args: readonly string[] = []): Promise<Served> {
  if (certificates === null) {
    const server = await startRedis({ args });
    return { server, port: server.port };
  }
  const port = await freePort();
  const { ca, serverCert, serverKey } = certificates;
  const tls = ['--tls-port', String(port), '--tls-cert-file', serverCert, '--tls-key-file', serverKey, '--tls-ca-cert-file', ca];
  return { server: await startRedis({ args: [...args, ...tls, '--tls-auth-clients', 'yes'] }), port };
}
