import { describeLogStore } from './log-store.suite.ts';
import { memoryWorld, redisWorld } from './remote-tier.world.ts';

describeLogStore('log store in memory', memoryWorld);
describeLogStore('log store on Redis', redisWorld);
