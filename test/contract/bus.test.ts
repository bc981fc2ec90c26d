import { afterAll } from 'vitest';
import { describeBus } from './bus.suite.ts';
import { closeShared, clusterWorld, memoryWorld, redisWorld, sentinelWorld, tlsWorld } from './remote-tier.world.ts';

describeBus('bus in memory', memoryWorld);
describeBus('bus on Redis', redisWorld);
describeBus('bus on Redis over TLS', tlsWorld);
describeBus('bus on Redis behind Sentinels', sentinelWorld);
describeBus('bus on a Cluster', clusterWorld);

afterAll(closeShared);
