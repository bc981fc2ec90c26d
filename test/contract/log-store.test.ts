import { afterAll } from 'vitest';
import { describeEmptiedLogStore } from './log-store-anew.suite.ts';
import { describeLogStore } from './log-store.suite.ts';
import { closeShared, clusterWorld, memoryWorld, redisWorld, sentinelWorld, tlsWorld } from './remote-tier.world.ts';

describeLogStore('log store in memory', memoryWorld);
describeLogStore('log store on Redis', redisWorld);
describeLogStore('log store on Redis over TLS', tlsWorld);
describeLogStore('log store on Redis behind Sentinels', sentinelWorld);
describeLogStore('log store on a Cluster', clusterWorld);
describeEmptiedLogStore('an emptied log store in memory', memoryWorld);
describeEmptiedLogStore('an emptied log store on Redis', redisWorld);

afterAll(closeShared);
