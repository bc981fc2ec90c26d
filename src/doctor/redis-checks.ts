import type { FindingCode } from '../cache/health-types.ts';
import { askSentinels, RedisCheckup } from '../redis/checkup.ts';
import type { NodeCheckup } from '../redis/checkup-node.ts';
import type { Check, Findings, World } from './check.ts';
import { count, databaseOf, done, ms, NO_REDIS, redisOf, skipped } from './check.ts';

const SLOTS = 16_384;
const BUFFER = 'client-output-buffer-limit';
/** As many PINGs, one after the other: their median is what a read waits for at least. */
const PINGS = 15;

const reach: Check = {
  name: 'redis.reach',
  asks: 'Redis can be connected to and logged in at, on every primary of a Cluster',
  why: 'Without it every read that process memory cannot answer is a query of the database, and instances warm each other no more.',
  mends: 'correct FOREBAY_REDIS_URL (`forebay config` shows the one in effect) and its password; `redis-cli -u "$FOREBAY_REDIS_URL" ping` tries it',
  async run(world, signal) {
    const server = await world.targets.findRedis();
    world.redisServer = server;
    if (server === null) return NO_REDIS;
    const redis = await RedisCheckup.open(server, { keyPrefix: world.settings.keyPrefix, clock: world.clock, signal });
    world.redis = redis;
    world.closing.push(() => redis.close());
    const versions = new Set(await Promise.all(redis.nodes.map(async (node) => (await node.facts().catch(() => null))?.version ?? 'unknown')));
    return {
      ...done(
        `Redis ${[...versions].join(', ')} at ${redis.description}${redis.kind === 'cluster' ? `: ${count(redis.nodes.length, 'primary').replace(/ys$/, 'ies')}` : ''}`,
        redis.unreachable.map(({ node, reason, serves }) => ({
          severity: serves ? 'error' : 'warning',
          what: `${node}${serves ? '' : ', which the URL names,'} cannot be used: ${reason}`,
          mend: adviceFor(reason),
        })),
      ),
      blocks: false,
    };
  },
};

/** What is to be done about the usual reasons; the rest is in the words of the server. */
function adviceFor(reason: string): string {
  if (/WRONGPASS|NOAUTH/.test(reason)) return 'correct user and password in FOREBAY_REDIS_URL (or passwordFile)';
  if (/certificate|self.signed|CERT/i.test(reason)) return 'give the authority that signed the certificate: ?caFile=…';
  return `see that it runs and can be reached: redis-cli -h HOST -p PORT ping`;
}

const eachNode = async (nodes: readonly NodeCheckup[], look: (node: NodeCheckup) => Promise<Findings>): Promise<Findings[number][]> =>
  (await Promise.all(nodes.map(look))).flat();

/** A check of each server by what it says of itself. */
function ofEachNode(check: Omit<Check, 'run' | 'needs'>, said: (nodes: number) => string, look: (node: NodeCheckup, world: World) => Promise<Findings>): Check {
  return {
    ...check,
    needs: ['redis.reach'],
    async run(world) {
      const redis = redisOf(world);
      if (redis === null) return NO_REDIS;
      return done(said(redis.nodes.length), await eachNode(redis.nodes, (node) => look(node, world)));
    },
  };
}

const cli = (node: NodeCheckup): string => {
  const [host = '', port = ''] = node.endpoint.kind === 'standalone' ? [node.endpoint.host, String(node.endpoint.port)] : [];
  return node.endpoint.kind === 'socket' ? `redis-cli -s ${node.endpoint.path}` : port === '' ? 'redis-cli' : `redis-cli -h ${host} -p ${port}`;
};

/** What instances find too, by the codes of docs/redis.md. */
async function foundBy(node: NodeCheckup, world: World, mends: Partial<Record<FindingCode, Omit<Findings[number], 'what'>>>): Promise<Findings[number][]> {
  const limits = mends.bus_buffer_small === undefined ? null : await node.config(BUFFER);
  const found = await node.findings(world.redis?.kind === 'cluster', limits);
  return [...found].flatMap(([code, text]) => {
    const known = mends[code];
    return known === undefined ? [] : [{ ...known, what: `${node.name}: ${text}` }];
  });
}

const role = ofEachNode(
  {
    name: 'redis.role',
    asks: 'the server is a primary',
    why: 'A replica takes no writes: nothing is filled and no invalidation applied, so it is never believed.',
    mends: 'name the primary in FOREBAY_REDIS_URL, or the Sentinels that know it: redis+sentinel://HOST,HOST/MASTER',
  },
  (nodes) => (nodes === 1 ? 'it is a primary' : `all ${nodes} are primaries`),
  async (node) =>
    (await node.facts()).role === 'replica'
      ? [{ severity: 'error', what: `${node.name} is a replica`, mend: 'name its primary in FOREBAY_REDIS_URL, or Sentinels: redis+sentinel://HOST,HOST/MASTER' }]
      : [],
);

