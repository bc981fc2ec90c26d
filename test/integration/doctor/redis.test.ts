import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createForebay } from '../../../src/forebay.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { startCluster } from '../../support/cluster.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { TestRedis } from '../../support/redis.ts';
import { freePort, SOUND_REDIS, startRedis } from '../../support/redis.ts';
import { startSentinels } from '../../support/sentinel.ts';
import type { Databases } from './world.ts';
import { examine, foundIn, sql, startDatabases } from './world.ts';

let databases: Databases;
/** Of checks that need the database for the loop alone. */
let url: string;
beforeAll(async () => {
  databases = await startDatabases();
  url = await databases.fresh('shared');
});
afterAll(() => databases[Symbol.asyncDispose]());

const memory = (policy: string, max = '64mb'): string[] => ['--maxmemory', max, '--maxmemory-policy', policy];

/** Takes more than nine tenths of the memory, as a user's own keys would. */
async function fill(at: string): Promise<void> {
  const admin = new Redis(at);
  const share = async (): Promise<number> => {
    const info = await admin.info('memory');
    const field = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
    return field('used_memory') / field('maxmemory');
  };
  for (let n = 0; (await share()) < 0.92; n += 1) await admin.set(`a-user-s:${n}`, 'x'.repeat(100_000));
  admin.disconnect();
}

