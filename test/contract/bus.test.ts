import { describeBus } from './bus.suite.ts';
import { memoryWorld, redisWorld } from './remote-tier.world.ts';

describeBus('bus in memory', memoryWorld);
describeBus('bus on Redis', redisWorld);
