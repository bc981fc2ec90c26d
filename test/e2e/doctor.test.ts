import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DoctorReport } from '../../src/doctor/report.ts';
import { startCluster } from '../support/cluster.ts';
import type { ProgramOptions } from '../support/program.ts';
import { runProgram } from '../support/program.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';
import { tempDir } from '../support/temp.ts';
import type { Databases } from '../integration/doctor/world.ts';
import { probeRows, sql, startDatabases } from '../integration/doctor/world.ts';

const TOKEN = 'a-token-of-enough-length';
/** A bound and a budget so wide that a machine which stands still for a moment is no finding. */
const WIDE = { FOREBAY_MAX_STALENESS_MS: '5s', FOREBAY_REDIS_BUDGET_MS: '500ms' };

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases({ sound: true });
});
afterAll(() => databases[Symbol.asyncDispose]());

async function doctor(args: readonly string[], env: Record<string, string> = {}, options: ProgramOptions = {}) {
  await using program = runProgram(['doctor', ...args], { ...options, env: { ...WIDE, ...env } });
  const code = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

describe.each([
  ['one server', startRedis],
  ['a Cluster', startCluster],
])('forebay doctor on %s', (kind, startServers) => {
  let redis: Awaited<ReturnType<typeof startServers>>;
  let env: Record<string, string>;
  beforeAll(async () => {
    redis = await startServers({ args: SOUND_REDIS });
    env = { FOREBAY_DATABASE_URL: await databases.fresh(`doctor ${kind}`), FOREBAY_REDIS_URL: redis.url };
  });
  afterAll(() => redis.stop());

  test('stopped by Ctrl-C in the middle it removes its row; run again it finds nothing amiss, and says what it measured', async () => {
    const url = env['FOREBAY_DATABASE_URL'] ?? '';
    await using program = runProgram(['doctor'], { env: { ...WIDE, ...env } });
    await expect.poll(() => probeRows(url), { timeout: 20_000, interval: 20 }).toBe(1);
    program.killGroup('SIGINT');
    expect(await program.exited).toBe(130);
    expect(program.stdout()).toContain('It was stopped before its end');
    expect(await probeRows(url)).toBe(0);

    const { code, stdout, stderr } = await doctor([], env);
    expect(stdout).toMatch(/\n\d\d checks in \d+\.\d s, \d skipped: nothing amiss\n$/);
    expect(code).toBe(0);
    expect(stdout).toMatch(/The way of a change\n {2}ok {7}loop\.probe {14}5 of 5 changes/);
    expect(stdout).not.toContain('\u001b');
    expect(stderr).toBe('');
    expect(await probeRows(url)).toBe(0);
  });

  test('a wrong password is a finding and exit code 1, and is never shown', async () => {
    const password = 'wrong-one';
    const FOREBAY_REDIS_URL = redis.url.replace('//', `//somebody:${password}@`);
    const { code, stdout, stderr } = await doctor(['--dry-run'], { ...env, FOREBAY_REDIS_URL });
    expect(code).toBe(1);
    expect(stdout).toMatch(/error: .*WRONGPASS/);
    expect(stdout).toMatch(/skipped {2}redis\.memory {12}redis\.reach has to be right first/);
    expect(stdout + stderr).not.toContain(password);
  });
});

test('what is planted is found; --json says it to programs; the exit code is that of the worst', async () => {
  const FOREBAY_DATABASE_URL = await databases.fresh('planted');
  await using redis = await startRedis({ args: SOUND_REDIS });
  const env = { FOREBAY_DATABASE_URL, FOREBAY_REDIS_URL: redis.url };
  await sql(FOREBAY_DATABASE_URL, 'alter table forebay.file_info disable trigger file_info_deleted');
  const report = await doctor(['--json', '--fixed-ttl-ms', '30d'], env);
  expect(report.code).toBe(1);
  const { status, errors, warnings, checks } = JSON.parse(report.stdout) as DoctorReport;
  expect({ status, errors, warnings }).toEqual({ status: 'error', errors: 1, warnings: 1 });
  expect(checks.flatMap(({ check, findings }) => findings.map(({ mend }) => [check, mend]))).toEqual([
    ['settings.ttl', expect.stringContaining('FOREBAY_FIXED_TTL_MS=adaptive')],
    ['database.triggers', expect.stringMatching(/^alter table forebay\.file_info enable trigger file_info_deleted;/)],
  ]);
  await sql(FOREBAY_DATABASE_URL, 'alter table forebay.file_info enable trigger file_info_deleted');
  const warned = await doctor(['--dry-run', '--fixed-ttl-ms', '30d'], env);
  expect(warned.stdout).toContain('Nothing was written (--dry-run)');
  expect(warned.code).toBe(3);
});

test('killed in the middle, it leaves its row to the next one', async () => {
  const url = await databases.fresh('killed');
  const env = { FOREBAY_DATABASE_URL: url, FOREBAY_REDIS_URL: 'none' };
  await using program = runProgram(['doctor'], { env: { ...WIDE, ...env } });
  await expect.poll(() => probeRows(url), { timeout: 20_000, interval: 20 }).toBe(1);
  program.killGroup('SIGKILL');
  await program.exited;
  expect(await probeRows(url)).toBe(1);
  // As if a minute had passed.
  await sql(url, "update forebay.file_info set updated_at = now() - interval '61 seconds' where owner_id = 'forebay-doctor'");
  const { code, stdout } = await doctor([], env);
  expect(stdout).toContain('removed 1 row of a doctor that was killed');
  expect(code).toBe(0);
  expect(await probeRows(url)).toBe(0);
});

test('nobody there is exit code 1, with what to do', async () => {
  const database = `postgres://me:a-secret@127.0.0.1:${await freePort()}/files`;
  const { code, stdout } = await doctor([], { FOREBAY_DATABASE_URL: database, FOREBAY_REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
  expect(code).toBe(1);
  expect(stdout).toMatch(/error: database "files" on 127\.0\.0\.1:\d+ does not answer/);
  expect(stdout).toMatch(/error: 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  expect(stdout).toMatch(/mend: correct FOREBAY_DATABASE_URL/);
  expect(stdout).not.toContain('a-secret');
});

test.each<[string, readonly string[], Record<string, string>, number, string]>([
  ['a setting that is none', ['--redis-url', 'nowhere'], {}, 2, '--redis-url="nowhere": must be'],
  [
    'a folder in which nothing was started',
    ['--data', `/nowhere/${randomUUID()}`],
    {},
    2,
    'nothing was started here yet; run forebay start',
  ],
  ['a service that is not there', ['--url', 'http://127.0.0.1:1'], {}, 1, 'no service of Forebay answers at http://127.0.0.1:1'],
])('%s is a clear error', async (_, args, env, code, words) => {
  expect(await doctor(args, env)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(words) });
});

test('on the embedded default it asks the service that has it, and opens the folder itself when that has ended', async () => {
  await using folder = await tempDir();
  await using files = await tempDir();
  const port = String(await freePort());
  const env = { FOREBAY_PORT: port, FOREBAY_DATA: `${folder.path}/data`, FOREBAY_TOKEN: TOKEN, ...WIDE };
  await using service = runProgram(['start', '--index', files.path], { env });
  await service.url();
  const asked = await doctor([], env);
  expect(asked.stderr).toContain('it is asked to look');
  expect(asked.stdout).toContain('in this process (PGlite)');
  expect(asked.stdout).toMatch(/ok {7}redis\.breaker {11}it is closed/);
  expect(asked.stdout).toMatch(/nothing amiss\n$/);
  expect(asked.code).toBe(0);

  const refused = await doctor(['--dry-run'], { ...env, FOREBAY_TOKEN: 'another-token-of-that-length' });
  expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('UNAUTHORIZED') });

  service.kill('SIGINT');
  expect(await service.exited).toBe(0);
  const alone = await doctor([], env);
  expect(alone.stdout).toMatch(/skipped {2}redis\.breaker {11}no service was asked/);
  expect(alone.stdout).toMatch(/nothing amiss\n$/);
  expect(alone).toMatchObject({ code: 0, stderr: '' });

  // What the private Redis kept is still good for a warm start.
  expect(existsSync(`${folder.path}/data/redis/agrees-with-database`)).toBe(true);
});
