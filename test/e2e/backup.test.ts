import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fileId } from '../../src/files/records.ts';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/server.ts';
import { FILES, ids, inShell, leftovers, TOKEN } from '../support/backup-runs.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Ended, Program, ProgramOptions } from '../support/program.ts';
import { runProgram, runToEnd } from '../support/program.ts';
import { startRedis } from '../support/redis.ts';
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

describe.each([
  ['one server', startRedis],
  ['a Cluster', startCluster],
])('on %s', (kind, startServers) => {
  let redis: Awaited<ReturnType<typeof startServers>>;
  /** One of each primary. */
  let admins: Redis[];
  let database: Database;
  let forebay: Forebay;
  let service: Service;
  let file: string;
  /** Chunks go on while it is open; pieces of a backup, and calls of restore, are counted. */
  let gate = Promise.resolve();
  let passed = 0;

  const ask = (args: readonly string[], options: ProgramOptions = {}): Promise<Ended> =>
    runToEnd([...args, '--url', service.url], withToken(options));
  const begin = (args: readonly string[]): Program => runProgram([...args, '--url', service.url], withToken({}));
  const withToken = (options: ProgramOptions): ProgramOptions => ({ ...options, env: { FOREBAY_TOKEN: TOKEN, ...options.env } });
  /** All values of records that Redis has. */
  const stored = async (): Promise<string[]> => {
    const found = await Promise.all(admins.map((admin) => admin.keys('file:info:{*}')));
    return found.flat();
  };
  const flush = async (): Promise<void> => {
    for (const admin of admins) await admin.flushall();
    // Its table of the log is made anew by who reads: what is stored from here on counts.
    await eventually(async () => {
      await forebay.files.getMany(ids.slice(0, 20));
      expect(await stored()).toHaveLength(20);
    });
    await forebay.files.invalidate({ ids: ids.slice(0, 20) });
    expect(await stored()).toEqual([]);
  };
  const fill = async (): Promise<void> => {
    await eventually(async () => {
      await Promise.all([forebay.files.getMany(ids), forebay.files.meta.getMany(ids.slice(0, 100))]);
      expect(await stored()).toHaveLength(FILES);
    });
  };

  beforeAll(async () => {
    redis = await startServers();
    admins = ('primaries' in redis ? redis.primaries : [redis.port]).map((port) => new Redis({ port, host: '127.0.0.1' }));
    const url = await postgres.createDatabase(`backup_${kind === 'a Cluster' ? 1 : 0}`);
    database = await openDatabase(url);
    await migrate(database);
    await database.exec(`
      insert into forebay.file_info (id, name, path, size, mime_type, owner_id, updated_at)
      select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a', '/a/' || md5(n::text), n, 'text/plain', 'ann', now() - interval '1 year' from generate_series(1, ${FILES}) n`);
    // The table that the names of are popular keys are in, for a backup to have some.
    await database.query("select forebay.add_popular('file:info', $1::text[], $2::int[], 21600)", [ids.slice(0, 3), [9, 8, 7]]);
    forebay = await createForebay({ database, redis: redis.url, warm: 'off', cache: { budgetMs: 5000, maxEntries: 0 } });
    const gated: Forebay = {
      ...forebay,
      backup: async function* (options) {
        for await (const piece of forebay.backup(options)) {
          yield piece;
          passed += 1;
          if (passed >= 2) await gate;
        }
      },
      restore: async (source, options) => {
        passed += 1;
        if (passed >= 3) await gate;
        return forebay.restore(source, options);
      },
    };
    service = await startService({ forebay: gated, config: { port: 0, token: TOKEN } });
    await fill();
  });
  afterAll(async () => {
    await service.close();
    await forebay.close();
    await database.close();
    for (const admin of admins) admin.disconnect();
    await redis.stop();
  });
  beforeEach(() => {
    file = inDir(`${kind.replaceAll(' ', '-')}-${Math.random()}.forebay`);
    gate = Promise.resolve();
    passed = 0;
  });

  test('what was backed up comes back after Redis was emptied, but for what has changed, and a second run finds it all', async () => {
    const { code, stdout } = await ask(['backup', '--out', file, '--json']);
    expect([code, leftovers(dir.path)]).toEqual([0, []]);
    expect(JSON.parse(stdout)).toMatchObject({ file, compression: 'zstd', entries: { 'file:info': FILES, 'file:meta': 100 }, popular: 3 });
    expect(JSON.parse(stdout)).toMatchObject({ bytes: readFileSync(file).length });
    await database.query('update forebay.file_info set name = $1 where size % 10 = 0', ['b']);
    await database.query('delete from forebay.file_info where id = $1', [ids[0]]);
    await database.exec('truncate forebay.popular');
    await flush();
    expect(await ask(['restore', file, '--dry-run'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /The backup is whole. Of 1400 entries 1268 would be put back as they were, 130 would be loaded anew, 0 are there, 2 are of no file any more; 0 failed/,
      ),
    });
    expect(await stored()).toEqual([]);
    const restored = await ask(['restore', file, '--fast', '--json']);
    expect(JSON.parse(restored.stdout)).toMatchObject({
      entries: 1400,
      restored: 1268,
      loaded: 130,
      found: 0,
      absent: 2,
      failed: 0,
      popular: 3,
      sameHistory: true,
    });
    expect(await stored()).toHaveLength(FILES);
    await eventually(async () => {
      const all = await forebay.files.lookupMany(ids.slice(1));
      expect(all.every((lookup) => lookup.outcome === 'hit' && lookup.tier === 'remote')).toBe(true);
      expect(all.filter((lookup) => lookup.outcome === 'hit' && lookup.value.name === 'b')).toHaveLength(130);
    });
    expect(await ask(['restore', file])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/0 put back as they were, 0 loaded anew, 1398 were there/),
    });
    await forebay.files.create({ id: fileId(ids[0] as string), path: '/a', size: 1, mimeType: 'text/plain', ownerId: 'ann' });
    await fill();
  });

  test('a backup on standard output is restored from standard input, and what is said goes to standard error', async () => {
    const command = inShell('', `> '${file}'`);
    const { code, stdout, stderr } = await ask(['backup', '--out', '-', '--compress', 'gzip', '--json'], { command });
    expect([code, stdout]).toEqual([0, '']);
    expect(JSON.parse(stderr)).toMatchObject({ file: null, compression: 'gzip' });
    await flush();
    const temporary = inDir(`tmp-${kind}`);
    mkdirSync(temporary);
    const restored = await ask(['restore', '-', '--fast', '--ttl', 'new'], {
      command: inShell('', `< '${file}'`),
      env: { TMPDIR: temporary },
    });
    expect(restored).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Of ${FILES + 100} entries ${FILES + 100} put back as they were`),
    });
    expect(readdirSync(temporary)).toEqual([]);
    expect(await stored()).toHaveLength(FILES);
  });

  test('without a service it does the same by itself', async () => {
    const servers = [
      '--alone',
      '--database-url',
      `${postgres.url.slice(0, postgres.url.lastIndexOf('/'))}/backup_${kind === 'a Cluster' ? 1 : 0}`,
      '--redis-url',
      redis.url,
    ];
    expect(await runToEnd(['backup', '--out', file, ...servers])).toMatchObject({ code: 0 });
    await flush();
    expect(await runToEnd(['restore', file, ...servers])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${FILES + 100} put back`),
    });
    expect(await stored()).toHaveLength(FILES);
  });

  test('a backup that is stopped or killed half-way leaves no file, and is made by the next run', async () => {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      passed = 0;
      const hold = Promise.withResolvers<void>();
      gate = hold.promise;
      await using program = begin(['backup', '--out', file]);
      await eventually(async () => expect([passed >= 2, leftovers(dir.path).length]).toEqual([true, 1]));
      program.kill(signal);
      expect(await program.exited).toBe(signal === 'SIGINT' ? 130 : 'SIGKILL');
      hold.resolve();
      expect([existsSync(file), leftovers(dir.path).length]).toEqual([false, signal === 'SIGINT' ? 0 : 1]);
    }
    gate = Promise.resolve();
    expect(await ask(['backup', '--out', file])).toMatchObject({ code: 0 });
    expect([existsSync(file), leftovers(dir.path)]).toEqual([true, []]);
  });

  test('a restore that is killed half-way is gone on with by the next run', async () => {
    await ask(['backup', '--out', file]);
    await flush();
    passed = 0;
    const hold = Promise.withResolvers<void>();
    gate = hold.promise;
    await using program = begin(['restore', file, '--fast']);
    // The popular keys, one chunk of entries, and the next is about to begin.
    await eventually(() => Promise.resolve(expect(passed).toBe(3)));
    program.kill('SIGKILL');
    await program.exited;
    hold.resolve();
    expect((await stored()).length).toBeLessThan(FILES);
    gate = Promise.resolve();
    const again = JSON.parse((await ask(['restore', file, '--fast', '--json'])).stdout) as Record<string, number>;
    expect(again).toMatchObject({ entries: FILES + 100, failed: 0, loaded: 0 });
    expect(again['found']).toBeGreaterThanOrEqual(1000);
    expect((again['found'] ?? 0) + (again['restored'] ?? 0)).toBe(FILES + 100);
    expect(await stored()).toHaveLength(FILES);
  });

  test('a damaged, cut off or other file is told, and nothing of it is restored', async () => {
    await ask(['backup', '--out', file]);
    await flush();
    const whole = readFileSync(file);
    passed = 0;
    const damaged = Buffer.from(whole);
    const at = whole.length - 2_000;
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    const cases: [string, Buffer | null, RegExp][] = [
      ['damaged', damaged, /BACKUP_INVALID: the backup is damaged: the checksum of chunk \d is wrong/],
      ['cut off', whole.subarray(0, at), /BACKUP_INVALID: the backup ends early/],
      ['other', Buffer.from('<html>'), /BACKUP_INVALID: this is no backup of Forebay/],
      ['missing', null, /INPUT_INVALID: .*there is no such file; name a backup, or - for standard input/],
    ];
    for (const [name, bytes, words] of cases) {
      const bad = inDir(`bad-${name}`);
      if (bytes !== null) writeFileSync(bad, bytes);
      expect(await ask(['restore', bad]), name).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(words) });
    }
    expect(await stored()).toEqual([]);
    expect(passed).toBe(0);
    await fill();
  });
});

test('on the embedded default they ask the service that has it open', async () => {
  const files = inDir('files');
  mkdirSync(files);
  for (const name of ['a.txt', 'b.txt', 'c.txt']) writeFileSync(path.join(files, name), name);
  await using program = runProgram(['start', '--data', inDir('data'), '--index', files, '--port', '0']);
  const url = await program.url();
  const id = /files\/([0-9a-f-]{36})/.exec((await program.printed(/files\/([0-9a-f-]{36})/))[0])?.[1] ?? '';
  const file = inDir('embedded.forebay');
  await eventually(async () => {
    await fetch(`${url}/v1/files/${id}`);
    const made = await runToEnd(['backup', '--out', file, '--force', '--json', '--url', url]);
    expect(JSON.parse(made.stdout)).toMatchObject({ entries: { 'file:info': 1 } });
  });
  expect(await runToEnd(['restore', file, '--url', url])).toMatchObject({ code: 0, stdout: expect.stringContaining('1 were there') });
});