const version = ofEachNode(
  {
    name: 'redis.version',
    asks: 'the server is of version 6 or later, in a Cluster 7',
    why: 'Scripts have to reach several slots of a node there, and commands are used that older servers lack.',
    mends: 'upgrade redis-server',
  },
  () => 'the version is recent enough',
  (node, world) => foundBy(node, world, { version_old: { severity: 'error', mend: 'upgrade redis-server' } }),
);

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
    const limits = await Promise.all(redis.nodes.map((node) => node.config(BUFFER)));
    if (limits.every((limit) => limit === null)) return skipped('our user may not ask CONFIG GET, and need not');
    const found = await eachNode(redis.nodes, (node) =>
      foundBy(node, world, {
        bus_buffer_small: { severity: 'warning', mend: `${cli(node)} config set client-output-buffer-limit "pubsub 32mb 8mb 60"` },
      }),
    );
    return done(`pubsub ${/pubsub (\d+ \d+ \d+)/.exec(limits.find((limit) => limit !== null) ?? '')?.[1] ?? 'unknown'}`, found);
  },
};

const rights: Check = {
  name: 'redis.rights',
  asks: 'the user has the right to every command, key and channel that is used',
  why: 'A call that is refused fails each time: without one of these rights nothing is filled, or no invalidation is applied, or the bus is silent.',
  mends: 'the rights in docs/redis.md: ACL SETUSER with what the finding names, and ACL SAVE',
  needs: ['redis.reach'],
  async run(world) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const { keyPrefix } = world.settings;
    const found = await eachNode(redis.nodes, async (node) => {
      const missing = await node.missingRights(keyPrefix, redis.kind === 'cluster', world.dryRun);
      if (missing.length === 0) return [];
      return [
        {
          severity: 'error',
          what: `${node.name}: the user ${redis.user} lacks ${missing.join(' ')}`,
          mend: `${cli(node)} ACL SETUSER ${redis.user} ${missing.map((right) => (/[*~|]/.test(right) ? `'${right}'` : right)).join(' ')}`,
        },
      ];
    });
    return { ...done(found.length === 0 ? `the user ${redis.user} has what is needed` : `the user ${redis.user} lacks rights`, found), blocks: false };
  },
};

const write: Check = {
  name: 'redis.write',
  asks: 'the server takes a key, gives it back and removes it',
  why: 'A server may answer reads and refuse writes: full, a replica, unable to save its snapshot (MISCONF), too few replicas (NOREPLICAS).',
  mends: 'what the server says: OOM: maxmemory and its policy; READONLY: name the primary; MISCONF: disk, or stop-writes-on-bgsave-error no',
  needs: ['redis.reach'],
  writes: true,
  async run(world) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const found = await eachNode(redis.nodes, async (node): Promise<Findings> => {
      try {
        await node.writeOnce(world.settings.keyPrefix, `forebay-doctor ${world.chance.uniqueId()}`);
        return [];
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        return [{ severity: 'error', what: `${node.name} refused a write: ${said}`, mend: writeAdvice(said, node) }];
      }
    });
    return { ...done(`${count(redis.nodes.length, 'server')} took a key and gave it back`, found), blocks: false };
  },
};

function writeAdvice(said: string, node: NodeCheckup): string {
  if (said.startsWith('OOM')) return `${cli(node)} config set maxmemory-policy allkeys-lru, or a larger maxmemory`;
  if (said.startsWith('READONLY')) return 'name the primary in FOREBAY_REDIS_URL, or Sentinels that know it';
  if (said.startsWith('MISCONF')) return `free disk for its snapshots, or ${cli(node)} config set save ""`;
  if (said.startsWith('NOPERM')) return 'see redis.rights';
  if (/CLUSTERDOWN|MOVED/.test(said)) return 'see redis.cluster';
  return `the log of redis-server; ${cli(node)} info`;
}

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

const sentinels: Check = {
  name: 'redis.sentinels',
  asks: 'every Sentinel of the URL answers, and they have the quorum for a failover',
  why: 'A primary that is lost is replaced only if enough Sentinels agree, and is found only through one that answers.',
  mends: 'start the Sentinels that do not answer; redis-cli -p 26379 SENTINEL CKQUORUM MASTER',
  async run(world, signal) {
    const { redisServer, clock } = world;
    if (redisServer === null) return NO_REDIS;
    const all = await askSentinels(redisServer, { keyPrefix: '', clock, signal });
    if (all === null) return skipped('the URL names no Sentinels');
    const answer = all.filter(({ reason }) => reason === null);
    const found: Findings[number][] = all.flatMap(({ node, reason }) =>
      reason === null ? [] : [{ severity: 'warning', what: `the Sentinel ${node}: ${reason}`, mend: `start it, or take it out of FOREBAY_REDIS_URL` }],
    );
    const without = answer.find(({ quorum }) => quorum !== null && !quorum.startsWith('OK'));
    if (without !== undefined)
      found.push({
        severity: 'error',
        what: `no failover is possible: the Sentinel ${without.node} says ${without.quorum ?? ''}`,
        mend: 'start the Sentinels that are missing, or make them known to each other',
      });
    return done(`${answer.length} of ${count(all.length, 'Sentinel')} answer${answer[0]?.quorum === undefined ? '' : `: ${answer[0].quorum ?? ''}`}`, found);
  },
};

