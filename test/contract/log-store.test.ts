import { describeLogStore } from './log-store.suite.ts';
import { describeEmptiedLogStore } from './log-store-anew.suite.ts';
import { memoryWorld, redisWorld } from './remote-tier.world.ts';

describeLogStore('log store in memory', memoryWorld);
describeLogStore('log store on Redis', redisWorld);
describeEmptiedLogStore('an emptied log store in memory', memoryWorld);
describeEmptiedLogStore('an emptied log store on Redis', redisWorld);
