import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyBackup } from '../../src/backup/verify.ts';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/server.ts';
import { FILES, ids, inShell, leftovers, only, smallDisk, TOKEN } from '../support/backup-runs.ts';
import { eventually } from '../support/eventually.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Ended, ProgramOptions } from '../support/program.ts';
import { runToEnd } from '../support/program.ts';
import { freePort, startRedis } from '../support/redis.ts';
import { tempDir } from '../support/temp.ts';

let postgres: TestPostgres;
let dir: Awaited<ReturnType<typeof tempDir>>;
beforeAll(async () => {
  [postgres, dir] = await Promise.all([startPostgres(), tempDir()]);
});
afterAll(async () => {
  await postgres.stop();
  await dir[Symbol.asyncDispose]();
});
const inDir = (name: string): string => path.join(dir.path, name);

let redis: Awaited<ReturnType<typeof startRedis>>;
let forebay: Forebay;
let service: Service;
let url: string;
const ask = (args: readonly string[], options: ProgramOptions = {}): Promise<Ended> =>
  runToEnd([...args, '--url', service.url], { ...options, env: { FOREBAY_TOKEN: TOKEN, ...options.env } });

beforeAll(async () => {
  redis = await startRedis({ args: ['--requirepass', 'secret'] });
  url = await postgres.createDatabase('backup_bad');
  const database = await openDatabase(url);
  await migrate(database);
  // Names that cannot be compressed, so that the backup does not fit.
  await database.exec(`
    insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, md5(n::text), '/a/' || md5('x' || n) || md5('y' || n), n, 'text/plain', 'ann' from generate_series(1, ${FILES}) n`);
  await database.close();
  forebay = await createForebay({
    database: url,
    redis: `redis://:secret@127.0.0.1:${redis.port}`,
    warm: 'off',
    cache: { budgetMs: 5000 },
  });
  service = await startService({ forebay, config: { port: 0, token: TOKEN } });
  await eventually(async () => {
    await forebay.files.getMany(ids);
    const inspections = await Promise.all(ids.map((id) => forebay.files.inspect(id)));
    expect(inspections.every(({ remote }) => remote.state === 'fresh')).toBe(true);
  });
});
afterAll(async () => {
  await service.close();
  await forebay.close();
  await redis.stop();
});

test('a full disk ends it with exit code 1, and keeps the file of before', async () => {
  const disk = smallDisk(inDir('disk-64'), 64);
  const folder = disk?.path ?? inDir('disk-64');
  const file = path.join(folder, 'a.forebay');
  writeFileSync(file, 'before');
  try {
    const command = inShell(disk === null ? 'ulimit -f 64;' : '');
    const { code, stdout, stderr } = await ask(['backup', '--out', file, '--force'], { command });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(disk === null ? /OUTPUT_FAILED: .*larger than files may be/ : /OUTPUT_FAILED: .*the disk is full; make room/);
    expect(readdirSync(folder)).toEqual(['a.forebay']);
    expect(readFileSync(file, 'utf8')).toBe('before');
  } finally {
    disk?.[Symbol.dispose]();
  }
});

test('a full disk behind standard output, and one on which standard input is kept, are told too', async () => {
  expect(await ask(['backup', '--out', '-'], { command: inShell('', '> /dev/full') })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/OUTPUT_FAILED: standard output could not be written: the disk is full/),
  });
  const disk = smallDisk(inDir('disk-32'), 32);
  if (disk === null) return;
  try {
    const file = inDir('whole.forebay');
    await ask(['backup', '--out', file]);
    expect(await ask(['restore', '-'], { command: inShell('', `< '${file}'`), env: { TMPDIR: disk.path } })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/OUTPUT_FAILED: standard input could not be kept .*ENOSPC.*set TMPDIR/),
    });
    expect(readdirSync(disk.path)).toEqual([]);
  } finally {
    disk[Symbol.dispose]();
  }
});

test('a file that is there is replaced only with --force, and then by a whole one', async () => {
  const file = inDir('there.forebay');
  writeFileSync(file, 'before');
  expect(await ask(['backup', '--out', file])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is there already; name another file, or add --force'),
  });
  expect(readFileSync(file, 'utf8')).toBe('before');
  expect(await ask(['backup', '--out', file, '--force'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`written: ${FILES} entries`),
  });
  expect(await verifyBackup(only(readFileSync(file)))).toMatchObject({ entries: { 'file:info': FILES, 'file:meta': 0 } });
  truncateSync(file, 1000);
  expect(await ask(['restore', file])).toMatchObject({ code: 2, stderr: expect.stringContaining('ends early') });
  rmSync(file);
});

test.each([
  ['no file named', ['backup'], 2, /required option '--out <FILE>'/],
  ['a folder that is not there', ['backup', '--out', '/nowhere/a'], 2, /cannot be written \(ENOENT\)/],
  ['a device', ['backup', '--out', '/dev/null', '--force'], 2, /is no file; name one, or use --out -/],
  ['another way to compress', ['backup', '--out', '/tmp/a', '--compress', 'rar'], 2, /Allowed choices are zstd, gzip, none/],
  ['a folder to restore', ['restore', '/tmp'], 2, /is no file/],
  ['another TTL', ['restore', '/tmp/a', '--ttl', 'old'], 2, /Allowed choices are keep, new/],
])('%s is a clear error', async (_, args, code, words) => {
  expect(await ask(args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(words) });
  expect(existsSync('/tmp/a')).toBe(false);
});

test('a wrong token, a wrong password of Redis or of the database, and no service are told, and no file is left', async () => {
  const file = inDir('never.forebay');
  expect(await ask(['backup', '--out', file], { env: { FOREBAY_TOKEN: 'another-token-of-that-length' } })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('UNAUTHORIZED'),
  });
  const alone = ['backup', '--out', file, '--alone'];
  expect(await runToEnd([...alone, '--database-url', url, '--redis-url', `redis://:wrong@127.0.0.1:${redis.port}`])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/WRONGPASS[^]*REDIS_UNAVAILABLE/),
  });
  const wrong = new URL(url);
  wrong.username = 'nobody';
  wrong.password = 'wrong';
  expect(await runToEnd([...alone, '--database-url', wrong.href, '--redis-url', redis.url])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('DATABASE_UNAVAILABLE'),
  });
  expect(await runToEnd(['backup', '--out', file, '--url', `http://127.0.0.1:${await freePort()}`])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('start one, or give --url'),
  });
  expect([existsSync(file), leftovers(dir.path)]).toEqual([false, []]);
});
