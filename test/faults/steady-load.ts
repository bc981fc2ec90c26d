import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Logger } from '../../src/core/logger.ts';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import type { RedisServer } from '../../src/redis/server-address.ts';

const FILES = 120;
const READ_EVERY_MS = 4;
const WRITE_EVERY_MS = 40;
const BOUND_MS = 1000;

/** What callers met while something was broken. */
export interface Report {
  readonly reads: number;
  readonly writes: number;
  /** Texts of the errors that reached a caller. */
  readonly errors: readonly string[];
  /** Reads that began more than the bound after a commit and gave something older. */
  readonly overBound: number;
  readonly worstStaleMs: number;
  readonly p99Ms: number;
  /** Of one query by id, past all caches, at the same time. */
  readonly databaseP99Ms: number;
  readonly worstMs: number;
  /** Of the Forebay that said most. */
  readonly logLines: readonly string[];
  /** What this process, with both of them, held after a collection of garbage: the most, less what it was at first, in bytes. */
  readonly grownBytes: number;
}

/** Two Forebays on one database and one Redis: one writes, as does somebody with SQL of his own, the other reads at a steady rate, mostly from Redis since its own memory is small. */
export interface SteadyLoad extends AsyncDisposable {
  readonly reader: Forebay;
  readonly writer: Forebay;
  /** Resolves when a read, of a file that is wanted, was answered by Redis, to the ms it took from this call. */
  servedByRedis(isWanted?: (id: string) => boolean): Promise<number>;
  /** Takes note of the memory in use. */
  weigh(): void;
  /** What was met since the start. */
  report(): Report;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export async function startSteadyLoad(database: string, redis: string | RedisServer): Promise<SteadyLoad> {
  const logs: string[][] = [];
  const open = (): Promise<Forebay> => {
    const lines: string[] = [];
    logs.push(lines);
    const say = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const logger: Logger = { debug: () => {}, info: say, warn: say, error: say };
    return createForebay({ database, redis, logger, local: { maxEntries: 8 }, maxStalenessMs: BOUND_MS });
  };
  const sql = await openDatabase(database);
  const writer = await open();
  const reader = await open();
  for (const lines of logs) lines.length = 0;
  /** By file: when each version was known to be committed. */
  const commits = new Map<string, { readonly version: number; readonly at: number }[]>();
  for (let n = 0; n < FILES; n += 1) {
    const { record } = await writer.files.create({ path: `/steady/${n}`, size: n, mimeType: 'text/plain', ownerId: randomUUID() });
    commits.set(record.id, [{ version: record.version, at: performance.now() }]);
  }
  const ids = [...commits.keys()];
  const errors: string[] = [];
  const tookMs: number[] = [];
  let writes = 0;
  let overBound = 0;
  let worstStaleMs = 0;
  let waiting: { readonly isWanted: (id: string) => boolean; readonly resolve: () => void }[] = [];
  const underWay = new Set<Promise<void>>();
  const track = (work: Promise<void>): void => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };

  const read = async (id: string): Promise<void> => {
    const beganAt = performance.now();
    const found = await reader.files.lookup(id);
    tookMs.push(performance.now() - beganAt);
    if (found.outcome === 'unavailable') errors.push(found.error.message);
    if (found.outcome === 'unavailable' || found.outcome === 'absent') return;
    if (found.tier === 'remote') {
      const met = waiting.filter(({ isWanted }) => isWanted(id));
      waiting = waiting.filter((one) => !met.includes(one));
      for (const { resolve } of met) resolve();
    }
    // The oldest newer version that was committed before this read began.
    const newer = commits.get(id)?.find(({ version, at }) => version > found.version && at <= beganAt);
    if (newer === undefined) return;
    worstStaleMs = Math.max(worstStaleMs, beganAt - newer.at);
    if (beganAt - newer.at > BOUND_MS) overBound += 1;
  };
  const queryMs: number[] = [];
  const update = async (id: string): Promise<number> => {
    if (writes % 2 === 0) return (await writer.files.update(id, { size: writes })).record.version;
    const [row] = await sql.query<{ version: number }>('update forebay.file_info set size = $2 where id = $1 returning version', [
      id,
      writes,
    ]);
    return row?.version ?? 0;
  };
  const write = async (id: string): Promise<void> => {
    try {
      const version = await update(id);
      commits.get(id)?.push({ version, at: performance.now() });
      writes += 1;
      const from = performance.now();
      await sql.query('select * from forebay.file_info where id = $1', [id]);
      queryMs.push(performance.now() - from);
    } catch (error) {
      errors.push((error as Error).message);
    }
  };
  let turn = 0;
  const nextId = (): string => ids[(turn = (turn * 31 + 17) % 1_000_003) % ids.length] ?? '';
  const weights: number[] = [];
  const readTimer = setInterval(() => track(read(nextId())), READ_EVERY_MS);
  const writeTimer = setInterval(() => track(write(nextId())), WRITE_EVERY_MS);
  return {
    reader,
    writer,
    servedByRedis: async (isWanted = () => true) => {
      const from = performance.now();
      await new Promise<void>((resolve) => waiting.push({ isWanted, resolve }));
      return performance.now() - from;
    },
    weigh: () => void weights.push(heldBytes()),
    report: () => {
      const [first = 0] = weights;
      return {
        reads: tookMs.length,
        writes,
        errors,
        overBound,
        worstStaleMs,
        p99Ms: quantile(tookMs, 0.99),
        databaseP99Ms: quantile(queryMs, 0.99),
        worstMs: quantile(tookMs, 1),
        logLines: logs.toSorted((a, b) => b.length - a.length)[0] ?? [],
        grownBytes: Math.max(...weights, first) - first,
      };
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(readTimer);
      clearInterval(writeTimer);
      await Promise.all(underWay);
      await reader.close();
      await writer.close();
      await sql.close();
    },
  };
}
