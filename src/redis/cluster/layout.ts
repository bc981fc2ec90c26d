import type { LogLayout } from '../log-shard.ts';
import { callScript } from '../script-calls.ts';
import { clusterApplyEntry, clusterOpenLog, clusterRead } from '../scripts.ts';
import type { SlotRange } from './slots.ts';
import { slotOf, textOfRanges } from './slots.ts';

/** What a node serves, as far as is known; changes with the map. */
export interface NodeSlots {
  ranges: readonly SlotRange[];
}

/** What one node of a Cluster is asked, and how. `tag`: a text whose slot is on this node. */
export function layoutOfNode(node: {
  readonly prefix: string;
  readonly tag: string;
  readonly slots: NodeSlots;
  readonly channel: () => string;
  readonly onElsewhere: () => void;
}): LogLayout {
  const table = `${node.prefix}forebay:log:{${node.tag}}`;
  const head = `${table}:at`;
  const here = (slot: number): boolean => node.slots.ranges.some(({ first, last }) => first <= slot && slot <= last);
  return {
    table,
    head,
    channel: node.channel,
    apply: (keys, args) => {
      const values = keys.map((key) => [key, slotOf(key)] as const).filter(([, slot]) => here(slot));
      return clusterApplyEntry([table, head], values, { ...args, slots: textOfRanges(node.slots.ranges) });
    },
    open: (epoch, number, seen) => clusterOpenLog([table, head], textOfRanges(node.slots.ranges), epoch, number, seen),
    opened: ([made, base, fence, , ...fields]) => ({ isAnew: made === '1', base: Number(base), fence: Number(fence), fields }),
    since: sinceOf,
    readWith: async (client, _, keys) => {
      const reply = await callScript(client, clusterRead(head, keys));
      return (reply as unknown[]).map((value) => (Buffer.isBuffer(value) ? value : null));
    },
    onElsewhere: node.onElsewhere,
  };
}

/** By the slots in the head: `0-5460@7,7000-7000@9`. */
function sinceOf(key: string, vouched: string): number {
  const slot = slotOf(key);
  for (const range of vouched.split(',')) {
    const [, first, last, since] = RANGE.exec(range) ?? [];
    if (first !== undefined && Number(first) <= slot && slot <= Number(last)) return Number(since);
  }
  return Number.POSITIVE_INFINITY;
}

const RANGE = /^(\d+)-(\d+)@(\d+)$/;
