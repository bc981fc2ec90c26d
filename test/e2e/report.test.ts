import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileId } from '../../src/files/records.ts';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import { startService, type Service } from '../../src/service/server.ts';
import { runProgram, type ProgramOptions } from '../support/program.ts';
import { freePort } from '../support/redis.ts';

const TOKEN = 'a-token-of-enough-length';
const env = { FOREBAY_TOKEN: TOKEN };

let dir: string;
let forebay: Forebay;
let service: Service;
let stranger: Server;

beforeAll(async () => {
  dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'forebay-report-')));
  forebay = await createForebay({ database: 'pglite:memory', redis: null, warm: 'off' });
  service = await startService({ forebay, config: { port: 0, token: TOKEN } });
  const { record } = await forebay.files.create({ path: '/srv/<b>.txt', size: 1, ownerId: 'ann', tags: ['<i>'] });
  for (let i = 0; i < 50; i += 1) await forebay.files.get(fileId(record.id));
  stranger = createServer((_request, response) => response.end('{"hello": "world"}')).listen(0, '127.0.0.1');
});
afterAll(async () => {
  stranger.close();
  await service.close();
  await forebay.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

async function run(
  args: readonly string[],
  options?: ProgramOptions,
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  await using program = runProgram(['report', ...args], { cwd: dir, ...options });
  const code = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

describe('forebay report', () => {
  test('prints what was really read, plain where nobody watches', async () => {
    const { code, stdout, stderr } = await run(['--url', service.url], { env });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/process memory +#+\.* +98\.0 % +49/);
    expect(stdout).toContain('owner:ann');
    expect(stdout).not.toContain('\u001b');
  });

  test('finds the service by the settings, and the token in a file', async () => {
    writeFileSync(path.join(dir, 'token'), `${TOKEN}\n`);
    const { code, stdout } = await run(['--json', '--token-file', 'token', '--period', '1h'], {
      env: { FOREBAY_PORT: String(service.port) },
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      reads: { total: 50, answered: { local: 49, source: 1 } },
      period: { askedMs: 3_600_000 },
    });
  });

  test('writes a page that is whole, over an older one too, and leaves nothing beside it', async () => {
    mkdirSync(path.join(dir, 'pages'));
    writeFileSync(path.join(dir, 'pages', 'r.html'), 'old');
    const { code, stdout, stderr } = await run(['--url', service.url, '--html', 'pages/r.html'], { env });
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain(`Written to ${path.join(dir, 'pages', 'r.html')}`);
    const page = readFileSync(path.join(dir, 'pages', 'r.html'), 'utf8');
    expect(page).toContain('</html>');
    expect(page).toContain('&lt;i&gt;');
    expect(readdirSync(path.join(dir, 'pages'))).toEqual(['r.html']);
  });

  test('a service that is down is said with where it was asked and what to do, with exit code 1', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await run(['--url', url], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('SERVICE_UNREACHABLE');
    expect(stderr).toContain(`${url} (ECONNREFUSED)`);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test.each([
    ['no token', {}, 'give one by FOREBAY_TOKEN'],
    ['a wrong one', { FOREBAY_TOKEN: 'another-token-of-length' }, 'that the service was started with'],
  ])('%s is said, with exit code 1, and no token is shown', async (_, given, text) => {
    const { code, stderr } = await run(['--url', service.url], { env: given });
    expect(code).toBe(1);
    expect(stderr).toContain('UNAUTHORIZED');
    expect(stderr).toContain(text);
    expect(stderr).not.toContain('another-token-of-length');
  });

  test.each([
    ['a period that is none', ['--period', 'yesterday'], '--period="yesterday": must be a duration from 1s to 1d'],
    ['a period beyond a day', ['--period', '2d'], 'from 1s to 1d'],
    ['a URL that is none', ['--url', 'here'], '--url is not one of a service'],
    ['a URL with a password', ['--url', 'http://me:hush-hush@127.0.0.1/'], '--url is not one of a service'],
    ['an unknown flag', ['--perod', '1h'], 'Did you mean --period?'],
  ])('%s is a clear error with exit code 2', async (_, args, text) => {
    const { code, stderr } = await run(args, { env });
    expect(code).toBe(2);
    expect(stderr).toContain(text);
    expect(stderr).not.toContain('hush-hush');
  });

  test('a file that cannot be written is a clear error with exit code 2, and leaves nothing', async () => {
    const file = path.join(dir, 'none', 'r.html');
    const missing = await run(['--url', service.url, '--html', file], { env });
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain(`--html=${JSON.stringify(file)}: cannot be written (ENOENT)`);
    mkdirSync(path.join(dir, 'taken'));
    mkdirSync(path.join(dir, 'taken', 'r.html'));
    const taken = await run(['--url', service.url, '--html', 'taken/r.html'], { env });
    expect(taken.code).toBe(2);
    expect(taken.stderr).toContain('cannot be written');
    expect(readdirSync(path.join(dir, 'taken'))).toEqual(['r.html']);
  });

  test('what is no service of Forebay is not taken for one', async () => {
    const { port } = stranger.address() as AddressInfo;
    const { code, stderr } = await run(['--url', `http://127.0.0.1:${port}`], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('is no report that this version reads');
  });
});
