import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BenchResult } from '../../src/cli/bench/result.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { ended, runProgram, runToEnd, type Ended } from '../support/program.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';
import { tempDir } from '../support/temp.ts';
import { runOnTerminal } from '../support/terminal.ts';
import { Client } from 'pg';

const TOKEN = 'a-token-of-enough-length';

let postgres: TestPostgres;
let dir: Awaited<ReturnType<typeof tempDir>>;
beforeAll(async () => {
  [postgres, dir] = await Promise.all([startPostgres(), tempDir()]);
});
afterAll(async () => {
  await postgres.stop();
  await dir[Symbol.asyncDispose]();
});

const bench = (args: readonly string[]): Promise<Ended> => runToEnd(['bench', ...args], { env: { FOREBAY_TOKEN: TOKEN } });

/** One number that a statement gives. */
async function ask(database: string, sql: string): Promise<number> {
  const client = new Client({ connectionString: database });
  await client.connect();
  try {
    const { rows } = await client.query<{ n: number }>(sql);
    return rows[0]?.n ?? -1;
  } finally {
    await client.end();
  }
}
const benchRows = (database: string): Promise<number> =>
  ask(database, `select count(*)::int as n from forebay.file_info where owner_id = 'forebay-bench'`);

function resultOf({ code, stdout, stderr }: Ended): BenchResult {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as BenchResult;
}

function expectSound(result: BenchResult): void {
  const { reads, answered, elapsedMs, staleness } = result;
  expect(result).toMatchObject({ complete: true, errors: {}, absent: 0 });
  expect(reads.records).toBeGreaterThan(30);
  expect(answered.memory + answered.redis + answered.database + answered.stale).toBe(reads.records);
  expect((reads.callsPerSecond * elapsedMs) / 1000 / reads.calls).toBeCloseTo(1, 2);
  expect(staleness).toMatchObject({ stalerThanBound: 0, behindOwnWrites: 0 });
  expect(staleness.checked).toBeGreaterThan(0);
}

describe.each([
  ['one server', startRedis],
  ['a Cluster', startCluster],
])('on %s', (kind, startServers) => {
  let redis: Awaited<ReturnType<typeof startServers>>;
  let database: string;
  let servers: string[];

  beforeAll(async () => {
    redis = await startServers({ args: SOUND_REDIS });
    database = await postgres.createDatabase(`bench_${kind === 'a Cluster' ? 1 : 0}`);
    servers = ['--database-url', database, '--redis-url', redis.url];
  });
  afterAll(() => redis.stop());

  test('the library is measured, with a small local tier Redis answers too, and no row is left', async () => {
    const args = ['--duration', '1500ms', '--keys', '300', '--writes', '0.05', '--local-max-entries', '100', '--json'];
    const result = resultOf(await bench([...servers, ...args]));
    expectSound(result);
    expect(result.target.kind).toBe('library');
    expect(result.answered.memory).toBeGreaterThan(0);
    expect(result.answered.redis).toBeGreaterThan(0);
    expect(result.database?.server?.transactionsPerSecond).toBeGreaterThan(0);
    expect(await benchRows(database)).toBe(0);
  });

  test('a running service is measured over HTTP, by single reads, batches and at a rate, and no row is left', async () => {
    await using served = runProgram(['serve', ...servers, '--port', '0', '--warm', 'off'], { env: { FOREBAY_TOKEN: TOKEN } });
    const url = await served.url();
    const args = ['--url', url, '--duration', '1s', '--keys', '200', '--writes', '0.1', '--json'];
    const single = resultOf(await bench([...args, '--concurrency', '8']));
    expectSound(single);
    expect(single.target).toMatchObject({ kind: 'http', maxStalenessMs: 1000 });
    expect(single.database?.calls).toBeGreaterThan(0);
    const batched = resultOf(await bench([...args, '--batch', '20', '--rate', '50']));
    expectSound(batched);
    expect(batched.reads.records).toBeGreaterThan(batched.reads.calls * 10);
    expect(await benchRows(database)).toBe(0);
    await using stranger = runProgram(['bench', ...args]);
    expect(await ended(stranger)).toMatchObject({ code: 1, stderr: expect.stringContaining('UNAUTHORIZED') });
  });

  test('Ctrl-C half-way prints what was measured, leaves no row, and it can be run again', async () => {
    const args = ['bench', ...servers, '--duration', '1m', '--keys', '3000', '--json'];
    await using program = runProgram(args);
    await eventually(async () =>
      expect(
        await ask(
          database,
          `select count(*)::int as n from forebay.file_info where version > 0 and size <> name::int and owner_id = 'forebay-bench' and name <> 'running'`,
        ),
      ).toBeGreaterThan(0),
    );
    program.killGroup('SIGINT');
    const { code, stdout } = await ended(program);
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ complete: false, errors: {} });
    expect(await benchRows(database)).toBe(0);
    expectSound(resultOf(await bench([...servers, '--duration', '1s', '--keys', '200', '--writes', '0.1', '--json'])));
  });

  test('what a killed run left is removed by --clean', async () => {
    await using program = runProgram(['bench', ...servers, '--duration', '1m', '--keys', '2000']);
    await eventually(async () => expect(await benchRows(database)).toBe(2001));
    program.killGroup('SIGKILL');
    await program.exited;
    // As if it had been killed so long ago that nobody takes it for alive.
    await ask(
      database,
      `update forebay.file_info set updated_at = now() - interval '11 s' where name = 'running' and owner_id = 'forebay-bench' returning 1 as n`,
    );
    const cleaned = await bench([...servers, '--clean', '--json']);
    expect({ ...cleaned, stdout: JSON.parse(cleaned.stdout) as unknown }).toEqual({
      code: 0,
      stdout: { runs: 1, records: 2000, left: 0 },
      stderr: '',
    });
    expect(await benchRows(database)).toBe(0);
  });

  test('--existing reads what is there and writes nothing, or new versions of the same when that is asked for twice', async () => {
    const folder = path.join(dir.path, randomUUID());
    await ask(
      database,
      `insert into forebay.file_info (id, name, path, size, mime_type, owner_id) select gen_random_uuid(), n::text, '${folder}/' || n, n, 'text/plain', 'ann' from generate_series(1, 50) n returning 1 as n`,
    );
    const state = (): Promise<number> => ask(database, 'select sum(size)::int as n from forebay.file_info');
    const versions = (): Promise<number> => ask(database, 'select max(version)::int as n from forebay.file_info');
    const before = [await state(), await versions()];
    const args = [...servers, '--existing', '--duration', '1s', '--json'];
    const reading = resultOf(await bench(args));
    expect(reading).toMatchObject({ complete: true, errors: {}, writes: { calls: 0 }, plan: { keys: 50 } });
    expect([await state(), await versions()]).toEqual(before);
    expect(await bench([...args, '--writes', '0.5'])).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') });
    const writing = resultOf(await bench([...args, '--writes', '0.5', '--concurrency', '1', '--yes']));
    expect(writing.writes.calls).toBeGreaterThan(0);
    expect(writing.staleness.stalerThanBound).toBe(0);
    expect(await state()).toBe(before[0]);
    expect(await versions()).toBeGreaterThan(before[1] ?? Number.NaN);
  });
});

