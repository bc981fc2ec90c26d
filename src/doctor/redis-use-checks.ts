import type { NodeCheckup } from '../redis/checkup-node.ts';
import type { Check, Findings, World } from './check.ts';
import { count, databaseOf, done, ms, NO_REDIS, redisOf, skipped } from './check.ts';
import { cli, eachNode } from './redis-nodes.ts';

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
    return {
      ...done(found.length === 0 ? `the user ${redis.user} has what is needed` : `the user ${redis.user} lacks rights`, found),
      blocks: false,
    };
  },
};

const write: Check = {
  name: 'redis.write',
  asks: 'the server takes a key, gives it back and removes it',
  why: 'A server may answer reads and refuse writes: full, a replica, unable to save its snapshot (MISCONF), too few replicas (NOREPLICAS).',
  mends:
    'what the server says: OOM: maxmemory and its policy; READONLY: name the primary; MISCONF: disk, or stop-writes-on-bgsave-error no',
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
  mends:
    'the right to the channel (`&PREFIX*` in the ACL), and to publish, subscribe and unsubscribe (in a Cluster spublish, ssubscribe, sunsubscribe)',
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

const breaker: Check = {
  name: 'redis.breaker',
  asks: 'the breaker of the service that is asked is closed: it lets calls pass',
  why: 'While it is not, this process does not ask Redis, and every read that its memory cannot answer is a query of the database.',
  mends: 'what keeps Redis from answering; one that was isolated by hand: POST /v1/admin/redis/restore',
  async run({ targets: { running } }) {
    if (running === null) return skipped('no service was asked');
    const now = running.breaker();
    if (now === null) return NO_REDIS;
    if (now.state === 'closed') return done('it is closed');
    const mend =
      now.state === 'isolated'
        ? 'curl -X POST -H "Authorization: Bearer $FOREBAY_TOKEN" URL/v1/admin/redis/restore'
        : 'see redis.reach and redis.latency';
    return done(`it is ${now.state}`, [
      { severity: 'warning', what: `the breaker of Redis in this process is ${now.state} (${now.reason})`, mend },
    ]);
  },
};

/** Whether Redis can be used as it has to be, and is used by us alone. */
export const REDIS_USE_CHECKS: readonly Check[] = [rights, write, bus, breaker, history];