const cluster: Check = {
  name: 'redis.cluster',
  asks: 'every slot of a Cluster is served, and all nodes agree that it is',
  why: 'Keys of a slot that nobody serves are read from the database; by default all nodes refuse everything while one slot is missing.',
  mends: 'redis-cli --cluster check HOST:PORT; redis-cli --cluster fix HOST:PORT',
  async run(world) {
    const redis = redisOf(world);
    if (redis?.kind !== 'cluster') return skipped('the URL names no Cluster');
    const found: Findings[number][] = [];
    const served = redis.servedSlots ?? 0;
    const [first] = redis.nodes;
    const fix = `redis-cli --cluster fix ${first?.name ?? 'HOST:PORT'}`;
    if (served < SLOTS) found.push({ severity: 'error', what: `${count(SLOTS - served, 'slot')} of ${SLOTS} are served by nobody`, mend: fix });
    for (const node of redis.nodes) {
      const info = String(await node.call('CLUSTER', 'INFO'));
      if (!info.includes('cluster_state:ok')) found.push({ severity: 'error', what: `${node.name} says that the Cluster is down`, mend: fix });
    }
    return done(`${served} of ${SLOTS} slots are served by ${count(redis.nodes.length, 'server')}`, found);
  },
};

const history: Check = {
  name: 'redis.history',
  asks: 'what Redis holds is of the history of this database',
  why: 'Two deployments with different databases and the same key prefix on one Redis make each other begin anew with every change: nothing that is cached there lasts, and records of one could be read by the other if their ids were the same.',
  mends: 'give each deployment a FOREBAY_KEY_PREFIX of its own',
  needs: ['redis.reach', 'database.schema'],
  async run(world, signal) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const foreign = await foreignHistories(world, signal);
    world.foreignHistory = foreign;
    if (foreign.length === 0) return done('it is of this database, or of none');
    // A process that serves has made it its own long ago: then another one took it since.
    const severity = world.targets.running === null ? 'warning' : 'error';
    return {
      ...done('it is of another database', [
        {
          severity,
          what: `${foreign.join(', ')} ${foreign.length === 1 ? 'holds' : 'hold'} the history of another database under this key prefix${severity === 'warning' ? '; if this database is new or was restored, that ends with the first start, and the next run of this does not find it again' : ''}`,
          mend: `FOREBAY_KEY_PREFIX=NAME: for each deployment`,
        },
      ]),
      blocks: false,
    };
  },
};

/** The servers whose table is of another history than the database's. */
export async function foreignHistories(world: World, signal: AbortSignal): Promise<readonly string[]> {
  const rows = await databaseOf(world).query<{ epoch: string }>('select epoch from forebay.sequencer', [], { signal });
  const ours = rows[0]?.epoch;
  const found = await Promise.all(
    (world.redis?.nodes ?? []).map(async (node) => {
      const epoch = await node.epoch().catch(() => null);
      return epoch === null || epoch === ours ? [] : [node.name];
    }),
  );
  return found.flat();
}

const bus: Check = {
  name: 'redis.bus',
  asks: 'what is said on the bus is heard',
  why: 'The bus makes invalidations quick, within milliseconds. Without it every instance reads the log of the database instead, which is slower and loads the database.',
  mends: 'the right to the channel (`&PREFIX*` in the ACL), and to publish, subscribe and unsubscribe (in a Cluster spublish, ssubscribe, sunsubscribe)',
  needs: ['redis.reach'],
  async run(world, signal) {
    const redis = redisOf(world);
    if (redis === null) return NO_REDIS;
    const { user } = redis;
    try {
      return done(`what is said is heard after ${ms(await redis.sayOnBus(signal))}`);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      const sharded = redis.kind === 'cluster';
      const mend = said.startsWith('NOPERM')
        ? `redis-cli ACL SETUSER ${user} '&${world.settings.keyPrefix}*' ${sharded ? '+spublish +ssubscribe +sunsubscribe' : '+publish +subscribe +unsubscribe'}`
        : this.mends;
      return { ...done('it was not heard', [{ severity: 'error', what: `the bus does not work: ${said}`, mend }]), blocks: false };
    }
  },
};

/** Whether Redis is there, and is what the program needs. */
export const REDIS_CHECKS: readonly Check[] = [reach, sentinels, cluster, role, version, memory, buffer, rights, write, latency, bus, history];
