import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/server.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';
import type { Ended } from '../support/program.ts';
import { runHere } from '../support/run-here.ts';

const TOKEN = 'a-token-of-enough-length';
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

interface World {
  readonly forebay: Forebay;
  readonly service: Service;
  readonly database: string;
  readonly logs: string[];
  readonly ask: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Ended>;
  readonly close: () => Promise<void>;
}

let databases = 0;

async function openWorld(redis: string): Promise<World> {
  databases += 1;
  const database = await postgres.createDatabase(`recover_${databases}`);
  const logs: string[] = [];
  const say = (_: object, message: string): void => void logs.push(message);
  const logger = { debug: () => {}, info: say, warn: say, error: say };
  const forebay = await createForebay({ database, redis, logger, cache: { budgetMs: 1000 } });
  for (let n = 1; n <= 30; n += 1)
    await forebay.files.create({ id: id(n), path: `/srv/${n}`, size: n, mimeType: 'text/plain', ownerId: 'ann' });
  await eventually(async () => expect((await forebay.readiness()).reasons).toEqual([]));
  // Its start has been warmed.
  await eventually(async () => expect((await forebay.recover({ dryRun: true })).outcome).toBe('well'));
  const service = await startService({ forebay, config: { port: 0, token: TOKEN } });
  return {
    forebay,
    service,
    database,
    logs,
    ask: (command, env = {}) => runHere([...command, '--url', service.url], { env: { FOREBAY_TOKEN: TOKEN, ...env } }),
    close: async () => {
      await service.close();
      await forebay.close();
    },
  };
}

