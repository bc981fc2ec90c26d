import { asCluster, asOneServer } from '../redis/control.ts';
import type { Scenario } from '../scenario.ts';

const SLOTS_MOVED = 30;

export const redisScenarios: readonly Scenario[] = [
  {
    name: 'redis-killed',
    claim: 'a Redis that is killed and comes back empty costs loads and nothing else',
    fault: async ({ redis, chance, pause }) => {
      await redis.crash();
      await pause(chance.between(50, 1500));
      await redis.startEmpty();
    },
  },
  {
    name: 'redis-frozen',
    claim: 'a Redis that answers nothing for 5 s and then goes on brings no old value back',
    fault: async ({ redis, pause }) => {
      await redis.freeze();
      await pause(5000);
      await redis.thaw();
    },
  },
  {
    name: 'redis-keys-lost',
    claim: 'any key of ours may vanish at any time',
    fault: async ({ redis, chance, pause }) => {
      for (let i = 0; i < 20; i += 1) {
        await redis.ask(async (client) => {
          const [, keys] = await client.scan(chance.below(1000), 'COUNT', 50);
          const tables = await client.keys('forebay*');
          const doomed = keys.filter(() => chance.next() < 0.3);
          if (chance.next() < 0.3) doomed.push(...tables);
          // One by one, since those of a Cluster's node are of many slots.
          await Promise.all(doomed.map((key) => client.unlink(key)));
        });
        await pause(chance.between(20, 200));
      }
    },
  },
  {
    name: 'tag-stamps-lost',
    claim: 'the table of tag stamps may vanish while tags are invalidated',
    slowLoadMs: 400,
    load: { style: 'tags', writesPerSecond: 10 },
    fault: async ({ redis, chance, pause }) => {
      for (let i = 0; i < 10; i += 1) {
        await redis.ask(async (client) => {
          const tables = await client.keys('forebay:log*');
          // Their heads stay: that one is there without the other is the harder case.
          await Promise.all(tables.filter((key) => !key.endsWith(':at')).map((key) => client.unlink(key)));
        });
        await pause(chance.between(100, 500));
      }
    },
  },
  {
    name: 'failover',
    claim: 'a replica that takes over without the last writes brings no old value back',
    prepare: async ({ redis }) => redis.addReplica(),
    fault: async ({ redis, chance, pause }) => {
      await redis.cutReplication();
      await pause(chance.between(500, 2000));
      await redis.promote();
      await pause(chance.between(1500, 2500));
      await redis.addReplica();
    },
  },
  {
    name: 'old-backup',
    claim: 'a Redis restored from an old backup brings no old value back',
    on: ['standalone', 'tls'],
    fault: async ({ redis, chance, pause }) => {
      const server = asOneServer(redis);
      const backup = await server.backup();
      await pause(chance.between(2000, 3000));
      await server.restore(backup);
      await pause(2000);
    },
  },
  {
    name: 'slots-moved',
    claim: 'keys that move from one node of a Cluster to another bring no old value along',
    on: ['cluster'],
    fault: async ({ redis }) => asCluster(redis).moveSlots(SLOTS_MOVED),
  },
];
