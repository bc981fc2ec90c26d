import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/server.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { runToEnd, type Ended, type ProgramOptions } from '../support/program.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';

const TOKEN = 'a-token-of-enough-length';

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
  let service: Service;
  let database: string;
  let ids: string[];
  const ask = (args: readonly string[], options: ProgramOptions = {}): Promise<Ended> =>
    runToEnd([...args, '--url', service.url], { ...options, env: { FOREBAY_TOKEN: TOKEN, ...options.env } });
  const isCached = async (id: string): Promise<boolean> => (await forebay.files.inspect(id)).local.state === 'fresh';

  beforeAll(async () => {
    redis = await startServers({ args: SOUND_REDIS });
    database = await postgres.createDatabase(`commands_${kind === 'a Cluster' ? 1 : 0}`);
    forebay = await createForebay({
      database,
      redis: redis.url,
      warm: 'off',
    });
    service = await startService({ forebay, config: { port: 0, token: TOKEN } });
  });
  afterAll(async () => {
    await service.close();
    await forebay.close();
    await redis.stop();
  });
  beforeEach(async () => {
    ids = [];
    for (const tag of ['red', 'red', 'blue']) {
      const file = { path: `/srv/${tag}/${randomUUID()}`, size: 1, mimeType: 'text/plain', ownerId: 'ann', tags: [tag] };
      ids.push((await forebay.files.create(file)).record.id);
    }
    await eventually(async () => {
      await forebay.files.getMany(ids);
      for (const id of ids) expect(await isCached(id)).toBe(true);
    });
  });

  test('inspect shows what each tier holds, and what the next read will do', async () => {
    const [id = ''] = ids;
    const { code, stdout } = await ask(['inspect', id]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`record \\(file:info:\\{${id}\\}\\)\\n  memory  fresh: version \\d+, .* to live, \\d+ bytes, tags .*red`),
    );
    expect(stdout).toContain('a read is answered from memory');
    const json = await ask(['inspect', id, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      info: { local: { state: 'fresh' }, remote: { state: 'fresh' } },
      meta: { local: { state: 'none' } },
    });
  });

  test('invalidate makes caches forget the files named, on the command line or on standard input, and no others', async () => {
    const [first = '', second = '', third = ''] = ids;
    expect(await ask(['invalidate', first, '--dry-run'])).toMatchObject({ code: 0, stdout: 'Every cache would forget 1 file.\n' });
    expect(await isCached(first)).toBe(true);
    expect(await ask(['invalidate', first])).toMatchObject({ code: 0, stdout: 'Every cache has forgotten 1 file.\n' });
    const piped = await ask(['invalidate', '-', '--json'], { input: `${second}\n\n${second.toUpperCase()}\n` });
    expect(JSON.parse(piped.stdout)).toEqual({ ids: 1, tags: 0, all: false, dryRun: false, invalidation: 'applied' });
    expect(await Promise.all(ids.map(isCached))).toEqual([false, false, true]);
    expect((await forebay.files.inspect(first)).remote.state).toBe('none');
    expect(await isCached(third)).toBe(true);
  });

  test('with --alone it needs no service: every running instance hears of it, and none but the settings are asked', async () => {
    const [first = ''] = ids;
    const servers = ['--database-url', database, '--redis-url', redis.url, '--alone'];
    expect(await runToEnd(['invalidate', first, ...servers])).toMatchObject({
      code: 0,
      stdout: 'Every cache has forgotten 1 file.\n',
      stderr: '',
    });
    await eventually(async () => expect(await Promise.all(ids.map(isCached))).toEqual([false, true, true]));
    expect(await runToEnd(['invalidate', first, ...servers, '--url', service.url])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('leave out --url, or --alone'),
    });
  });

  test('invalidate by tag reaches those that carry it', async () => {
    expect(await ask(['invalidate', '--tag', 'red'])).toMatchObject({ code: 0, stdout: 'Every cache has forgotten 1 tag.\n' });
    expect(await Promise.all(ids.map(isCached))).toEqual([false, false, true]);
  });

  test('invalidate --all wants a yes, and forgets everything with one', async () => {
    expect(await ask(['invalidate', '--all'])).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') });
    expect(await Promise.all(ids.map(isCached))).toEqual([true, true, true]);
    expect(await ask(['invalidate', '--all', '--yes'])).toMatchObject({ code: 0, stdout: 'Every cache has forgotten everything.\n' });
    expect(await Promise.all(ids.map(isCached))).toEqual([false, false, false]);
  });

  test.each([
    ['nothing named', ['invalidate'], 'give ids, --tag TAG or --all'],
    ['ids with --all', ['invalidate', '--all', randomUUID()], 'leave out ids and tags'],
    ['a bad id', ['invalidate', 'x'], '"x" is not a file id'],
    ['a bad id to inspect', ['inspect', 'x'], '"x" is not a file id'],
    ['a bad tag', ['invalidate', '--tag', 'x'.repeat(300)], 'refused'],
  ])('%s is a clear error with exit code 2', async (_, args, words) => {
    expect(await ask(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
  });

  test('a wrong token is told, with what to do', async () => {
    const [id = ''] = ids;
    const env = { FOREBAY_TOKEN: 'another-token-of-that-length' };
    expect(await ask(['inspect', id], { env })).toMatchObject({ code: 1, stderr: expect.stringContaining('UNAUTHORIZED') });
    expect(await ask(['invalidate', id], { env })).toMatchObject({ code: 1, stderr: expect.stringContaining('UNAUTHORIZED') });
    expect(await isCached(id)).toBe(true);
  });

  test('status says that all is well, and what is amiss when Redis is isolated', async () => {
    expect(await ask(['status'])).toMatchObject({ code: 0, stdout: expect.stringContaining('serves, and all is well') });
    forebay.redis?.isolate();
    const isolated = await ask(['status']);
    forebay.redis?.restore();
    expect(isolated).toMatchObject({ code: 0, stdout: expect.stringContaining('its breaker is isolated') });
    expect(isolated.stdout).toContain('amiss      Redis is isolated by hand');
    await eventually(async () =>
      expect(JSON.parse((await ask(['status', '--json'])).stdout)).toMatchObject({ ready: true, redis: 'up', alerts: [] }),
    );
  });
});

test('nobody there is exit code 1, and says how to go on', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  for (const args of [['status'], ['inspect', randomUUID()], ['invalidate', randomUUID()]])
    expect(await runToEnd([...args, '--url', url])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`no service of Forebay answers at ${url} (ECONNREFUSED); start one, or give --url`),
    });
});
