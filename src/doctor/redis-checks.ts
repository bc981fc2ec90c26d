import { askSentinels, RedisCheckup } from '../redis/checkup.ts';
import type { Check, Findings } from './check.ts';
import { count, done, NO_REDIS, redisOf, skipped } from './check.ts';
import { mendFor } from './redis-mends.ts';
import { foundBy, ofEachNode } from './redis-nodes.ts';

const SLOTS = 16_384;

const reach: Check = {
  name: 'redis.reach',
  asks: 'Redis can be connected to and logged in at, on every primary of a Cluster',
  why: 'Without it every read that process memory cannot answer is a query of the database, and instances warm each other no more.',
  mends:
    'correct FOREBAY_REDIS_URL (`forebay config` shows the one in effect) and its password; `redis-cli -u "$FOREBAY_REDIS_URL" ping` tries it',
  mendsFor: (what, { redisServer }) => mendFor(what, redisServer),
  async run(world, signal) {
    const server = await world.targets.findRedis();
    world.redisServer = server;
    if (server === null) return NO_REDIS;
    const redis = await RedisCheckup.open(server, { keyPrefix: world.settings.keyPrefix, clock: world.clock, signal });
    world.redis = redis;
    world.closing.push(() => redis.close());
    const versions = new Set(
      await Promise.all(redis.nodes.map(async (node) => (await node.facts().catch(() => null))?.version ?? 'unknown')),
    );
    return {
      ...done(
        `Redis ${[...versions].join(', ')} at ${redis.description}${redis.kind === 'cluster' ? `: ${count(redis.nodes.length, 'primary').replace(/ys$/, 'ies')}` : ''}`,
        redis.unreachable.map(({ node, reason, serves }) => ({
          severity: serves ? 'error' : 'warning',
          what: `${node}${serves ? '' : ', which the URL names,'} cannot be used: ${reason}`,
          mend: mendFor(reason, server) ?? 'see that it runs and can be reached: redis-cli -h HOST -p PORT ping',
        })),
      ),
      blocks: false,
    };
  },
};

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
      ? [
          {
            severity: 'error',
            what: `${node.name} is a replica`,
            mend: 'name its primary in FOREBAY_REDIS_URL, or Sentinels: redis+sentinel://HOST,HOST/MASTER',
          },
        ]
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
      reason === null
        ? []
        : [{ severity: 'warning', what: `the Sentinel ${node}: ${reason}`, mend: `start it, or take it out of FOREBAY_REDIS_URL` }],
    );
    const without = answer.find(({ quorum }) => quorum !== null && !quorum.startsWith('OK'));
    if (without !== undefined)
      found.push({
        severity: 'error',
        what: `no failover is possible: the Sentinel ${without.node} says ${without.quorum ?? ''}`,
        mend: 'start the Sentinels that are missing, or make them known to each other',
      });
    return done(
      `${answer.length} of ${count(all.length, 'Sentinel')} answer${answer[0]?.quorum === undefined ? '' : `: ${answer[0].quorum ?? ''}`}`,
      found,
    );
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
    if (served < SLOTS)
      found.push({ severity: 'error', what: `${count(SLOTS - served, 'slot')} of ${SLOTS} are served by nobody`, mend: fix });
    for (const node of redis.nodes) {
      const info = String(await node.call('CLUSTER', 'INFO'));
      if (!info.includes('cluster_state:ok'))
        found.push({ severity: 'error', what: `${node.name} says that the Cluster is down`, mend: fix });
    }
    return done(`${served} of ${SLOTS} slots are served by ${count(redis.nodes.length, 'server')}`, found);
  },
};

/** Whether Redis is there, and is one that can be used. */
export const REDIS_CHECKS: readonly Check[] = [reach, sentinels, cluster, role, version];
