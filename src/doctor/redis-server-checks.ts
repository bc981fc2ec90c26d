import type { NodeCheckup } from '../redis/checkup-node.ts';
import type { Check, Findings, World } from './check.ts';
import { done, ms, NO_REDIS, redisOf, skipped } from './check.ts';
import { BUS_BUFFER, cli, eachNode, foundBy } from './redis-nodes.ts';

/** As many PINGs, one after the other: their median is what a read waits for at least. */
const PINGS = 15;

const memory: Check = {
  name: 'redis.memory',
  asks: '`maxmemory` is set, leaves room for records and is within the memory of the machine, and the policy is `allkeys-lru` or another of `allkeys-…`',
  why: 'Every key of ours may vanish at any time and costs a load. A server that evicts nothing, or not what it should, refuses writes when it is full: then nothing new is cached, and invalidations fail until it has room.',
  mends: 'redis-cli config set maxmemory 1gb; redis-cli config set maxmemory-policy allkeys-lru; and the same in redis.conf',
  needs: ['redis.reach'],
  async run(world) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const facts = await Promise.all(redis.nodes.map((node) => node.facts()));
    const said = facts.map(
      ({ usedMemoryBytes, maxMemoryBytes, policy }) =>
        `${mib(usedMemoryBytes)} of ${maxMemoryBytes === 0 ? 'no limit' : mib(maxMemoryBytes)} used, ${policy ?? 'policy unknown'}`,
    );
    return done([...new Set(said)].slice(0, 3).join('; '), await eachNode(redis.nodes, (node) => memoryOf(node, world)));
  },
};

const mib = (bytes: number | null): string => (bytes === null ? 'unknown' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);
/** Where so much of the room is taken by what is no record (clients, replication, tables), there is none for records. */
const OVERHEAD_SHARE = 0.8;

async function memoryOf(node: NodeCheckup, world: World): Promise<Findings> {
  const setPolicy = `${cli(node)} config set maxmemory-policy allkeys-lru`;
  const found = await foundBy(node, world, {
    memory_unlimited: { severity: 'warning', mend: `${cli(node)} config set maxmemory 1gb; ${setPolicy}` },
    evicts_nothing: { severity: 'warning', mend: setPolicy },
    memory_full: { severity: 'error', mend: setPolicy },
  });
  const info = await node.info();
  const number = (field: string): number => Number(info.get(field) ?? Number.NaN);
  const { maxMemoryBytes, policy } = await node.facts();
  if (policy?.startsWith('volatile-') === true)
    found.push({
      severity: 'warning',
      what: `${node.name}: maxmemory-policy is ${policy}: what others keep there without an expiry is never evicted, and once that fills the memory all writes fail`,
      mend: setPolicy,
    });
  if (maxMemoryBytes === null || maxMemoryBytes === 0) return found;
  const overhead = number('used_memory_overhead');
  if (overhead > OVERHEAD_SHARE * maxMemoryBytes)
    found.push({
      severity: 'error',
      what: `${node.name}: ${mib(overhead)} of the ${mib(maxMemoryBytes)} of maxmemory are taken by what is no record (the server itself, clients, buffers)`,
      mend: `${cli(node)} config set maxmemory 256mb`,
    });
  const system = number('total_system_memory');
  if (maxMemoryBytes > system)
    found.push({
      severity: 'warning',
      what: `${node.name}: maxmemory is ${mib(maxMemoryBytes)}, the machine has ${mib(system)}: the system ends the server before it evicts`,
      mend: `${cli(node)} config set maxmemory ${Math.floor((system * 3) / 4 / 2 ** 20)}mb`,
    });
  return found;
}

const buffer: Check = {
  name: 'redis.bus_buffer',
  asks: '`client-output-buffer-limit pubsub` is 1 MiB or more',
  why: 'A subscriber that is further behind is cut off. A burst of changes then costs every instance its bus, just when it is needed; they read the log of the database meanwhile.',
  mends: 'redis-cli config set client-output-buffer-limit "pubsub 32mb 8mb 60"',
  needs: ['redis.reach'],
  async run(world) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const limits = await Promise.all(redis.nodes.map((node) => node.config(BUS_BUFFER)));
    if (limits.every((limit) => limit === null)) return skipped('our user may not ask CONFIG GET, and need not');
    const found = await eachNode(redis.nodes, (node) =>
      foundBy(node, world, {
        bus_buffer_small: { severity: 'warning', mend: `${cli(node)} config set client-output-buffer-limit "pubsub 32mb 8mb 60"` },
      }),
    );
    return done(`pubsub ${/pubsub (\d+ \d+ \d+)/.exec(limits.find((limit) => limit !== null) ?? '')?.[1] ?? 'unknown'}`, found);
  },
};

const latency: Check = {
  name: 'redis.latency',
  asks: 'a PING takes less than half of what one read may wait for Redis',
  why: 'A read gives up on Redis when its budget is over, and asks the database: a server that is too far away is a cache that nobody uses, and its breaker opens.',
  mends: 'a Redis nearer by, or a larger FOREBAY_REDIS_BUDGET_MS; `redis-cli --latency`, `SLOWLOG GET` say what it is busy with',
  needs: ['redis.reach'],
  async run(world) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const budgetMs = world.settings.redisBudgetMs;
    const medians = await Promise.all(
      redis.nodes.map(async (node) => {
        const times = (await node.pings(PINGS)).toSorted((a, b) => a - b);
        return { node, median: times[Math.floor(times.length / 2)] ?? 0 };
      }),
    );
    return done(
      `a PING takes ${medians.map(({ median }) => ms(median)).join(', ')}; a read waits ${ms(budgetMs)} at most`,
      medians
        .filter(({ median }) => median > budgetMs / 2)
        .map(({ node, median }) => ({
          severity: median > budgetMs ? 'error' : 'warning',
          what: `${node.name}: a PING takes ${ms(median)}, and one read waits for Redis ${ms(budgetMs)} at most`,
          mend: `a Redis nearer by, or FOREBAY_REDIS_BUDGET_MS=${Math.ceil(median * 4)}`,
        })),
    );
  },
};

/** How the servers are set up, and how quick they are. */
export const REDIS_SERVER_CHECKS: readonly Check[] = [memory, buffer, latency];
