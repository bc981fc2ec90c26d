import type { FindingCode } from '../cache/health-types.ts';
import type { NodeCheckup } from '../redis/checkup-node.ts';
import type { Check, Findings, World } from './check.ts';
import { done, NO_REDIS, redisOf } from './check.ts';

export const BUS_BUFFER = 'client-output-buffer-limit';

/** What is found of each server, put together. */
export const eachNode = async (
  nodes: readonly NodeCheckup[],
  look: (node: NodeCheckup) => Promise<Findings>,
): Promise<Findings[number][]> => (await Promise.all(nodes.map(look))).flat();

/** A check of each server by what it says of itself. */
export function ofEachNode(
  check: Omit<Check, 'run' | 'needs'>,
  said: (nodes: number) => string,
  look: (node: NodeCheckup, world: World) => Promise<Findings>,
): Check {
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

/** How a person asks this server. */
export const cli = (node: NodeCheckup): string => {
  const [host = '', port = ''] = node.endpoint.kind === 'standalone' ? [node.endpoint.host, String(node.endpoint.port)] : [];
  return node.endpoint.kind === 'socket'
    ? `redis-cli -s ${node.endpoint.path}`
    : port === ''
      ? 'redis-cli'
      : `redis-cli -h ${host} -p ${port}`;
};

/** What instances find too, by the codes of docs/redis.md. */
export async function foundBy(
  node: NodeCheckup,
  world: World,
  mends: Partial<Record<FindingCode, Omit<Findings[number], 'what'>>>,
): Promise<Findings[number][]> {
  const limits = mends.bus_buffer_small === undefined ? null : await node.config(BUS_BUFFER);
  const found = await node.findings(world.redis?.kind === 'cluster', limits);
  return [...found].flatMap(([code, text]) => {
    const known = mends[code];
    return known === undefined ? [] : [{ ...known, what: `${node.name}: ${text}` }];
  });
}
