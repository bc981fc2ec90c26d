import { mkdtempSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { Database } from '../../src/postgres/index.ts';
import { openDatabase } from '../../src/postgres/index.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/server.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Ended, ProgramOptions } from '../support/program.ts';
import { runProgram, runToEnd } from '../support/program.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';
import { runHere } from '../support/run-here.ts';

const TOKEN = 'a-token-of-enough-length';
const FILES = 1200;
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const BAD_INPUTS: readonly (readonly [name: string, args: readonly string[], input: string, words: string])[] = [
  ['a bad id', ['x'], '', '"x" is not a file id'],
  ['a bad id on standard input', ['-'], `${id(1)}\n\nnot-an-id\n${id(2)}\n`, 'line 3 of standard input: "not-an-id" is not a file id'],
  ['a second statement', ['--where', 'size > 1; drop table forebay.file_info'], '', 'at character 9: "; drop table forebay.fil'],
  [
    'a union',
    ['--where', 'size > 1) union select id from pg_authid where (1=1'],
    '',
    'character 9: ")" where "and", "or" or the end has to come',
  ],
  ['a function', ['--where', 'pg_sleep(100) is null'], '', 'character 1: "pg_sleep" where a column'],
  ['a value that is none', ['--where', "updated_at > '2026-01-01T00:00:00+20:00'"], '', 'time zone displacement'],
  ['ids and a tag', [id(1), '--tag', 'final'], '', 'one of the three'],
  ['a limit that is none', ['--limit', 'many'], '', 'must be a whole number'],
  ['a tag that is none', ['--tag', 'x'.repeat(300)], '', 'refused'],
  ['attributes of what is popular', ['--meta'], '', 'leave out --meta'],
];

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe.each([
  ['one server', startRedis],
  ['a Cluster', startCluster],
])('forebay warm on %s', (kind, startServers) => {
  let redis: Awaited<ReturnType<typeof startServers>>;
  let url: string;
  let database: Database;
  let forebay: Forebay;
  let service: Service;
  const ask = (args: readonly string[], options: ProgramOptions = {}): Promise<Ended> =>
    runHere(['warm', ...args, '--url', service.url], { ...options, env: { FOREBAY_TOKEN: TOKEN, ...options.env } });
  const gainOf = async (args: readonly string[], options: ProgramOptions = {}): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await ask([...args, '--json'], options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const isCached = async (n: number): Promise<boolean> => (await forebay.files.inspect(id(n))).remote.state === 'fresh';

  beforeAll(async () => {
    redis = await startServers({ args: SOUND_REDIS });
    url = await postgres.createDatabase(`warm_${kind === 'a Cluster' ? 1 : 0}`);
    forebay = await createForebay({ database: url, redis: redis.url, warm: 'off', popularRows: 0, cache: { budgetMs: 5000 } });
    database = await openDatabase(url);
    await database.query(
      `insert into forebay.file_info (id, name, path, size, mime_type, owner_id, tags)
       select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'n', '/srv/' || (n % 3) || '/' || n, n, case when n % 2 = 0 then 'image/png' else 'text/plain' end, 'ann',
              case when n % 100 = 0 then array['final'] else '{}' end
         from generate_series(1, $1) as n`,
      [FILES],
    );
    service = await startService({ forebay, config: { port: 0, token: TOKEN } });
  });
  afterAll(async () => {
    await service.close();
    await forebay.close();
    await database.close();
    await redis.stop();
  });
  beforeEach(async () => {
    await forebay.files.invalidate({ all: true });
    await eventually(async () => expect((await forebay.readiness()).reasons).toEqual([]));
  });

  test('ids on the command line and on standard input, more than one question holds, are loaded once and found the next time', async () => {
    const input = `${Array.from({ length: FILES - 1 }, (_, n) => id(n + 2)).join('\r\n')}\n\n${id(FILES + 5)}`;
    const ran = await runToEnd(['warm', id(1), '-', '--json', '--url', service.url], { input, env: { FOREBAY_TOKEN: TOKEN } });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ outcome: 'done', done: FILES + 1, loaded: FILES, found: 0, absent: 1, failed: 0 });
    expect(await Promise.all([1, 2, 1000, FILES].map(isCached))).toEqual([true, true, true, true]);
    const again = await ask([id(1).toUpperCase(), id(2)]);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(
      /^2 entries: 0 loaded, 2 found, 0 failed, in .*\.\n100\.0 % of them are in Redis now; before, it was 100\.0 %/,
    );
  });

  test('a tag and a condition name files; a dry run says how much is there and loads nothing; attributes come along when asked for', async () => {
    expect(await gainOf(['--tag', 'final', '--dry-run'])).toMatchObject({ dryRun: true, done: 12, found: 0, missing: 12, loaded: 0 });
    expect(await isCached(100)).toBe(false);
    expect(await gainOf(['--tag', 'final', '--meta'])).toMatchObject({ done: 24, loaded: 24 });
    expect([await isCached(100), await isCached(101)]).toEqual([true, false]);
    expect((await forebay.files.meta.inspect(id(100))).remote.state).toBe('fresh');
    expect(await gainOf(['--where', "size > 1100 and mime_type like 'image/%'"])).toMatchObject({ done: 50, loaded: 49, found: 1 });
    expect((await ask(['--tag', 'folder:/srv/1', '--dry-run', '--limit', '10'])).stdout).toMatch(
      /^10 entries would be warmed: \d+ are in Redis \(\d+\.\d % of them\)/,
    );
    expect(await ask(['--tag', 'nobody-has-it'])).toMatchObject({ code: 0, stdout: 'No file is meant by that: nothing to warm.\n' });
  });

  test('what is popular is warmed by default, and the share of its reads is told beforehand', async () => {
    expect(await ask([])).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing is popular yet') });
    const ids = Array.from({ length: 600 }, (_, n) => id(n + 1));
    await database.query("select forebay.add_popular('file:info', $1::text[], $2::int[], 21600)", [
      ids,
      ids.map((_, n) => (n < 10 ? 1000 : 2)),
    ]);
    try {
      await gainOf(ids.slice(0, 10));
      expect((await ask(['--dry-run'])).stdout).toBe(
        '600 entries would be warmed: 10 are in Redis (1.7 % of what is popular; they answer 89.4 % of its reads), 590 would be loaded.\n',
      );
      const { stdout } = await ask([]);
      expect(stdout).toMatch(
        /^600 entries: 590 loaded, 10 found, 0 failed, in .*\.\n100\.0 % of what is popular are in Redis now; before, it was 1\.7 %\. The next reads of 590 entries do not ask the database\.\nThe service loaded its database by \d+ ms of calls a second meanwhile; its calm mean is not known yet\.\n$/,
      );
      expect(await gainOf(['--limit', '5'])).toMatchObject({ done: 5, found: 5 });
    } finally {
      await database.exec('truncate forebay.popular');
    }
  });

  test('with --alone it needs no service', async () => {
    const { code, stdout, stderr } = await runToEnd([
      'warm',
      id(1),
      id(2),
      '--alone',
      '--database-url',
      url,
      '--redis-url',
      redis.url,
      '--json',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'done', loaded: 2 });
    expect(await isCached(1)).toBe(true);
  });

  test('stopped half-way it says what was done, leaves nothing behind at work, and run again it skips what is there', async () => {
    // The rows of the second question cannot be read until the lock is lifted.
    const locker = await openDatabase(url);
    const lifted = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const input = `${Array.from({ length: FILES }, (_, n) => id(n + 1)).join('\n')}\n`;
    await using program = runProgram(['warm', '-', '--url', service.url], { env: { FOREBAY_TOKEN: TOKEN }, input });
    const holding = locker.transaction(async (tx) => {
      await eventually(async () => expect(await isCached(500)).toBe(true));
      await tx.exec('lock table forebay.file_info in access exclusive mode');
      locked.resolve();
      await lifted.promise;
    });
    await locked.promise;
    program.kill('SIGINT');
    expect(await program.exited).toBe(130);
    expect(program.stderr()).toMatch(
      /^forebay: stopped after \d+ entries: \d+ loaded, 0 found, 0 failed; run it again: what is there is skipped\n$/,
    );
    lifted.resolve();
    await holding;
    await locker.close();
    const gain = await gainOf(['-'], { input });
    expect(gain).toMatchObject({ outcome: 'done', done: FILES, failed: 0 });
    expect(gain['found']).toBeGreaterThanOrEqual(500);
  });

  test.each(kind === 'one server' ? BAD_INPUTS : [])('%s is a clear error with exit code 2', async (_, args, input, words) => {
    const { code, stdout, stderr } = await ask(args, { input });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  });

  test('a wrong token is told', async () => {
    const env = { FOREBAY_TOKEN: 'another-token-of-that-length' };
    expect(await ask([id(1)], { env })).toMatchObject({ code: 1, stderr: expect.stringContaining('UNAUTHORIZED') });
    expect(await isCached(1)).toBe(false);
  });

  test('an isolated Redis is told, and nothing is loaded', async () => {
    forebay.redis?.isolate();
    const ran = await ask([id(1)]);
    forebay.redis?.restore();
    expect(ran).toMatchObject({ code: 1, stdout: 'Nothing was warmed.\n', stderr: expect.stringContaining('Redis cannot be asked') });
    await eventually(async () => expect((await forebay.readiness()).redis).toBe('up'));
  });
});

test('on the embedded default it works alone, and nobody there is exit code 1', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-warm-'));
  try {
    const env = { FOREBAY_DATA: path.join(dir, 'data') };
    expect(await runToEnd(['warm', randomUUID(), '--alone', '--json'], { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"absent":1'),
    });
    expect(await runToEnd(['warm', '--url', `http://127.0.0.1:${await freePort()}`], { env })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no service of Forebay answers'),
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
