import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Forebay } from '../../../src/forebay.ts';
import { createForebay } from '../../../src/forebay.ts';
import { startService } from '../../../src/service/server.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';
import { startCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { runProgram } from '../../support/program.ts';
import { freePort, startRedis } from '../../support/redis.ts';
import { plain, runOnTerminal } from '../../support/terminal.ts';

const TOKEN = 'a-token-of-enough-length';
const env = { FOREBAY_TOKEN: TOKEN };
/** What a program that had the whole terminal has to leave behind: lines that go on, a cursor, and the screen of before, in this order and last. */
const GIVEN_BACK = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe.each([
  ['one server', startRedis],
  ['a Cluster', startCluster],
])('a service on %s', (kind, startServers) => {
  let redis: Awaited<ReturnType<typeof startServers>>;
  let forebay: Forebay;
  let port: number;
  let service: Awaited<ReturnType<typeof startService>>;
  let url: string;
  const reading = new AbortController();
  let readers: Promise<void>;

  beforeAll(async () => {
    redis = await startServers();
    const database = await postgres.createDatabase(`top_${kind === 'a Cluster' ? 1 : 0}`);
    forebay = await createForebay({ database, redis: redis.url, warm: 'off' });
    port = await freePort();
    const start = () => startService({ forebay, config: { port, token: TOKEN } });
    service = await start();
    url = `http://127.0.0.1:${port}`;
    const ids: string[] = [];
    // Tags whose names would clear the screen, change its colours, and take two cells a character.
    for (const tag of ['a\u001b[2J', 'b\u009b31m', '日本語のタグ'])
      ids.push((await forebay.files.create({ path: `/srv/${randomUUID()}`, size: 1, ownerId: 'ann', tags: [tag] })).record.id);
    const read = async (): Promise<void> => {
      while (!reading.signal.aborted) {
        for (let i = 0; i < 20; i += 1) for (const id of ids) await forebay.files.get(id);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    readers = read();
  });
  afterAll(async () => {
    reading.abort();
    await readers;
    await service.close();
    await forebay.close();
    await redis.stop();
  });

  test('the numbers move under load, keys and tags are shown harmless, and Ctrl-C gives the terminal back', async () => {
    await using terminal = runOnTerminal(['top', '--url', url], { env, columns: 100, rows: 40 });
    await terminal.shows((screen) => expect(screen).toMatch(/reads\/s {4}[1-9][\d,]* .*hit ratio {2}\d/s));
    await terminal.shows((screen) => {
      expect(screen).toContain('a\ufffd[2J');
      expect(screen).toContain('b\ufffd31m');
      expect(screen).toContain('日本語のタグ');
    });
    expect(terminal.raw()).not.toContain('\u009b');
    expect(terminal.raw().slice(terminal.raw().indexOf('\u001b[H'))).not.toContain('\u001b[2J');
    const seen = new Set<string>();
    await terminal.shows((screen) => {
      seen.add(/\d\d:\d\d:\d\d/.exec(screen)?.[0] ?? '');
      expect(seen.size).toBeGreaterThan(2);
    });
    expect(terminal.screen()).toContain(
      kind === 'a Cluster' ? `127.0.0.1:${'primaries' in redis ? redis.primaries[2] : 0}` : `127.0.0.1:${'port' in redis ? redis.port : 0}`,
    );
    expect(terminal.raw().startsWith('\u001b[?1049h\u001b[?25l')).toBe(true);
    terminal.type('\u0003');
    expect(await terminal.exited).toBe(0);
    expect(terminal.raw().endsWith(GIVEN_BACK)).toBe(true);
  });

  test('it follows the size of the terminal, and ends by q', async () => {
    await using terminal = runOnTerminal(['top', '--url', url], { env: { ...env, NO_COLOR: '1' } });
    await terminal.shows((screen) => expect(screen.split('\n').length).toBeLessThanOrEqual(24));
    await terminal.shows((screen) => expect(screen).toContain('hot tags'));
    terminal.resize(40, 9);
    await terminal.shows((screen) => {
      expect(screen.split('\n')).toHaveLength(9);
      for (const line of screen.split('\n')) expect(line.length).toBeLessThanOrEqual(40);
    });
    expect(terminal.raw()).not.toContain('\u001b[32m');
    terminal.type('q');
    expect(await terminal.exited).toBe(0);
    expect(terminal.raw().endsWith(GIVEN_BACK)).toBe(true);
  });

  test('a service that goes away is told within two seconds, with the last numbers as old ones, and shown live again when it is back', async () => {
    await using terminal = runOnTerminal(['top', '--url', url], { env, columns: 100, rows: 40 });
    await terminal.shows((screen) => expect(screen).toContain('reads/s'));
    await service.close();
    const goneAt = performance.now();
    await terminal.shows((screen) => expect(screen).toMatch(/The service is gone \(.+\): the numbers are \d+ s old/));
    expect(performance.now() - goneAt).toBeLessThan(2000);
    expect(terminal.screen()).toContain('reads/s');
    await terminal.shows((screen) => expect(screen).toContain('ECONNREFUSED'));
    service = await startService({ forebay, config: { port, token: TOKEN } });
    await terminal.shows((screen) => {
      expect(screen).toContain('reads/s');
      expect(screen).not.toContain('gone');
    });
    // Told to end by the system, as when the window is closed.
    process.kill(await terminal.pid(), 'SIGTERM');
    expect(await terminal.exited).toBe(0);
    expect(terminal.raw().endsWith(GIVEN_BACK)).toBe(true);
  });

  test('where the output is no terminal it is one frame without escapes, with the token and without', async () => {
    await using program = runProgram(['top', '--url', url], { env });
    expect(await program.exited).toBe(0);
    expect(program.stderr()).toBe('');
    expect(program.stdout().replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(program.stdout()).toMatch(/reads\/s +[1-9]/);
    expect(program.stdout()).toContain('hot tags');
    await using open = runProgram(['top', '--once', '--url', url]);
    expect(await open.exited).toBe(0);
    expect(open.stdout()).toContain('need the token');
  });

  test('--json gives an object a second, for as many seconds as asked', async () => {
    await using program = runProgram(['top', '--json', '--count', '2', '--url', url], { env });
    expect(await program.exited).toBe(0);
    const lines = program.stdout().trim().split('\n');
    expect(lines).toHaveLength(2);
    const [first, second] = lines.map((line) => JSON.parse(line) as { live: boolean; snapshot: { at: number; reads: { all: number } } });
    expect(first).toMatchObject({ live: true, problem: null });
    expect(second?.snapshot.at).toBeGreaterThan(first?.snapshot.at ?? Number.NaN);
    expect(second?.snapshot.reads.all).toBeGreaterThan(0);
    expect(program.stdout()).not.toContain('\u009b');
  });

  test('--json ends when nobody reads it any more', async () => {
    const command = `'${process.execPath}' dist/cli/main.js top --json --url ${url} | head -1`;
    await using program = runProgram([], { command: ['sh', '-c', command], env });
    expect(await program.exited).toBe(0);
    expect(program.stdout().trim().split('\n')).toHaveLength(1);
  });
});

test('a frozen service is shown as silent, with its numbers old', async () => {
  const database = await postgres.createDatabase('top_frozen');
  await using served = runProgram(['serve', '--database-url', database, '--redis-url', 'none', '--port', '0', '--warm', 'off']);
  const url = await served.url();
  await using terminal = runOnTerminal(['top', '--url', url]);
  await terminal.shows((screen) => expect(screen).toContain('reads/s'));
  process.kill(served.pid, 'SIGSTOP');
  try {
    await terminal.shows((screen) => expect(screen).toMatch(/No news for \d s: the numbers are old/));
    await terminal.shows((screen) => expect(screen).toContain('it is silent for 3 s'));
  } finally {
    process.kill(served.pid, 'SIGCONT');
  }
  await terminal.shows((screen) => expect(screen).not.toMatch(/old|gone/));
});

test('a crash gives the terminal back before it is told', async () => {
  const forebay = await createForebay({ database: await postgres.createDatabase('top_crash'), redis: null, warm: 'off' });
  const service = await startService({ forebay, config: { port: 0 } });
  // Whatever comes out of a timer and is caught by nobody.
  const crash = `--import=data:text/javascript,${encodeURIComponent('setTimeout(() => { throw new Error("a fault of the program") }, 2500)')}`;
  await using terminal = runOnTerminal(['top', '--url', service.url], { env: { NODE_OPTIONS: crash } });
  expect(await terminal.exited).not.toBe(0);
  const [before = '', after = ''] = terminal.raw().split(GIVEN_BACK);
  expect(plain(before)).toContain('reads/s');
  expect(after).toContain('a fault of the program');
  await service.close();
  await forebay.close();
});

test('bad input is told with what to do, and nobody there is exit code 1, on the screen that stays', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const run = async (args: readonly string[]) => {
    await using program = runProgram(['top', ...args]);
    return { code: await program.exited, stderr: program.stderr() };
  };
  expect(await run(['--url', url])).toMatchObject({ code: 1, stderr: expect.stringContaining(`no service of Forebay answers at ${url}`) });
  expect(await run(['--count', '3'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--count is for --json') });
  expect(await run(['--json', '--count', '0'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('must be a whole number from 1 to'),
  });
  await using terminal = runOnTerminal(['top', '--url', url]);
  expect(await terminal.exited).toBe(1);
  expect(terminal.raw()).not.toContain('\u001b[?1049h');
  await eventually(async () => expect(terminal.raw()).toContain('ECONNREFUSED'));
});