describe('a doctor finds of Redis', () => {
  test.each<[string, readonly string[], boolean, readonly string[]]>([
    ['that it has no limit', [], false, ['redis.memory warning: HERE: maxmemory is not set']],
    ['that it evicts nothing', memory('noeviction'), false, ['redis.memory warning: HERE: maxmemory-policy is noeviction']],
    [
      'that it evicts nothing and is nearly full',
      memory('noeviction', '16mb'),
      true,
      ['redis.memory warning: HERE: maxmemory-policy is noeviction', 'redis.memory error: HERE: 9'],
    ],
    ['that it evicts what expires only', memory('volatile-lru'), false, ['redis.memory warning: HERE: maxmemory-policy is volatile-lru']],
    ['that it has no room for records', memory('allkeys-lru', '900kb'), false, ['redis.memory error: HERE: 0.']],
    ['that it may take more than the machine has', memory('allkeys-lru', '900gb'), false, ['redis.memory warning: HERE: maxmemory is']],
    [
      'a tiny buffer for subscribers',
      [...SOUND_REDIS, '--client-output-buffer-limit', 'pubsub 65536 0 0'],
      false,
      ['redis.bus_buffer warning: HERE: client-output-buffer-limit pubsub is 65536 bytes'],
    ],
  ])('%s', async (_, args, isFull, expected) => {
    await using redis = await startRedis({ args });
    if (isFull) await fill(redis.url);
    const report = await examine({ database: url, redis: redis.url, dryRun: true });
    const here = `127.0.0.1:${redis.port}`;
    expect(foundIn(report)).toEqual(expected.map((text) => expect.stringContaining(text.replace('HERE', here))));
    // Its words mend it.
    const mend = report.checks.flatMap(({ findings }) => findings.map((finding) => finding.mend)).join('; ');
    const admin = new Redis(redis.url);
    for (const [, setting = '', value = ''] of mend.matchAll(/config set (\S+) ("[^"]*"|[^;\s]+)/g))
      await admin.config('SET', setting, value.replaceAll('"', ''));
    admin.disconnect();
    expect(foundIn(await examine({ database: url, redis: redis.url, dryRun: true }))).toEqual([]);
  });

  test('a wrong password, without telling it', async () => {
    await using redis = await startRedis({ args: [...SOUND_REDIS, '--requirepass', 'right'] });
    const report = await examine({ database: url, redis: `redis://:a-wrong-one@127.0.0.1:${redis.port}` });
    expect(foundIn(report)).toEqual([expect.stringMatching(/^redis\.reach error: 127\.0\.0\.1:\d+: WRONGPASS/)]);
    expect(JSON.stringify(report)).not.toContain('a-wrong-one');
    const none = await examine({ database: url, redis: redis.url, dryRun: true });
    expect(foundIn(none)).toEqual([expect.stringMatching(/^redis\.reach error: .*NOAUTH/)]);
  });

  test('that nobody is there, while the way by the database alone is proven', async () => {
    const port = await freePort();
    const report = await examine({ database: url, redis: `redis://127.0.0.1:${port}` });
    expect(foundIn(report)).toEqual([expect.stringMatching(/^redis\.reach error: 127\.0\.0\.1:\d+: .*ECONNREFUSED/)]);
    expect(report.checks.find(({ check }) => check === 'loop.lag')?.status).toBe('ok');
  });

  test.each<[string, string, string, readonly string[]]>([
    ['a command', 'command', '~* &* +@all -hgetall', ['redis.rights error: HERE: the user app lacks +hgetall', 'loop.redis error']],
    ['the keys', 'keys', '~other:* &* +@all', ['redis.rights error: HERE: the user app lacks ~*', 'redis.write error', 'loop.redis error']],
    [
      'the channel',
      'channel',
      '~* resetchannels +@all',
      ['redis.bus error: the bus does not work: NOPERM', 'loop.bus warning: no invalidation came'],
    ],
  ])('a user who lacks the right to %s', async (_, name, rights, expected) => {
    await using redis = await startRedis({ args: [...SOUND_REDIS, '--user', ...`app on >secret ${rights}`.split(' ')] });
    const report = await examine({
      database: await databases.fresh(`right ${name}`),
      redis: { url: redis.url, username: 'app', password: 'secret' },
      limits: { rounds: 1 },
    });
    const found = foundIn(report);
    for (const text of expected) expect(found).toContainEqual(expect.stringContaining(text.replace('HERE', `127.0.0.1:${redis.port}`)));
    expect(found.filter((text) => /^(settings|database)/.test(text))).toEqual([]);
    // What it says of the rights mends all of it.
    const admin = new Redis(redis.url);
    for (const { mend } of report.checks.flatMap(({ findings }) => findings)) {
      const [, words = ''] = /ACL SETUSER (.*)$/.exec(mend) ?? [];
      if (words !== '') await admin.call('ACL', 'SETUSER', ...words.replaceAll("'", '').split(' '));
    }
    admin.disconnect();
    const again = await examine({
      database: await databases.fresh(`right ${name} again`),
      redis: { url: redis.url, username: 'app', password: 'secret' },
      keyPrefix: '',
      dryRun: true,
    });
    expect(foundIn(again).filter((text) => !text.startsWith('redis.history'))).toEqual([]);
  });

  test('that it is a replica', async () => {
    await using primary = await startRedis({ args: SOUND_REDIS });
    await using replica = await startRedis({ args: [...SOUND_REDIS, '--replicaof', '127.0.0.1', String(primary.port)] });
    const report = await examine({ database: await databases.fresh('replica'), redis: replica.url, limits: { rounds: 1 } });
    expect(foundIn(report)).toEqual(
      expect.arrayContaining([
        `redis.role error: 127.0.0.1:${replica.port} is a replica`,
        expect.stringMatching(/^redis\.write error: .* refused a write: READONLY/),
      ]),
    );
  });

  test('that it is too far away', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    await using proxy = await FaultProxy.start({ target: redis.port });
    proxy.impose({ toServer: { delayMs: 30 } });
    const near = await examine({ database: url, redis: `redis://127.0.0.1:${proxy.port}`, dryRun: true, redisBudgetMs: 200 });
    expect(foundIn(near)).toEqual([]);
    const report = await examine({ database: url, redis: `redis://127.0.0.1:${proxy.port}`, dryRun: true, redisBudgetMs: 20 });
    expect(foundIn(report)).toEqual([
      expect.stringMatching(/^redis\.latency error: .*a PING takes [34]\d ms, and one read waits for Redis 20 ms/),
    ]);
  });

  test('another deployment that uses it with the same key prefix, at rest and at work', async () => {
    await using redis = await startRedis({ args: SOUND_REDIS });
    const theirs = await databases.fresh('theirs');
    // A copy of a database has its history too.
    await sql(theirs, "update forebay.sequencer set epoch = 'theirs'");
    await using other = await createForebay({ database: theirs, redis: redis.url, warm: 'off' });
    const { record } = await other.files.create({ path: '/theirs', size: 1, ownerId: 'ann' });
    await other.files.get(record.id);
    const ours = await databases.fresh('ours');
    const atRest = await examine({ database: ours, redis: redis.url, dryRun: true });
    expect(foundIn(atRest)).toEqual([expect.stringMatching(/^redis\.history warning: .* holds the history of another database/)]);
    const apart = await examine({ database: ours, redis: redis.url, dryRun: true, keyPrefix: 'ours:' });
    expect(foundIn(apart)).toEqual([]);
    const stop = new AbortController();
    const work = (async () => {
      while (!stop.signal.aborted) {
        await other.files.update(record.id, { size: Math.ceil(Math.random() * 1e6) });
        await other.files.get(randomUUID());
      }
    })();
    const atWork = await examine({ database: ours, redis: redis.url, limits: { rounds: 3 } });
    stop.abort();
    await work;
    expect(foundIn(atWork)).toContainEqual(
      expect.stringMatching(/^loop\.history error: .* another deployment uses it with the same key prefix/),
    );
  });

  test('Sentinels that are away, and that no failover is possible', async () => {
    await using sentinels = await startSentinels({ replicas: 1 });
    for (const at of [1, 2]) sentinels.signalSentinel(at, 'SIGKILL');
    await expect
      .poll(
        async () =>
          foundIn(await examine({ database: url, redis: sentinels.url, dryRun: true })).filter((text) =>
            text.startsWith('redis.sentinels'),
          ),
        {
          timeout: 20_000,
        },
      )
      .toEqual([
        expect.stringMatching(/^redis\.sentinels warning: the Sentinel .*ECONNREFUSED/),
        expect.stringMatching(/^redis\.sentinels warning: the Sentinel .*ECONNREFUSED/),
        expect.stringMatching(/^redis\.sentinels error: no failover is possible: .*NOQUORUM/),
      ]);
  });

  test('slots of a Cluster that nobody serves, and a primary that is away', async () => {
    await using cluster = await startCluster({ args: SOUND_REDIS });
    const [first = 0] = cluster.primaries;
    await cluster.ask(first, 'CLUSTER', 'DELSLOTS', 5);
    const report = await examine({ database: await databases.fresh('uncovered'), redis: cluster.url, dryRun: true });
    expect(foundIn(report)).toContainEqual('redis.cluster error: 1 slot of 16384 are served by nobody');
    await cluster.ask(first, 'CLUSTER', 'ADDSLOTS', 5);
    await cluster.settled();
    expect(foundIn(await examine({ database: url, redis: cluster.url, dryRun: true }))).toEqual([]);
    const last = cluster.primaries.at(-1) ?? 0;
    await cluster.nodes.get(last)?.kill();
    const away = await examine({ database: url, redis: cluster.url, dryRun: true });
    expect(foundIn(away)).toContainEqual(
      expect.stringMatching(new RegExp(`^redis\\.reach error: 127\\.0\\.0\\.1:${last} cannot be used: .*ECONNREFUSED`)),
    );
  });
});

test('a service whose breaker was opened by hand says so', async () => {
  await using redis = await startRedis({ args: SOUND_REDIS });
  await using forebay = await createForebay({
    database: await databases.fresh('isolated'),
    redis: redis.url,
    warm: 'off',
    maxStalenessMs: 5000,
  });
  forebay.redis?.isolate();
  const report = await forebay.doctor({ dryRun: true, limits: { clockMs: 300 } });
  expect(foundIn(report)).toEqual([expect.stringMatching(/^redis\.breaker warning: the breaker of Redis in this process is isolated/)]);
});

test('certificates that nobody verifies are found', async () => {
  const report = await examine({ database: `${url}?sslmode=no-verify`, dryRun: true, env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
  expect(foundIn(report).filter((text) => text.startsWith('settings'))).toEqual([
    expect.stringContaining('NODE_TLS_REJECT_UNAUTHORIZED=0'),
    expect.stringContaining('sslmode=no-verify'),
  ]);
});

describe('of Redis over TLS a doctor says what mends', () => {
  const certificates = makeCertificates();
  const { ca, serverCert, serverKey, clientCert, clientKey } = certificates;
  afterAll(() => certificates[Symbol.dispose]());

  async function startTls(...args: string[]): Promise<TestRedis> {
    const port = await freePort();
    const files = ['--tls-cert-file', serverCert, '--tls-key-file', serverKey, '--tls-ca-cert-file', ca];
    return startRedis({ port, args: [...SOUND_REDIS, '--port', '0', '--tls-port', String(port), ...files, ...args] });
  }

  const advised = async (redis: string): Promise<string> => {
    const report = await examine({ database: url, redis, dryRun: true });
    return report.checks.flatMap(({ check, findings }) => (check === 'redis.reach' ? findings.map(({ mend }) => mend) : [])).join();
  };

  test.each<[string, string, string, string]>([
    ['an authority that is not known', 'no', '', 'authority that signed the certificate: ?caFile='],
    ['a name that is not in the certificate', 'no', `caFile=${ca}&servername=elsewhere`, '?servername='],
    ['a server that asks for a certificate of ours', 'yes', `caFile=${ca}`, 'asks for a certificate of ours'],
  ])('%s', async (_, clients, search, mend) => {
    await using redis = await startTls('--tls-auth-clients', clients);
    expect(await advised(`rediss://localhost:${redis.port}?${search}`)).toContain(mend);
  });

  test('a port that speaks none, one that speaks nothing else, and nothing where all is right', async () => {
    await using plain = await startRedis({ args: SOUND_REDIS });
    expect(await advised(`rediss://localhost:${plain.port}?caFile=${ca}`)).toContain('the port speaks');
    await using redis = await startTls('--tls-auth-clients', 'yes');
    expect(await advised(`redis://localhost:${redis.port}`)).toContain('rediss://');
    const right = `rediss://localhost:${redis.port}?caFile=${ca}&certFile=${clientCert}&keyFile=${clientKey}`;
    expect(foundIn(await examine({ database: url, redis: right, dryRun: true }))).toEqual([]);
  });
});
