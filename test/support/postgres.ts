import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import type { Binaries } from './postgres-binaries.ts';
import { findBinaries, serverEnv, serverUser } from './postgres-binaries.ts';
import { freePort } from './redis.ts';

/** A real Postgres of the test's own, on a free loopback port. It starts in about a second: one per test file, and a database per test. */
export interface TestPostgres extends AsyncDisposable {
  /** The server's first database: `postgres://forebay:secret@127.0.0.1:PORT/postgres` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Makes a database, as a copy of `template` if one is named, and gives its URL. */
  createDatabase(name: string, template?: string): Promise<string>;
  /** The server keeps its connections and answers nothing (SIGSTOP, to all of its processes). */
  freeze(): void;
  thaw(): void;
  /** Ends the server at once, keeping its data for `start`. */
  crash(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface TestPostgresOptions {
  /** More arguments for `postgres`, such as `['-c', 'fsync=on']`. */
  readonly args?: readonly string[];
}

const USER = 'forebay';
const FAST = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'max_connections=60',
  'shared_buffers=64MB',
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'autovacuum=off',
  'log_min_messages=fatal',
].flatMap((setting) => ['-c', setting]);
/** A start takes well under a second; a port that another server took would otherwise be asked for ever. */
const START_LIMIT_MS = 30_000;

function initialise(binaries: Binaries, dir: string): void {
  const args = ['-D', dir, '-U', USER, '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C', '--no-instructions'];
  const made = spawnSync(path.join(binaries.bin, 'initdb'), args, { ...serverUser, env: serverEnv, cwd: '/', encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`);
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}

/** Starts the server and waits until it accepts connections; rejects with its last words if it ends before. */
async function launch(binaries: Binaries, dir: string, port: number, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(path.join(binaries.bin, 'postgres'), ['-D', dir, '-p', String(port), ...FAST, ...args], {
    ...serverUser,
    env: serverEnv,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  const startedAt = performance.now();
  while (!(await answers(`postgres://${USER}@127.0.0.1:${port}/postgres`))) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`postgres ended at once: ${said}`);
    if (performance.now() - startedAt > START_LIMIT_MS) {
      child.kill('SIGQUIT');
      throw new Error(`postgres did not answer on port ${port} within ${START_LIMIT_MS} ms: ${said}`);
    }
  }
  return child;
}

function processTree(pid: number): number[] {
  const listed = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout;
  return [pid, ...listed.split('\n').filter(Boolean).map(Number)];
}

export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const binaries = findBinaries();
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-postgres-'));
  chmodSync(dir, 0o700);
  if (serverUser !== undefined) chownSync(dir, serverUser.uid, serverUser.gid);
  const removeAll = (): void => {
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    binaries.remove();
  };
  let child: ChildProcess | undefined;
  const atExit = (): void => {
    child?.kill('SIGQUIT');
    removeAll();
  };
  process.once('exit', atExit);
  initialise(binaries, dir);
  const port = await freePort();
  child = await launch(binaries, dir, port, options.args ?? []);

  const end = async (signal: 'SIGINT' | 'SIGQUIT'): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = once(ending, 'exit');
    ending.kill(signal);
    await ended;
  };
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const pid of child?.pid === undefined ? [] : processTree(child.pid)) process.kill(pid, signal);
  };
  const urlOf = (database: string): string => `postgres://${USER}:secret@127.0.0.1:${port}/${database}`;
  const stop = async (): Promise<void> => {
    await end('SIGINT');
    process.off('exit', atExit);
    removeAll();
  };
  return {
    url: urlOf('postgres'),
    port,
    get pid() {
      return child?.pid ?? 0;
    },
    async createDatabase(name, template) {
      const client = new Client({ connectionString: urlOf('postgres') });
      await client.connect();
      const from = template === undefined ? '' : ` template ${client.escapeIdentifier(template)}`;
      await client.query(`create database ${client.escapeIdentifier(name)}${from}`);
      await client.end();
      return urlOf(name);
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    crash: () => end('SIGQUIT'),
    async start() {
      child ??= await launch(binaries, dir, port, options.args ?? []);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
