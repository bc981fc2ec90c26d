import { expect, it, vi } from 'vitest';
import type { ValueTraits } from '../../src/cache/options.ts';
import { slotOf } from '../../src/redis/cluster/slots.ts';
import { startCluster } from '../support/cluster.ts';
import { cutOffReplica, moveSlot, ownerOf } from '../support/cluster-changes.ts';
import type { Row } from '../support/redis-caches.ts';
import { openInstance, Rows } from '../support/redis-caches.ts';
import { PATIENCE, TABLE } from './cluster-tier.world.ts';

const KEYS = Array.from({ length: 60 }, (_, i) => `k${i}`);
const slotOfKey = (key: string): number => slotOf(`file:info:{${key}}`);

it.each([
  ['a node', false],
  ['the node of the tag table and the bus', true],
])(
  'under load, while slots move and %s is lost with its last writes, no read that begins after a confirmed invalidation gives what was before it',
  async (who, isTable) => {
    await using cluster = await startCluster({ replicas: 1 });
    const rows = new Rows();
    for (const key of KEYS) rows.put(key, 1, [`t${slotOfKey(key) % 7}`]);
    // Without room in process memory, so that every read asks Redis; and without versions, so that nobody refuses an old one of Redis's because he has seen a newer.
    const describe = (row: Row): ValueTraits => ({ tags: row.tags ?? [] });
    const options = { maxEntries: 0, maxAbsentEntries: 0, budgetMs: 200, describe };
    await using writer = await openInstance(cluster.url, rows, options);
    await using first = await openInstance(cluster.url, rows, options);
    await using second = await openInstance(cluster.url, rows, options);
    const confirmed = new Map<string, number>();
    const counts = { reads: 0, writes: 0, queued: 0, fromRedis: 0 };
    const found = new Set<number>();
    const stale: string[] = [];
    const over = new AbortController();

    const write = async (n: number): Promise<void> => {
      // As slow as the reads: a writer that overtakes them would invalidate each key right before it is read.
      const enough = counts.reads + 2 * KEYS.length;
      while (counts.reads < enough && !over.signal.aborted) await new Promise(setImmediate);
      const key = KEYS[n % KEYS.length] as string;
      const version = (rows.rows.get(key)?.version ?? 0) + 1;
      const tag = `t${slotOfKey(key) % 7}`;
      rows.put(key, version, [tag]);
      const state = await writer.cache.invalidate(n % 20 === 0 ? { tags: [tag] } : { keys: [key] });
      counts.writes += 1;
      if (state === 'applied') confirmed.set(key, version);
      else counts.queued += 1;
    };
    // All keys in one turn: each is read several times between two writes of it.
    const read = async (n: number): Promise<void> => {
      const least = KEYS.map((key) => confirmed.get(key) ?? 0);
      const answers = await (n % 2 === 0 ? first : second).cache.lookupMany(KEYS);
      answers.forEach((answer, i) => {
        counts.reads += 1;
        if (answer.outcome === 'hit') {
          counts.fromRedis += 1;
          found.add(i);
        }
        const version = 'value' in answer ? answer.value.version : null;
        if (version === null || version < (least[i] ?? 0)) stale.push(`${KEYS[i]}: ${version} after ${least[i]} (${answer.outcome})`);
      });
    };
    const load = async (step: (n: number) => Promise<void>, from: number): Promise<void> => {
      for (let n = from; !over.signal.aborted; n += 1) {
        await step(n);
        await new Promise(setImmediate);
      }
    };
    const loads = [load(write, 0), load(read, 0), load(read, 17), load(read, 31)];
    /** Every key was found in Redis since. */
    const servedAgain = async (): Promise<void> => {
      found.clear();
      await vi.waitFor(() => expect(found.size).toBe(KEYS.length), PATIENCE);
    };

    await servedAgain();
    for (const key of KEYS.slice(0, 20)) {
      await moveSlot(cluster, slotOfKey(key));
      if (slotOfKey(key) % 2 === 0) await moveSlot(cluster, slotOfKey(key));
    }
    await moveSlot(cluster, slotOf(TABLE));
    await servedAgain();
    const slots = KEYS.map(slotOfKey);
    const owners = await Promise.all(slots.map((slot) => ownerOf(cluster, slot)));
    const tableAt = await ownerOf(cluster, slotOf(TABLE));
    const other = slots.find((_, i) => owners[i] !== tableAt) ?? 0;
    const { promote } = await cutOffReplica(cluster, isTable ? slotOf(TABLE) : other);
    const before = counts.writes;
    await vi.waitFor(() => expect(counts.writes).toBeGreaterThan(before + 50), PATIENCE);
    await promote();
    await servedAgain();
    over.abort();
    await Promise.all(loads);
    console.log(`${who} lost: ${JSON.stringify(counts)}`);
    expect(stale).toEqual([]);
  },
);
