import type { FindingCode, NodeHealth } from '../cache/health-types.ts';

/** What `INFO` says, by field. */
export type Info = ReadonlyMap<string, string>;

export function parseInfo(text: string): Info {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

/** The facts in `INFO` that matter here. */
export function factsOf(info: Info): Omit<NodeHealth, 'node' | 'state' | 'connected' | 'breaker' | 'pingMs'> {
  const number = (field: string): number | null => {
    const value = Number(info.get(field) ?? Number.NaN);
    return Number.isFinite(value) ? value : null;
  };
  const role = info.get('role');
  const keyspaces = [...info].filter(([field]) => /^db\d+$/.test(field));
  return {
    // Valkey gives the version of Redis that it is compatible with under this name too.
    version: info.get('valkey_version') ?? info.get('redis_version') ?? null,
    role: role === 'master' ? 'primary' : role === 'slave' ? 'replica' : null,
    connectedReplicas: number('connected_slaves'),
    keys: info.size === 0 ? null : keyspaces.reduce((sum, [, text]) => sum + Number(/keys=(\d+)/.exec(text)?.[1] ?? 0), 0),
    usedMemoryBytes: number('used_memory'),
    maxMemoryBytes: number('maxmemory'),
    policy: info.get('maxmemory_policy') ?? null,
    evictedKeys: number('evicted_keys'),
    fragmentation: number('mem_fragmentation_ratio'),
  };
}

const MIB = 2 ** 20;
/** A server that evicts nothing refuses writes when it is full; this is said while there is time. */
const NEARLY_FULL = 0.9;
/** A message tells of 1,000 keys, some 50 kB; a subscriber that is a few of them behind should not be cut off. */
const LEAST_BUS_BUFFER = MIB;

export interface Server {
  readonly facts: ReturnType<typeof factsOf>;
  /** `client-output-buffer-limit` as `CONFIG GET` gives it; `null` when it may not be asked. */
  readonly bufferLimits: string | null;
  readonly inCluster: boolean;
}

/** What of a server's settings and state endangers a promise, with what to do about it. */
export function findingsOf({ facts, bufferLimits, inCluster }: Server): Map<FindingCode, string> {
  const { version, usedMemoryBytes, maxMemoryBytes, policy } = facts;
  const found = new Map<FindingCode, string>();
  if (maxMemoryBytes === 0)
    found.set(
      'memory_unlimited',
      'maxmemory is not set: the server grows until the machine kills it. Set maxmemory, and maxmemory-policy allkeys-lru.',
    );
  else if (policy === 'noeviction')
    found.set(
      'evicts_nothing',
      'maxmemory-policy is noeviction: once it is full, nothing new is cached, and invalidations that have to write fail until keys expire; reads go to the database meanwhile. Set maxmemory-policy allkeys-lru.',
    );
  if (
    policy === 'noeviction' &&
    maxMemoryBytes !== null &&
    maxMemoryBytes > 0 &&
    usedMemoryBytes !== null &&
    usedMemoryBytes > NEARLY_FULL * maxMemoryBytes
  )
    found.set(
      'memory_full',
      `${Math.round((100 * usedMemoryBytes) / maxMemoryBytes)} % of maxmemory is used and nothing is evicted: writes are about to fail. Raise maxmemory or set maxmemory-policy allkeys-lru.`,
    );
  const major = Number(version?.split('.')[0] ?? Number.NaN);
  const least = inCluster ? 7 : 6;
  if (major < least)
    found.set(
      'version_old',
      `the version is ${version}; ${inCluster ? 'a Cluster needs' : 'Forebay is tried with'} 7 and later${inCluster ? ', since scripts have to reach several slots of a node' : ''}. Upgrade it.`,
    );
  const hardLimit = Number(/(?:^| )pubsub (\d+)/.exec(bufferLimits ?? '')?.[1] ?? 0);
  if (hardLimit > 0 && hardLimit < LEAST_BUS_BUFFER)
    found.set(
      'bus_buffer_small',
      `client-output-buffer-limit pubsub is ${hardLimit} bytes: the bus is cut off by any burst of changes. Set it to 32mb 8mb 60, the server's default.`,
    );
  return found;
}
