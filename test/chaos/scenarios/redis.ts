import type { Scenario } from '../scenario.ts';

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
      redis.freeze();
      await pause(5000);
      redis.thaw();
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
          if (doomed.length > 0) await client.unlink(...doomed);
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
        await redis.ask(async (client) => client.unlink('forebay:log'));
        await pause(chance.between(100, 500));
      }
    },
  },
  {
    name: 'failover',
    claim: 'a replica that takes over without the last writes brings no old value back',
    prepare: async ({ redis }) => redis.addReplica(),
    fault: async ({ redis, chance, pause }) => {
      redis.cutReplication();
      await pause(chance.between(500, 2000));
      await redis.promote();
      await pause(chance.between(1500, 2500));
      await redis.addReplica();
    },
  },
  {
    name: 'old-backup',
    claim: 'a Redis restored from an old backup brings no old value back',
    fault: async ({ redis, chance, pause }) => {
      const backup = await redis.backup();
      await pause(chance.between(2000, 3000));
      await redis.restore(backup);
      await pause(2000);
    },
  },
];
