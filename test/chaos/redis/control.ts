import type { Redis } from 'ioredis';
import type { SeededChance } from '../random.ts';
import { ClusterControl } from './cluster.ts';
import type { RedisFront } from './front.ts';
import { OneServerControl } from './one-server.ts';
import { SentinelControl } from './sentinels.ts';

export const TOPOLOGIES = ['standalone', 'tls', 'sentinel', 'cluster'] as const;
/** What a run's Redis is: one server, one over TLS, a primary with two replicas and three Sentinels, or a Cluster of three primaries with a replica each. */
export type Topology = (typeof TOPOLOGIES)[number];

/** The Redis of a run, and what can befall it. Where there are several primaries, one of them is drawn for each fault. */
export interface RedisControl extends AsyncDisposable {
  readonly topology: Topology;
  /** A way in for one process, always at the same address. */
  front(random: () => number): Promise<RedisFront>;
  /** A primary answers nothing. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** kill -9 of a primary. */
  crash(): Promise<void>;
  /** What crashed comes back empty: as a primary, or as a replica where another one has taken its place. */
  startEmpty(): Promise<void>;
  /** There is a replica that is in step. */
  addReplica(): Promise<void>;
  /** What is written from now on does not reach the replicas. */
  cutReplication(): Promise<void>;
  /** The primary dies and a replica takes its place. */
  promote(): Promise<void>;
  /** Runs commands on each primary as an operator would, past all proxies. */
  ask(work: (client: Redis) => Promise<void>): Promise<void>;
}

export function startRedisControl(topology: Topology, chance: SeededChance): Promise<RedisControl> {
  switch (topology) {
    case 'standalone':
    case 'tls':
      return OneServerControl.start(topology);
    case 'sentinel':
      return SentinelControl.start();
    case 'cluster':
      return ClusterControl.start(chance);
    default:
      return topology satisfies never;
  }
}

/** What only one kind of Redis can do. */
export function asCluster(redis: RedisControl): ClusterControl {
  if (redis instanceof ClusterControl) return redis;
  throw new Error(`this is for a Cluster, not for ${redis.topology}`);
}

export function asOneServer(redis: RedisControl): OneServerControl {
  if (redis instanceof OneServerControl) return redis;
  throw new Error(`this is for one server, not for ${redis.topology}`);
}
