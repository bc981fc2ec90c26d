import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import type { TestRedis } from './redis.ts';
import { freePort, startRedis } from './redis.ts';

/** A primary with replicas, watched by three Sentinels. */
export interface TestSentinels extends AsyncDisposable {
  /** `redis+sentinel://…/main` */
  readonly url: string;
  readonly sentinelPorts: readonly number[];
  /** Every server by its port, the first primary first. */
  readonly servers: Map<number, TestRedis>;
  /** Port of the primary, as the Sentinels that are alive say. */
  primary(): Promise<number>;
  /** Starts a server again, as a replica of whoever the Sentinels say. */
  readonly restart: (port: number) => Promise<void>;
  /** SIGSTOP or SIGKILL for Sentinels, by their place. */
  signalSentinel(at: number, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void;
  stop(): Promise<void>;
}

export interface SentinelOptions {
  readonly replicas?: number;
  /** A primary that does not answer for so long is replaced, in ms. @defaultValue 1,000 */
  readonly downAfterMs?: number;
  /** Log-in of the Sentinels themselves. */
  readonly sentinelPassword?: string;
}

const SENTINELS = 3;

function startSentinel(
  dir: string,
  port: number,
  primary: number,
  { downAfterMs = 1000, sentinelPassword }: SentinelOptions,
): ChildProcess {
  const file = path.join(dir, `sentinel-${port}.conf`);
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor main 127.0.0.1 ${primary} 2`,
    `sentinel down-after-milliseconds main ${downAfterMs}`,
    'sentinel failover-timeout main 5000',
    'sentinel parallel-syncs main 2',
    ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  return spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
}

/** Starts them on free loopback ports and waits until all know each other. Takes two to three seconds. */
export async function startSentinels(options: SentinelOptions = {}): Promise<TestSentinels> {
  const { replicas = 2, sentinelPassword } = options;
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-sentinels-'));
  const servers = new Map<number, TestRedis>();
  const args = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  const first = await startRedis({ args });
  servers.set(first.port, first);
  for (let n = 0; n < replicas; n += 1) {
    const replica = await startRedis({ args: [...args, '--replicaof', '127.0.0.1', String(first.port)] });
    servers.set(replica.port, replica);
  }
  const sentinelPorts: number[] = [];
  const sentinels: ChildProcess[] = [];
  for (let n = 0; n < SENTINELS; n += 1) {
    const port = await freePort();
    sentinelPorts.push(port);
    sentinels.push(startSentinel(dir, port, first.port, options));
  }
  const endWithUs = (): void => sentinels.forEach((sentinel) => sentinel.kill('SIGKILL'));
  process.once('exit', endWithUs);

  const ask = async <T>(at: number, call: (sentinel: Redis) => Promise<T>): Promise<T> => {
    const sentinel = new Redis({
      port: sentinelPorts[at] ?? 0,
      lazyConnect: true,
      retryStrategy: () => null,
      commandTimeout: 500,
      enableReadyCheck: false,
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
    });
    sentinel.on('error', () => {});
    try {
      await sentinel.connect();
      return await call(sentinel);
    } finally {
      sentinel.disconnect();
    }
  };
  const primary = async (): Promise<number> => {
    for (let at = 0; at < SENTINELS; at += 1) {
      try {
        const found = (await ask(at, (sentinel) => sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main'))) as [string, string];
        return Number(found[1]);
      } catch {
        // Another one may know.
      }
    }
    throw new Error('no Sentinel answers');
  };
  const stop = async (): Promise<void> => {
    process.removeListener('exit', endWithUs);
    await Promise.all(
      sentinels.map(async (sentinel) => {
        if (sentinel.exitCode !== null || sentinel.signalCode !== null) return;
        sentinel.kill('SIGKILL');
        await once(sentinel, 'exit');
      }),
    );
    await Promise.all([...servers.values()].map((server) => server.kill()));
    rmSync(dir, { recursive: true, force: true });
  };
  const known = async (at: number): Promise<void> => {
    const state = (await ask(at, (sentinel) => sentinel.call('SENTINEL', 'MASTER', 'main'))) as string[];
    const field = (name: string): number => Number(state[state.indexOf(name) + 1]);
    if (field('num-slaves') < replicas || field('num-other-sentinels') < SENTINELS - 1) throw new Error('they do not know each other yet');
  };
  try {
    for (let at = 0; at < SENTINELS; at += 1) await eventually(() => known(at));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis+sentinel://${sentinelPorts.map((port) => `127.0.0.1:${port}`).join(',')}/main`,
    sentinelPorts,
    servers,
    primary,
    restart: async (port) => {
      const leader = await primary();
      const role = leader === port ? [] : ['--replicaof', '127.0.0.1', String(leader)];
      servers.set(port, await startRedis({ port, args: [...args, ...role] }));
    },
    signalSentinel: (at, signal) => void sentinels[at]?.kill(signal),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
