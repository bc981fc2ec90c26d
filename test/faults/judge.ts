import { expect } from 'vitest';
import type { Recovery } from '../../src/recovery/recovery.ts';
import { eventually } from '../support/eventually.ts';
import type { Report, SteadyLoad } from './steady-load.ts';

/** What a read may wait for Redis before it asks the database, and what timers add to that. */
const BUDGET_MS = 50;
const TOLERANCE_MS = 30;
/** Within so long after its return Redis answers reads again, in ms. */
export const BACK_WITHIN_MS = 5000;
const MOST_LINES = 20;
/** Settings of a server of which nothing is to be said in the log. */
export const HEALTHY: readonly string[] = ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'];
/** What may be held more than before the fault: buffers and tables of fixed size that were not full yet, and 20,000 times of reads that the test itself keeps. 30 s of reads that were queued somewhere would be more. */
const MOST_GROWN_BYTES = 6 * 1024 ** 2;

/** Holds what was met against what is promised. The figures go to the output, whether they pass or not. */
export function judge(
  name: string,
  { errors, overBound, worstStaleMs, p99Ms, databaseP99Ms, worstMs, reads, writes, logLines, grownBytes }: Report,
): void {
  console.log(
    `${name}: ${reads} reads, ${writes} writes, ${errors.length} errors, worst staleness ${worstStaleMs.toFixed(0)} ms, p99 ${p99Ms.toFixed(1)} ms (of a query ${databaseP99Ms.toFixed(1)} ms), worst ${worstMs.toFixed(0)} ms, ${logLines.length} log lines, ${(grownBytes / 1024 ** 2).toFixed(1)} MB grown`,
  );
  expect(errors).toEqual([]);
  expect(overBound).toBe(0);
  expect(p99Ms).toBeLessThan(BUDGET_MS + databaseP99Ms + TOLERANCE_MS);
  expect(logLines.length, logLines.join('\n')).toBeLessThan(MOST_LINES);
  expect(grownBytes).toBeLessThan(MOST_GROWN_BYTES);
}

/** Plays a fault, which lasts: its effect is the time that it takes, and there is no condition to wait for. Resolves to the ms from its end until Redis answered a read, of a file that is wanted. */
export async function play(load: SteadyLoad, fault: () => Promise<void>, isWanted?: (id: string) => boolean): Promise<number> {
  await load.servedByRedis();
  load.weigh();
  await fault();
  load.weigh();
  const backMs = await load.servedByRedis(isWanted);
  load.weigh();
  return backMs;
}

/** Waits until both Forebays have recovered, and gives what they say of it: the last recovery of each. */
export async function recovered({ reader, writer }: SteadyLoad): Promise<readonly Recovery[]> {
  return Promise.all(
    [reader, writer].map((forebay) =>
      eventually(async () => {
        const { current, past } = forebay.recoveries();
        const last = past.at(-1);
        if (current !== null || last === undefined) throw new Error(`it is still recovering: ${JSON.stringify(current)}`);
        return last;
      }, 60_000),
    ),
  );
}
