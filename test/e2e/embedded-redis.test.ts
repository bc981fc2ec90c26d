import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { identityOf } from '../../src/cli/embedded/process-identity.ts';
import { startPrivateRedis, type PrivateRedis } from '../../src/cli/embedded/redis.ts';
import { silentLogger, type Logger } from '../../src/core/logger.ts';

const source = fileURLToPath(new URL('../../src/cli/embedded/redis.ts', import.meta.url));

let dir: string;
let running: PrivateRedis[];
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'forebay-private-'));
  running = [];
});
afterEach(() => {
  for (const redis of running) redis.kill();
  rmSync(dir, { recursive: true, force: true });
});

async function start(options: { useSnapshot?: boolean; logger?: Logger; dir?: string } = {}): Promise<PrivateRedis> {
  const redis = await startPrivateRedis({
    dir: options.dir ?? dir,
    maxMemoryBytes: 32 * 2 ** 20,
    useSnapshot: options.useSnapshot ?? false,
    logger: options.logger ?? silentLogger,
    random: () => 0,
  });
  running.push(redis);
  return redis;
}

/** A private Redis whose owner is killed: the number of the server that is left, and its socket. */
async function leaveOrphan(): Promise<{ pid: number; socketPath: string }> {
  const program = `
    const { startPrivateRedis } = await import(${JSON.stringify(source)});
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const { pid, socketPath } = await startPrivateRedis({ dir: ${JSON.stringify(dir)}, maxMemoryBytes: 2 ** 25, useSnapshot: false, logger });
    process.stdout.write(JSON.stringify({ pid, socketPath }));`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(owner, 'exit');
  const [told] = (await once(owner.stdout, 'data')) as [Buffer];
  owner.kill('SIGKILL');
  await exited;
  const orphan = JSON.parse(told.toString()) as { pid: number; socketPath: string };
  expect(serversOf(dir)).toEqual([orphan.pid]);
  return orphan;
}

const ask = (redis: { readonly socketPath: string }, ...args: string[]): string =>
  execFileSync('redis-cli', ['-s', redis.socketPath, ...args], { encoding: 'utf8' }).trim();

/** The numbers of the redis-servers that have this folder as theirs. */
function serversOf(folder: string): number[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('redis-server') && line.includes(folder))
    .map((line) => Number.parseInt(line, 10));
}

describe('the private Redis', () => {
  test('has no network port, a socket for its user alone, a memory limit and evicts the least recently used', async () => {
    const redis = await start();
    expect(ask(redis, 'config', 'get', 'port')).toBe('port\n0');
    expect(statSync(redis.socketPath).mode & 0o777).toBe(0o700);
    expect(ask(redis, 'config', 'get', 'maxmemory')).toBe(`maxmemory\n${32 * 2 ** 20}`);
    expect(ask(redis, 'config', 'get', 'maxmemory-policy')).toBe('maxmemory-policy\nallkeys-lru');
  });

  test('keeps its records over an orderly stop, and leaves no process and no socket', async () => {
    const first = await start();
    ask(first, 'set', 'k', 'v');
    const { pid } = first;
    expect(await first.stop()).toBe(true);
    expect(identityOf(pid ?? 0)).toBeNull();
    expect(existsSync(first.socketPath)).toBe(false);
    const second = await start({ useSnapshot: true });
    expect(ask(second, 'get', 'k')).toBe('v');
  });

  test('a snapshot that may disagree with the database is not read', async () => {
    const first = await start();
    ask(first, 'set', 'k', 'v');
    await first.stop();
    const second = await start({ useSnapshot: false });
    expect(ask(second, 'exists', 'k')).toBe('0');
  });

  test('a server left by a killed process is ended before a new one starts', async () => {
    const orphan = await leaveOrphan();
    ask(orphan, 'set', 'k', 'v');
    const next = await start();
    expect(identityOf(orphan.pid)).toBeNull();
    expect(serversOf(dir)).toEqual([next.pid]);
    expect(ask(next, 'exists', 'k')).toBe('0');
  });

  test('an orphan whose number was not noted in time is found by its socket', async () => {
    await leaveOrphan();
    const note = path.join(dir, 'server.json');
    writeFileSync(note, JSON.stringify({ ...(JSON.parse(readFileSync(note, 'utf8')) as object), server: null }));
    const next = await start();
    expect(serversOf(dir)).toEqual([next.pid]);
  });

  test('a noted number that belongs to another program by now is left alone', async () => {
    writeFileSync(
      path.join(dir, 'server.json'),
      JSON.stringify({ socketPath: path.join(dir, 'redis.sock'), server: { pid: process.pid, startedAt: 'another time' } }),
    );
    const redis = await start();
    expect(ask(redis, 'ping')).toBe('PONG');
  });

  test('is restarted empty when it dies, with one line for each change', async () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, info: (_, text) => lines.push(text), warn: (_, text) => lines.push(text) };
    const redis = await start({ logger });
    const { pid } = redis;
    ask(redis, 'set', 'k', 'v');
    process.kill(pid ?? 0, 'SIGKILL');
    await vi.waitUntil(() => lines.length >= 2, { timeout: 10_000 });
    expect(redis.pid).not.toBe(pid);
    expect(ask(redis, 'exists', 'k')).toBe('0');
    expect(lines).toEqual(['the private Redis ended; reads go to the database while it is restarted', 'the private Redis is back, empty']);
  });

  test('a folder with a long path gets a socket in a private folder that is removed afterwards', async () => {
    const redis = await start({ dir: path.join(dir, 'x'.repeat(60), 'y'.repeat(60)) });
    const folder = path.dirname(redis.socketPath);
    expect(Buffer.byteLength(redis.socketPath)).toBeLessThan(100);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await redis.stop();
    expect(existsSync(folder)).toBe(false);
  });

  test('a snapshot that cannot be read costs its records, not the start', async () => {
    writeFileSync(path.join(dir, 'dump.rdb'), 'no snapshot');
    const redis = await start({ useSnapshot: true });
    expect(ask(redis, 'dbsize')).toBe('0');
  });

  test('says why when it does not come up', async () => {
    const failure = startPrivateRedis({ dir, maxMemoryBytes: Number.NaN, useSnapshot: false, logger: silentLogger });
    await expect(failure).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE', message: expect.stringContaining('maxmemory') as string });
    expect(serversOf(dir)).toEqual([]);
  });

  test('says what to install when there is no redis-server', async () => {
    vi.stubEnv('PATH', dir);
    await expect(start()).rejects.toMatchObject({
      code: 'REDIS_NOT_INSTALLED',
      message: expect.stringContaining('apt-get install') as string,
    });
    vi.unstubAllEnvs();
  });
});
