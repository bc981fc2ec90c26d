import { describe, expect, test } from 'vitest';
import { factsOf, findingsOf, parseInfo } from '../../../src/redis/server-info.ts';

const GOOD = [
  '# Server',
  'redis_version:7.0.15',
  'used_memory:1000',
  'maxmemory:10000',
  'maxmemory_policy:allkeys-lru',
  'mem_fragmentation_ratio:1.10',
  'role:master',
  'connected_slaves:2',
  'evicted_keys:7',
  'db0:keys=5,expires=5,avg_ttl=1',
  'db3:keys=6,expires=0,avg_ttl=0',
].join('\r\n');

const codes = (text: string, { bufferLimits = null as string | null, inCluster = false } = {}): string[] => [
  ...findingsOf({ facts: factsOf(parseInfo(text)), bufferLimits, inCluster }).keys(),
];

describe('what a server says of itself', () => {
  test('is read from INFO', () => {
    expect(factsOf(parseInfo(GOOD))).toEqual({
      version: '7.0.15',
      role: 'primary',
      connectedReplicas: 2,
      keys: 11,
      usedMemoryBytes: 1000,
      maxMemoryBytes: 10_000,
      policy: 'allkeys-lru',
      evictedKeys: 7,
      fragmentation: 1.1,
    });
  });

  test('what it does not say is unknown, and nothing is found in it', () => {
    expect(Object.values(factsOf(parseInfo('')))).toEqual(Array.from({ length: 9 }, () => null));
    expect(codes('')).toEqual([]);
  });

  test.each([
    ['nothing of a server as it should be', GOOD, {}, []],
    ['nothing of the usual limits', GOOD, { bufferLimits: 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60' }, []],
    ['no limit of memory', GOOD.replace('maxmemory:10000', 'maxmemory:0'), {}, ['memory_unlimited']],
    ['a server that evicts nothing', GOOD.replace('allkeys-lru', 'noeviction'), {}, ['evicts_nothing']],
    [
      'one that evicts nothing and is nearly full',
      GOOD.replace('allkeys-lru', 'noeviction').replace('used_memory:1000', 'used_memory:9001'),
      {},
      ['evicts_nothing', 'memory_full'],
    ],
    ['an old version', GOOD.replace('7.0.15', '5.0.14'), {}, ['version_old']],
    ['a version too old for a Cluster', GOOD.replace('7.0.15', '6.2.1'), { inCluster: true }, ['version_old']],
    ['a bus that any burst would cut off', GOOD, { bufferLimits: 'normal 0 0 0 slave 0 0 0 pubsub 65536 0 0' }, ['bus_buffer_small']],
    ['no limit of the bus', GOOD, { bufferLimits: 'normal 0 0 0 slave 0 0 0 pubsub 0 0 0' }, []],
  ])('%s', (_, text, more, expected) => {
    expect(codes(text, more)).toEqual(expected);
  });
});
