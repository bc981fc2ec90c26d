import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { RedisServer } from '../../../src/redis/server-address.ts';
import { describeAddress, isRedisUrl, parseRedisServer } from '../../../src/redis/server-address.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'forebay-address-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string): string => {
  const at = path.join(dir, name);
  writeFileSync(at, text);
  return at;
};

const tuning = { connections: 1, connectTimeoutMs: 2000, frozenAfterMs: 3000, keepAliveMs: 10_000 };
const plain = { login: {}, tls: null, tuning };

describe('the address of Redis', () => {
  test.each([
    ['redis://cache', { kind: 'standalone', host: 'cache', port: 6379, db: 0, ...plain }],
    ['redis://', { kind: 'standalone', host: '127.0.0.1', port: 6379, db: 0, ...plain }],
    ['redis://[::1]:7000/3', { kind: 'standalone', host: '::1', port: 7000, db: 3, ...plain }],
    [
      'redis://us%40er:p%3Aa:ss@cache:1/',
      { kind: 'standalone', host: 'cache', port: 1, db: 0, ...plain, login: { username: 'us@er', password: 'p:a:ss' } },
    ],
    ['redis://:secret@cache', { kind: 'standalone', host: 'cache', port: 6379, db: 0, ...plain, login: { password: 'secret' } }],
    ['rediss://cache', { kind: 'standalone', host: 'cache', port: 6379, db: 0, ...plain, tls: {} }],
    [
      'rediss://10.0.0.1?servername=cache.example',
      { kind: 'standalone', host: '10.0.0.1', port: 6379, db: 0, ...plain, tls: { servername: 'cache.example' } },
    ],
    ['unix:/run/redis.sock', { kind: 'socket', path: '/run/redis.sock', db: 0, ...plain }],
    ['unix:/run/a%20b.sock?db=2', { kind: 'socket', path: '/run/a b.sock', db: 2, ...plain }],
    [
      'redis+sentinel://a,b:26380,[::1]:1/main/4?sentinelUsername=watch&sentinelPassword=x',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 26_380 },
          { host: '::1', port: 1 },
        ],
        master: 'main',
        db: 4,
        ...plain,
        sentinelLogin: { username: 'watch', password: 'x' },
        natMap: {},
      },
    ],
    [
      'redis+cluster://a?natMap=10.0.0.1:7000=out.example:17000,[::1]:7001=out.example:17001',
      {
        kind: 'cluster',
        nodes: [{ host: 'a', port: 6379 }],
        ...plain,
        natMap: { '10.0.0.1:7000': { host: 'out.example', port: 17_000 }, '::1:7001': { host: 'out.example', port: 17_001 } },
      },
    ],
    [
      'rediss+cluster://u:p@a:7000,b?connections=4&frozenAfterMs=500',
      {
        kind: 'cluster',
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 6379 },
        ],
        login: { username: 'u', password: 'p' },
        tls: {},
        tuning: { ...tuning, connections: 4, frozenAfterMs: 500 },
        natMap: {},
      },
    ],
  ])('%s', (url, address) => {
    expect(parseRedisServer(url)).toEqual(address);
    expect(isRedisUrl(url)).toBe(true);
  });

  test('where announced addresses are reached may be given as an object', () => {
    const given = { url: 'redis+sentinel://s/main', natMap: { '10.0.0.1:6379': 'out.example:1', '10.0.0.2:6379': 'out.example:2' } };
    expect(parseRedisServer(given)).toMatchObject({
      natMap: { '10.0.0.1:6379': { host: 'out.example', port: 1 }, '10.0.0.2:6379': { host: 'out.example', port: 2 } },
    });
  });

  test('secrets and certificates come from files, by the URL or beside it', () => {
    const passwordFile = file('password', 'from file\nmore\n');
    const certFile = file('cert.pem', 'cert');
    const keyFile = file('key.pem', 'key');
    const caFile = file('ca.pem', 'ca');
    const address = parseRedisServer({ url: `rediss://cache?caFile=${caFile}`, username: 'app', passwordFile, certFile, keyFile });
    expect(address).toMatchObject({
      login: { username: 'app', password: 'from file' },
      tls: { ca: Buffer.from('ca'), cert: Buffer.from('cert'), key: Buffer.from('key') },
    });
    expect(isRedisUrl('redis://cache?passwordFile=/nowhere')).toBe(true);
  });

  test.each<[string | RedisServer, RegExp]>([
    ['cache:6379', /none that is known; give redis:\/\/HOST:PORT/],
    ['http://cache', /none that is known/],
    ['redis://cache:99999', /not HOST or HOST:PORT/],
    ['redis://a,b', /several hosts go with redis\+sentinel/],
    ['redis://cache/x', /"x" is not the number/],
    ['redis://cache/70000', /not the number/],
    ['redis://cache/0/1', /number of a database/],
    ['redis+sentinel://a,b', /has to name the master/],
    ['redis+sentinel://a/main/0/1', /has to name the master/],
    ['redis+cluster://a/1', /one database/],
    ['redis+cluster://a,,b', /"" is not HOST/],
    ['redis://cache?sentinelPassword=x', /goes with redis\+sentinel/],
    ['redis://cache?caFile=/x', /cannot be read/],
    ['redis://cache?servername=x', /write "rediss:"/],
    ['unix:/s?servername=x', /not with a Unix socket/],
    ['redis://cache?conections=2', /"conections" is no setting.*connections/],
    ['redis://cache?connections=0', /whole number from 1 to 64/],
    ['redis://cache?connections=1&connections=2', /in the URL twice/],
    ['redis://cache?passwordFile=/nowhere/at/all', /"\/nowhere\/at\/all" \("passwordFile"\) cannot be read/],
    ['redis://user@cache', /"username" needs "password"/],
    ['redis://%zz@cache', /write "%25"/],
    [{ url: 'redis://:secret@cache', password: 'other' }, /"password" is in the URL and beside it/],
    [{ url: 'redis://cache', password: 'a', passwordFile: 'b' }, /both given/],
    [{ url: 'rediss://cache', certFile: 'a' }, /cannot be read/],
    [{ url: 'redis://cache', connections: 1.5 }, /whole number/],
    ['redis+cluster://a?natMap=10.0.0.1:7000', /"natMap" must be \{ "HOST:PORT": "HOST:PORT" \}/],
    ['redis+cluster://a?natMap=a:1=b:2=c:3', /"natMap" must be/],
    ['redis+cluster://a?natMap=a:1=b:99999', /not HOST or HOST:PORT/],
    [{ url: 'redis+cluster://a', natMap: { 'a:1': 2 } } as unknown as RedisServer, /"natMap" must be/],
    [{ url: 'redis+cluster://a', natMap: 7 } as unknown as RedisServer, /"natMap" must be/],
    ['redis://a?natMap=a:1=b:2', /goes with redis\+sentinel:\/\/ or redis\+cluster/],
    [{ url: 'redis://cache', pool: 4 } as RedisServer, /"pool" is no setting/],
  ])('%j is refused with a word on what to do', (given, words) => {
    expect(() => parseRedisServer(given)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(words) }),
    );
  });

  test('a message never holds a secret', () => {
    for (const url of [
      'redis://user:hunter2@cache:99999',
      'redis://cache?password=hunter2&pool=1',
      'redis://user:hunter2@a,b',
      'redis+sentinel://:hunter2@a',
    ]) {
      const message = ((): string => {
        try {
          parseRedisServer(url);
        } catch (error) {
          return (error as Error).message;
        }
        throw new Error(`${url} was accepted`);
      })();
      expect(message).not.toContain('hunter2');
    }
  });

  test('is told to people without log-in and parameters', () => {
    expect(describeAddress(parseRedisServer('rediss+sentinel://u:p@a,b:1/main?connections=2'))).toBe('main at the Sentinels a:26379,b:1');
    expect(describeAddress(parseRedisServer('redis+cluster://u:p@a,[::1]:2'))).toBe('the Cluster at a:6379,[::1]:2');
    expect(describeAddress(parseRedisServer('unix:/run/x?db=1'))).toBe('unix:/run/x');
  });
});