test('with nothing configured it works on the embedded database and Redis; while a service has them open it says how to go on', async () => {
  const data = path.join(dir.path, 'data');
  const result = resultOf(await bench(['--data', data, '--duration', '1s', '--keys', '200', '--writes', '0.1', '--json']));
  expectSound(result);
  await using served = runProgram(['serve', '--data', data, '--port', '0'], { env: { FOREBAY_TOKEN: TOKEN } });
  const url = await served.url();
  expect(await bench(['--data', data])).toMatchObject({ code: 1, stderr: expect.stringMatching(/DATA_DIR_IN_USE.*by --url/) });
  const { code, stdout, stderr } = await bench(['--url', url, '--duration', '1s', '--keys', '100', '--writes', '0.1']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/throughput +[\d,]+ reads\/s/);
  expect(stdout).toMatch(/staleness +0 of [\d,]+ reads/);
  await using stopped = runProgram(['bench', '--url', url, '--duration', '1m', '--keys', '500'], { env: { FOREBAY_TOKEN: TOKEN } });
  await stopped.printed(/Measuring: /);
  stopped.killGroup('SIGINT');
  expect(await ended(stopped)).toMatchObject({ code: 130, stdout: expect.stringMatching(/^Interrupted: /) });
  expect(await bench(['--url', url, '--clean', '--json'])).toEqual({ code: 0, stdout: '{"runs":0,"records":0,"left":0}\n', stderr: '' });
});

test('a person sees how far it is and how long it takes', async () => {
  const database = await postgres.createDatabase('bench_watched');
  await using terminal = runOnTerminal(['bench', '--database-url', database, '--redis-url', 'none', '--duration', '2s', '--keys', '100'], {
    columns: 120,
  });
  await eventually(async () => expect(terminal.raw()).toMatch(/Measuring .*of 2 s, [\d,]+ calls\/s, (\d s|\d+ ms) left/));
  expect(await terminal.exited).toBe(0);
  expect(terminal.raw()).toMatch(/hit ratio/);
});

test('a trace is replayed once, whatever its form', async () => {
  const database = await postgres.createDatabase('bench_trace');
  const file = path.join(dir.path, 'reads.txt.gz');
  writeFileSync(file, gzipSync(Array.from({ length: 900 }, (_, i) => `/srv/${i % 90}\n`).join('')));
  const result = resultOf(
    await bench(['--database-url', database, '--redis-url', 'none', '--trace', file, '--writes', '0', '--concurrency', '1', '--json']),
  );
  expect(result).toMatchObject({
    plan: { keys: 90 },
    reads: { records: 900 },
    answered: { memory: 810, database: 90 },
    hitRatio: { total: 0.9 },
  });
});

test('bad input is told with what to do, before anything is opened', async () => {
  const nowhere = ['--database-url', `postgres://127.0.0.1:${await freePort()}/none`, '--redis-url', 'none'];
  const damaged = path.join(dir.path, 'damaged.txt');
  writeFileSync(damaged, 'a\nb\n\nc\n');
  for (const [args, words] of [
    [['--trace', '/none'], '--trace="/none": there is no such file'],
    [['--trace', damaged], 'line 3 is empty'],
    [['--keys=-1'], '--keys="-1": must be a whole number from 1 to 1000000'],
    [['--durration', '5s'], 'Did you mean --duration?'],
  ] as const)
    expect(await bench([...nowhere, ...args])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
  expect(await bench(['--url', `http://127.0.0.1:${await freePort()}`])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no service of Forebay answers'),
  });
  expect(await bench([...nowhere, '--dry-run'])).toEqual({
    code: 0,
    stderr: '',
    stdout: 'It would make 10,000 records and remove them after: 10,000 records, Zipf 0.9, 1 % writes, closed loop of 32, seed 1.\n',
  });
});
