import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { pathId } from '../../src/files/index-tree/path-bytes.ts';
import { processesWith, root, runProgram, type Program, type ProgramOptions } from '../support/program.ts';
import { freePort } from '../support/redis.ts';

const ODD_NAMES = ['plain.txt', 'snow ☃ and ünïcode.md', `quotes ' " and back\\slash.json`, 'new\nline', '-rf', '%2e%2e', ' blank '];

let template: string;
let dir: string;
let data: string;
let files: string;
let programs: Program[];

// Making a new database takes seconds; all tests but the one of the first start begin with a copy of an empty one.
beforeAll(async () => {
  template = realpathSync(mkdtempSync(path.join(tmpdir(), 'forebay-template-')));
  mkdirSync(path.join(template, 'files'));
  await using program = runProgram(['index', path.join(template, 'files'), '--data', path.join(template, 'data')]);
  expect(await program.exited).toBe(0);
});
afterAll(() => rmSync(template, { recursive: true, force: true }));

beforeEach(() => {
  dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'forebay-e2e-')));
  data = path.join(dir, 'data');
  cpSync(path.join(template, 'data'), data, { recursive: true });
  files = path.join(dir, 'files');
  mkdirSync(path.join(files, 'deep', 'er'), { recursive: true });
  for (const name of ODD_NAMES) writeFileSync(path.join(files, name), name);
  writeFileSync(path.join(files, 'deep', 'er', 'empty'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${files}/deep/`), Buffer.from([0x62, 0xff, 0xfe, 0x64])]), 'no UTF-8');
  programs = [];
});
afterEach(async () => {
  for (const program of programs) await program[Symbol.asyncDispose]();
  for (const line of processesWith(dir)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

function start(args: readonly string[] = [], options: ProgramOptions = {}): Program {
  const program = runProgram(['start', '--data', data, '--index', files, '--port', '0', ...args], options);
  programs.push(program);
  return program;
}

const indexed = (program: Program): Promise<RegExpExecArray> => program.printed(/^Indexed .*$/m);

async function stop(program: Program, signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
  program.kill(signal);
  expect(await program.exited).toBe(0);
}

const idOf = (name: string): string => pathId(Buffer.from(path.join(files, name)));

async function read(url: string, name: string): Promise<{ status: number; cache: string; body: Record<string, unknown> }> {
  const response = await fetch(`${url}/v1/files/${idOf(name)}`);
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, cache: response.headers.get('cache-status') ?? '', body };
}

const redisServers = (): string[] => processesWith(dir).filter((line) => line.includes('redis-server'));

describe('forebay start', () => {
  test('a record comes from the database, after a restart from Redis, and then from process memory', async () => {
    rmSync(data, { recursive: true });
    // Which tier answers is what this is about, so a busy machine may take its time.
    const patient = ['--redis-budget-ms', '5000'];
    const first = start(patient);
    const url = await first.url();
    await indexed(first);
    for (const name of ODD_NAMES) {
      const { status, cache, body } = await read(url, name);
      expect(status).toBe(200);
      expect(cache).toContain('fwd=miss');
      expect(body).toMatchObject({ name, path: path.join(files, name), size: Buffer.byteLength(name) });
    }
    expect((await read(url, 'plain.txt')).cache).toContain('forebay-local; hit');
    await stop(first);

    const second = start(patient);
    const secondUrl = await second.url();
    for (const name of ODD_NAMES) expect((await read(secondUrl, name)).cache).toContain('forebay-redis; hit');
    for (const name of ODD_NAMES) expect((await read(secondUrl, name)).cache).toContain('forebay-local; hit');
    await indexed(second);
    for (const name of ODD_NAMES) expect((await read(secondUrl, name)).cache).toContain('forebay-local; hit');
    await stop(second);
  });

  test('a name that is not UTF-8 keeps its exact bytes', async () => {
    const program = start();
    const url = await program.url();
    await indexed(program);
    const bytes = Buffer.concat([Buffer.from(`${files}/deep/`), Buffer.from([0x62, 0xff, 0xfe, 0x64])]);
    const body = (await (await fetch(`${url}/v1/files/${pathId(bytes)}`)).json()) as { pathBytes: string };
    expect(Buffer.from(body.pathBytes, 'base64')).toEqual(bytes);
  });

  test('the calls that it prints work as they are', async () => {
    const program = start();
    const [, url] = await program.printed(/curl -i (\S+)$/m);
    const answer = await fetch(url ?? '');
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { path: string }).path.startsWith(files)).toBe(true);
    const [, batchUrl, body] = await program.printed(/curl -X POST (\S+) -H 'content-type: application\/json' -d '(.*)'$/m);
    const batch = await fetch(batchUrl ?? '', { method: 'POST', headers: { 'content-type': 'application/json' }, body: body ?? '' });
    expect(((await batch.json()) as { files: unknown[] }).files).toHaveLength(1);
    const [, metricsUrl] = await program.printed(/curl (\S+\/metrics)$/m);
    expect(await (await fetch(metricsUrl ?? '')).text()).toContain('forebay_');
  });

  test('the page at / comes with all of its files', async () => {
    const url = await start().url();
    const page = await fetch(url);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const named = [...(await page.text()).matchAll(/(?:href|src)="(dashboard\/[^"]+)"/g)].map(([, name]) => name);
    expect(named).toContain('dashboard/main.js');
    for (const name of named) expect([name, (await fetch(`${url}/${name}`)).status]).toEqual([name, 200]);
  });

  test('a change between two starts is seen after the second, and the rest is left as it is', async () => {
    const first = start();
    const url = await first.url();
    await indexed(first);
    const before = await read(url, 'plain.txt');
    await stop(first);
    writeFileSync(path.join(files, 'plain.txt'), 'longer than it was before');
    const second = start();
    const secondUrl = await second.url();
    const [line] = await indexed(second);
    expect(line).toContain(`0 new, 1 changed, ${ODD_NAMES.length + 1} as they were`);
    const after = await read(secondUrl, 'plain.txt');
    expect(after.body['size']).toBe(25);
    expect(after.body['version']).toBeGreaterThan(before.body['version'] as number);
    await stop(second);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends it in order: no process, no socket, no lock, exit code 0',
    async (signal) => {
      const program = start();
      await program.url();
      expect(redisServers()).toHaveLength(1);
      await stop(program, signal);
      expect(processesWith(dir)).toEqual([]);
      expect(readdirSync(data).toSorted()).toEqual(['database', 'redis']);
      expect(readdirSync(path.join(data, 'redis')).toSorted()).toEqual(['agrees-with-database', 'dump.rdb', 'redis.log']);
    },
  );

  test('a Ctrl-C while it is still starting ends it with 130 and leaves no process', async () => {
    const program = start();
    while (!existsSync(path.join(data, 'lock'))) await new Promise((resolve) => setImmediate(resolve));
    program.killGroup('SIGINT');
    expect(await program.exited).toBe(130);
    expect(processesWith(dir)).toEqual([]);
    expect(existsSync(path.join(data, 'lock'))).toBe(false);
  });

  test('a kill loses no record; the next start ends the orphaned Redis and trusts nothing in it', async () => {
    const first = start();
    const url = await first.url();
    await indexed(first);
    for (const name of ODD_NAMES) await read(url, name);
    const orphans = redisServers();
    first.kill('SIGKILL');
    expect(await first.exited).toBe('SIGKILL');
    expect(redisServers()).toEqual(orphans);

    const second = start();
    const secondUrl = await second.url();
    expect(redisServers()).toHaveLength(1);
    expect(redisServers()).not.toEqual(orphans);
    for (const name of ODD_NAMES) {
      const { status, cache } = await read(secondUrl, name);
      expect(status).toBe(200);
      expect(cache).toContain('fwd=miss');
    }
    const [line] = await indexed(second);
    expect(line).toContain(`0 new, 0 changed, ${ODD_NAMES.length + 2} as they were`);
    await stop(second);
  });

  test('the private Redis may die: reads go on, and one line tells of each change', async () => {
    const program = start();
    const url = await program.url();
    await indexed(program);
    process.kill(Number.parseInt(redisServers()[0] ?? '', 10), 'SIGKILL');
    await program.printed(/the private Redis ended/);
    expect((await read(url, 'plain.txt')).status).toBe(200);
    await program.printed(/the private Redis is back/);
    expect(program.stderr().match(/the private Redis/g)).toHaveLength(2);
    await stop(program);
  });

  test('with a Redis URL where nothing listens it serves from the database, and says so once and on /readyz', async () => {
    const port = await freePort();
    const program = start([], { env: { FOREBAY_REDIS_URL: `redis://127.0.0.1:${port}` } });
    const url = await program.url();
    await indexed(program);
    const { status, cache } = await read(url, 'plain.txt');
    expect(status).toBe(200);
    expect(cache).toContain('fwd=miss');
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ ready: true, database: 'up', redis: 'down', reasons: [expect.stringContaining('Redis')] });
    await stop(program);
    const lines = program
      .stderr()
      .split('\n')
      .filter((line) => /redis/i.test(line) && !line.includes('"url":"/'));
    expect(lines).toHaveLength(1);
  });

  test('a second process on the same data folder is told who has it', async () => {
    const first = start();
    await first.url();
    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.stderr()).toContain(`DATA_DIR_IN_USE: the data folder ${data} is in use by process ${first.pid}`);
    expect((await fetch(`${await first.url()}/healthz`)).status).toBe(200);
  });

  test('a second Ctrl-C ends it at once, its Redis too', async () => {
    const program = start();
    const url = await program.url();
    // A request whose body never ends keeps the orderly stop waiting.
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    const continued = new Promise((resolve) => socket.once('data', resolve));
    socket.write(
      'POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n',
    );
    await continued;
    const seen: unknown[] = [];
    void program.exited.then((code) => seen.push(code));
    // Signals within half a second of the first count as echoes of it, so they are sent until one counts.
    await vi.waitUntil(
      () => {
        program.kill('SIGINT');
        return seen.length > 0;
      },
      { interval: 100, timeout: 20_000 },
    );
    expect(seen).toEqual([130]);
    expect(processesWith(dir)).toEqual([]);
    socket.destroy();
  });

  test('npm start prepares, passes arguments and exit code on, and outlives the program until its orderly end', async () => {
    const command = [process.execPath, path.join(root, 'scripts', 'start.mjs')] as const;
    const wrong = runProgram(['--prot', '1'], { command });
    programs.push(wrong);
    expect(await wrong.exited).toBe(2);
    const program = runProgram(['--data', data, '--index', files, '--port', '0'], { command });
    programs.push(program);
    await program.url();
    // As the terminal does it: the script, the program and everything else in the group get the signal.
    program.killGroup('SIGINT');
    expect(await program.exited).toBe(0);
    expect(processesWith(dir)).toEqual([]);
    expect(existsSync(path.join(data, 'redis', 'agrees-with-database'))).toBe(true);
  });

  test('a SIGTERM to npm alone reaches the program, and npm waits for its orderly end', async () => {
    const program = runProgram(['--data', data, '--index', files, '--port', '0'], { command: ['npm', 'start', '--'] });
    programs.push(program);
    await program.url();
    program.kill('SIGTERM');
    expect(await program.exited).toBe(0);
    expect(processesWith(dir)).toEqual([]);
  });
});
