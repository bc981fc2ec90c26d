import type { Registry } from 'prom-client';
import type { HealthReport, NodeHealth } from '../cache/health-types.ts';
import { FINDING_CODES } from '../cache/health-types.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape } from './at-scrape.ts';

type Reading = readonly [name: string, help: string, read: (node: NodeHealth) => number | null];

const GAUGES: readonly Reading[] = [
  ['forebay_redis_node_up', 'Whether a server of Redis can be asked (1) or not (0).', ({ state }) => (state === 'up' ? 1 : 0)],
  ['forebay_redis_ping_seconds', 'Time of the last PING to a server.', ({ pingMs }) => (pingMs === null ? null : pingMs / 1000)],
  ['forebay_redis_keys', 'Keys that a server holds.', ({ keys }) => keys],
  ['forebay_redis_memory_used_bytes', 'Memory that a server uses.', ({ usedMemoryBytes }) => usedMemoryBytes],
  ['forebay_redis_memory_max_bytes', 'Memory that a server may use; 0 = as much as there is.', ({ maxMemoryBytes }) => maxMemoryBytes],
  ['forebay_redis_memory_fragmentation_ratio', 'Memory that a server holds / what it uses.', ({ fragmentation }) => fragmentation],
  ['forebay_redis_connected_replicas', 'Replicas that are connected to a server.', ({ connectedReplicas }) => connectedReplicas],
];

/** Registers what the servers of Redis say of themselves. Nodes are as many as the topology has. */
export function registerRedisMetrics(registry: Registry, health: HealthReport): void {
  const samples = (read: Reading[2]): Sample[] =>
    health.nodes().flatMap((node): Sample[] => {
      const value = read(node);
      return value === null ? [] : [[{ node: node.node }, value]];
    });
  for (const [name, help, read] of GAUGES) gaugeAtScrape(registry, { name, help, labels: ['node'] }, () => samples(read));
  counterAtScrape(
    registry,
    { name: 'forebay_redis_evicted_keys_total', help: 'Keys that a server evicted since its start.', labels: ['node'] },
    () => samples(({ evictedKeys }) => evictedKeys),
  );
  gaugeAtScrape(
    registry,
    {
      name: 'forebay_redis_findings',
      help: 'Servers whose settings or state endanger a promise, by what it is; the log says what to do.',
      labels: ['code'],
    },
    () => FINDING_CODES.map((code): Sample => [{ code }, health.findings().filter((finding) => finding.code === code).length]),
  );
}