describe.each([
  ['one server', startRedis],
  ['a Cluster', startCluster],
])('forebay recover on %s', (_, startServers) => {
  let redis: Awaited<ReturnType<typeof startServers>>;
  let world: World;
  beforeAll(async () => {
    redis = await startServers({ args: SOUND_REDIS });
    world = await openWorld(redis.url);
  });
  afterAll(async () => {
    await world.close();
    await redis.stop();
  });

  test('when nothing is broken it says so, and does nothing', async () => {
    expect(await world.ask(['recover', '--dry-run'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to recover') });
    expect(await world.ask(['recover', '--watch'])).toMatchObject({ code: 0, stdout: 'No recovery is under way.\n' });
    expect(await world.ask(['recover'])).toEqual({
      code: 0,
      stdout: 'Nothing to recover: Redis and the database answer, and Redis has followed all changes.\n',
      stderr: '',
    });
    expect(world.forebay.recoveries()).toEqual({ current: null, past: [] });
  });

  test('an isolation by hand is never lifted silently; with --restore it is, and what was missed is replayed before Redis is believed', async () => {
    world.forebay.redis?.isolate();
    for (let n = 1; n <= 5; n += 1) await world.forebay.files.update(id(n), { size: 1000 + n });
    const refused = await world.ask(['recover']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('outage: Redis is isolated by hand') });
    expect(refused.stdout).toMatch(
      /^Not recovered after .*\n  broken  Redis is isolated by hand\n  do      an operator took Redis out of use; forebay recover --restore uses it again\n$/,
    );
    expect(world.forebay.redis?.state).toBe('isolated');
    expect((await world.ask(['recover', '--restore', '--dry-run'])).stdout).toContain('1. end the isolation of Redis');
    expect(world.forebay.redis?.state).toBe('isolated');
    await using program = runProgram(['recover', '--restore', '--url', world.service.url], { env: { FOREBAY_TOKEN: TOKEN } });
    expect(await program.exited).toBe(0);
    const [stdout, stderr] = [program.stdout(), program.stderr()];
    expect(stdout).toContain('Recovered in');
    expect(stdout).toMatch(
      /ended the isolation of Redis; Redis has followed all changes; what is popular: \d+ loaded, \d+ found; all traffic is back\./,
    );
    expect(stderr).toMatch(/verified after .* s: \d+ entr(?:y|ies) of the log replayed into Redis\n/);
    expect(stderr).toMatch(/all traffic back after .* s\n$/);
    expect(await world.forebay.files.get(id(3))).toMatchObject({ size: 1003 });
    expect(world.forebay.recoveries()).toMatchObject({
      current: null,
      past: [{ causes: ['redis_isolated'], verified: 'replayed', phase: 'over' }],
    });
    const answer = await fetch(`${world.service.url}/v1/recovery`);
    expect(await answer.json()).toEqual(world.forebay.recoveries());
    expect(world.logs.filter((line) => line.startsWith('recovered'))).toEqual([
      expect.stringMatching(/^recovered: outage: Redis is isolated by hand; reached after /),
    ]);
    expect(world.forebay.events().map(({ text }) => text)).toContain('A recovery begins: Redis is isolated by hand.');
    const { body } = await world.forebay.metricsText();
    expect(body).toContain('forebay_recovery_causes_total{cause="redis_isolated"} 1');
    expect(body).toContain('forebay_recoveries_completed_total 1');
    expect(body).toContain('forebay_recovery_phase{phase="over"} 1');
  });

  test('with --alone it brings Redis level with the database, without a service', async () => {
    const ran = await runHere(['recover', '--alone', '--json', '--database-url', world.database, '--redis-url', redis.url]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ outcome: 'well', broken: [] });
  });
});

test('Redis that was killed is tried at once when it is there again, and found empty it is warmed', async () => {
  const port = await freePort();
  let redis = await startRedis({ port, args: SOUND_REDIS });
  const world = await openWorld(redis.url);
  try {
    await redis.kill();
    await eventually(async () => expect(world.forebay.recoveries().current).toMatchObject({ phase: 'outage', causes: ['redis_away'] }));
    const gone = await world.ask(['recover', '--wait', '300ms', '--json']);
    expect(gone.code).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject({
      outcome: 'broken',
      steps: ['tried at once what did not answer'],
      broken: [{ what: 'redis_away', advice: expect.stringContaining('forebay doctor') }],
    });
    // Followed by one who leaves, it goes on.
    const stop = new AbortController();
    const left = runHere(['recover', '--watch', '--url', world.service.url], { env: { FOREBAY_TOKEN: TOKEN }, stop: stop.signal });
    redis = await startRedis({ port, args: SOUND_REDIS });
    const following = world.ask(['recover']);
    await eventually(async () => expect(world.forebay.recoveries().current?.phase).toBe('paced'));
    stop.abort();
    expect(await left).toMatchObject({ code: 130, stderr: expect.stringContaining('the service goes on recovering by itself') });
    const { code, stderr } = await following;
    expect(code).toBe(0);
    expect(stderr).toMatch(/recovery 1: outage: Redis does not answer/);
    expect(stderr).toMatch(/verified after .* s: Redis began anew: nothing that it held before counts\n/);
    expect(world.forebay.recoveries()).toMatchObject({
      current: null,
      past: [{ causes: ['redis_away', 'redis_empty'], verified: 'anew', warmed: 'here' }],
    });
  } finally {
    await world.close();
    await redis.stop();
  }
});

test('a database that does not answer is told, and is what a recovery begins with', async () => {
  // What was committed has to be there after the crash, or it is another fault.
  await using own = await startPostgres({ args: ['-c', 'synchronous_commit=on'] });
  await using redis = await startRedis({ args: SOUND_REDIS });
  const forebay = await createForebay({ database: await own.createDatabase('own'), redis: redis.url });
  const service = await startService({ forebay, config: { port: 0 } });
  try {
    await own.crash();
    await eventually(async () => expect(forebay.recoveries().current).toMatchObject({ causes: ['database_away'] }));
    const broken = await runHere(['recover', '--wait', '0', '--url', service.url]);
    expect(broken).toMatchObject({ code: 1, stdout: expect.stringContaining('broken  the database does not answer') });
    await own.start();
    expect(await runHere(['recover', '--watch', '--url', service.url])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Recovered in'),
    });
  } finally {
    await service.close();
    await forebay.close();
  }
});

test('bad command lines, a wrong token and nobody there are clear errors', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  expect(await runHere(['recover', '--wait', 'soon', '--url', url])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('must be a duration up to 1h'),
  });
  expect(await runHere(['recover', '--watch', '--restore', '--url', url])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--watch does nothing'),
  });
  expect(await runHere(['recover', '--url', url])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no service of Forebay answers'),
  });
  await using redis = await startRedis({ args: SOUND_REDIS });
  const world = await openWorld(redis.url);
  const wrong = await world.ask(['recover'], { FOREBAY_TOKEN: 'another-token-of-that-length' });
  await world.close();
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('UNAUTHORIZED') });
});
