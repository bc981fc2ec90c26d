import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pathId } from '../../src/files/index-tree/path-bytes.ts';
import { root, runProgram, runToEnd } from '../support/program.ts';
import { startPostgres } from '../support/postgres.ts';
import { startRedis } from '../support/redis.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'forebay-commands-')));
  mkdirSync(path.join(dir, 'files'));
  for (const name of ['a', 'b', 'c']) writeFileSync(path.join(dir, 'files', name), name);
});
afterEach(() => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }));

describe('the command line', () => {
  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await runToEnd(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test('--help shows examples and exit codes', async () => {
    const { code, stdout } = await runToEnd(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain('Exit codes:');
  });

  test.each([
    ['an unknown flag', ['start', '--prot', '1'], {}, 'Did you mean --port?'],
    ['an unknown command', ['strat'], {}, 'Did you mean start?'],
    ['an unknown variable', ['config'], { FOREBAY_PROT: '1' }, 'did you mean FOREBAY_PORT?'],
    ['a value that breaks its rule', ['start', '--port', '70000'], {}, '--port="70000": must be a whole number from 0 to 65535'],
    ['a missing argument', ['index'], {}, "missing required argument 'DIR'"],
  ])('%s is a clear error with exit code 2 and no stack', async (_, args, env, text) => {
    const { code, stderr } = await runToEnd(args, { env });
    expect(code).toBe(2);
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('FOREBAY_DEBUG adds the stack', async () => {
    expect((await runToEnd(['config', '--port', 'x'], { env: { FOREBAY_DEBUG: '1' } })).stderr).toMatch(/^\s+at /m);
  });

  test('config prints what is in effect, where it comes from, and no secret', async () => {
    const env = { FOREBAY_DATABASE_URL: 'postgres://me:hush-hush@localhost/db', FOREBAY_TOKEN: 'a-token-of-enough-length' };
    const { code, stdout } = await runToEnd(['config', '--port', '8080', '--json'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ port: { value: 8080, from: '--port' }, databaseUrl: { from: 'FOREBAY_DATABASE_URL' } });
    expect(stdout).not.toContain('hush-hush');
    expect(stdout).not.toContain('a-token-of-enough-length');
  });
});

describe('forebay index', () => {
  test('a second run changes nothing, and --prune removes the records of files that are gone', async () => {
    const args = ['index', path.join(dir, 'files'), '--data', path.join(dir, 'data'), '--json'];
    const report = async (more: readonly string[]): Promise<unknown> => {
      const { code, stdout } = await runToEnd([...args, ...more]);
      expect(code).toBe(0);
      return JSON.parse(stdout);
    };
    expect(await report([])).toMatchObject({ files: 3, inserted: 3, changed: 0, unchanged: 0 });
    expect(await report([])).toMatchObject({ files: 3, inserted: 0, changed: 0, unchanged: 3 });
    rmSync(path.join(dir, 'files', 'b'));
    expect(await report([])).toMatchObject({ files: 2, gone: 1, pruned: 0 });
    expect(await report(['--prune'])).toMatchObject({ files: 2, pruned: 1 });
  });

  test('names what it skipped only when it is asked to', async () => {
    execFileSync('mkfifo', [path.join(dir, 'files', 'secret-pipe')]);
    const args = ['index', path.join(dir, 'files'), '--data', path.join(dir, 'data')];
    const quiet = await runToEnd(args);
    expect(quiet.stderr).toContain('Skipped: 1 not-a-file (--log-level debug names the first ones)');
    expect(quiet.stdout + quiet.stderr).not.toContain('secret-pipe');
    expect((await runToEnd([...args, '--log-level', 'debug'])).stderr).toContain('secret-pipe');
  });

  test('a folder that is not there is a clear error', async () => {
    const { code, stderr } = await runToEnd(['index', path.join(dir, 'nowhere'), '--data', path.join(dir, 'data')]);
    expect(code).toBe(2);
    expect(stderr).toContain(path.join(dir, 'nowhere'));
  });
});

describe('forebay serve', () => {
  test('on a real Postgres and a real Redis, one instance reads from Redis what another has put there', async () => {
    await using postgres = await startPostgres();
    await using redis = await startRedis();
    const env = { FOREBAY_DATABASE_URL: await postgres.createDatabase('served'), FOREBAY_REDIS_URL: redis.url, FOREBAY_PORT: '0' };
    expect((await runToEnd(['index', path.join(dir, 'files')], { env })).code).toBe(0);
    await using one = runProgram(['serve'], { env });
    await using two = runProgram(['serve'], { env });
    const id = pathId(Buffer.from(path.join(dir, 'files', 'a')));
    const cacheOf = async (url: string): Promise<string> => (await fetch(`${url}/v1/files/${id}`)).headers.get('cache-status') ?? '';
    const [first, second] = [await one.url(), await two.url()];
    expect(await cacheOf(first)).toContain('fwd=miss');
    expect(await cacheOf(first)).toContain('forebay-local; hit');
    expect(await cacheOf(second)).toContain('forebay-redis; hit');
    one.kill('SIGTERM');
    two.kill('SIGINT');
    expect(await Promise.all([one.exited, two.exited])).toEqual([0, 0]);
  });
});
