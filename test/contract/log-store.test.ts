import { describeLogStore } from './log-store.suite.ts';
import { afterAll } from 'vitest';
import { closeShared, clusterWorld, memoryWorld, redisWorld, sentinelWorld, tlsWorld } from './remote-tier.world.ts';

describeLogStore('log store in memory', memoryWorld);
describeLogStore('log store on Redis', redisWorld);
describeLogStore('log store on Redis over TLS', tlsWorld);
describeLogStore('log store on Redis behind Sentinels', sentinelWorld);
describeLogStore('log store on a Cluster', clusterWorld);

afterAll(closeShared);
