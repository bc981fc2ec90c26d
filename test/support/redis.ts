import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Settings of which a Forebay has nothing to say. */
export const SOUND_REDIS = ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'];

/** A real `redis-server` of the test's own. It starts in about 15 ms: one per test file, or one per test. */
export interface TestRedis extends AsyncDisposable {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  /** The same server on a Unix socket. */
  readonly socketPath: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it in an orderly way and removes its folder. Idempotent. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL), as a crash would. Idempotent; the folder is removed too. */
  kill(): Promise<void>;
  /** The server keeps its connections and accepts new ones, and answers nothing (SIGSTOP). */
  freeze(): void;
  thaw(): void;
}

export interface TestRedisOptions {
  /** More arguments for `redis-server`, such as `['--maxmemory', '2mb']`. */
  readonly args?: readonly string[];
  /** A port of the past, to bring a server back to where clients look for it. Default: a free one. */
  readonly port?: number;
}

/** A loopback port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe server has no port');
  return address.port;
}

/** Starts a server on a free loopback port and waits until it accepts connections. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  // Between the probe and the start another process may take the port, so a chosen port gets more than one try.
  for (let triesLeft = options.port === undefined ? 5 : 1; ; triesLeft -= 1) {
    const port = options.port ?? (await freePort());
    try {
      return await startOn(port, options.args ?? []);
    } catch (error) {
      if (triesLeft <= 1) throw error;
    }
  }
}

async function startOn(port: number, args: readonly string[]): Promise<TestRedis> {
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-redis-'));
  const socketPath = path.join(dir, 'redis.sock');
  const fixed = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--unixsocket',
    socketPath,
    '--dir',
    dir,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const child = spawn('redis-server', [...fixed, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const endWithUs = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', endWithUs);
  const ended = new Promise<void>((resolve) => {
    const tidy = (): void => {
      process.removeListener('exit', endWithUs);
      rmSync(dir, { recursive: true, force: true });
      resolve();
    };
    child.once('exit', tidy);
    child.once('error', tidy);
  });

  let log = '';
  const ready = new Promise<void>((resolve, reject) => {
    const read = (part: Buffer): void => {
      log = (log + part.toString()).slice(-8192);
      if (log.includes('eady to accept connections')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', (error) => reject(new Error('redis-server did not start; is it installed?', { cause: error })));
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code} before it was ready:\n${log}`)));
  });
  await ready;
  const pid = child.pid;
  if (pid === undefined) throw new Error('redis-server has no pid');

  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    // A frozen process cannot act on SIGTERM.
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    child.kill(signal);
    await ended;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    socketPath,
    port,
    pid,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => {
      child.kill('SIGSTOP');
    },
    thaw: () => {
      child.kill('SIGCONT');
    },
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  };
}
