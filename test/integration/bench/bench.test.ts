import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalTier } from '../../../src/cache/local-tier.ts';
import { librarySubject } from '../../../src/cli/bench/library-subject.ts';
import { measure } from '../../../src/cli/bench/measure.ts';
import type { Plan } from '../../../src/cli/bench/plan.ts';
import { planOf } from '../../../src/cli/bench/plan.ts';
import type { BenchResult } from '../../../src/cli/bench/result.ts';
import { RunRecords, sweepAll, sweepDead } from '../../../src/cli/bench/run-records.ts';
import type { Trace } from '../../../src/cli/bench/trace-file.ts';
import type { Shell } from '../../../src/cli/shell.ts';
import type { BenchRecords } from '../../../src/files/bench-records.ts';
import { BENCH } from '../../../src/files/bench-records.ts';
import type { Forebay } from '../../../src/forebay.ts';
import type { ForebayOptions } from '../../../src/forebay-options.ts';
import { createForebay } from '../../../src/forebay.ts';
import { createBenchRecords } from '../../../src/postgres/bench-records.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';
import { startRedis } from '../../support/redis.ts';

let postgres: TestPostgres;
let databases = 0;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const never = new AbortController().signal;
const shell: Shell = {
  env: {},
  cwd: '/',
  isTerminal: false,
  isOutputTerminal: false,
  input: async () => '',
  inputLines: async function* () {},
  out: () => {},
  note: () => {},
  stop: never,
  endAtOnce: () => () => {},
};

async function open(options: Omit<ForebayOptions, 'database'>): Promise<Forebay> {
  databases += 1;
  return createForebay({ database: await postgres.createDatabase(`bench_${databases}`), warm: 'off', ...options });
}

/** Measures with records of its own, as the command does. */
async function run(forebay: Forebay, plan: Plan, trace: Trace | null = null): Promise<BenchResult> {
  const subject = librarySubject(forebay, 'a test');
  const own = await RunRecords.begin(subject.records);
  try {
    await own.make(plan.keys, never, () => {});
    return await measure({ subject, plan, ids: own.ids, trace, signal: never }, shell, true);
  } finally {
    await own.remove(() => {});
  }
}

/** The first reads of a recorded trace, its keys numbered. */
function recorded(most: number): Trace {
  const bytes = gunzipSync(readFileSync(new URL('../../support/traces/web12.trace.gz', import.meta.url)));
  const numbers = new Map<number, number>();
  const reads = Int32Array.from({ length: most }, (_, i) => {
    const key = bytes.readInt32BE(i * 4);
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key) ?? 0;
  });
  return { reads, keys: numbers.size, isCut: false };
}

/** What a cache of so many entries answers of it, by doing it. */
function simulated(reads: Int32Array, maxEntries: number, policy: 'lru' | 's3fifo'): number {
  const tier = new LocalTier<{ bytes: number }>({ maxEntries, maxBytes: Number.MAX_SAFE_INTEGER, policy });
  let hits = 0;
  for (const key of reads) {
    if (tier.get(String(key)) === undefined) tier.set(String(key), { bytes: 1 });
    else hits += 1;
  }
  return hits / reads.length;
}

describe('the numbers', () => {
  // Process memory gives a quarter of its room to attributes, so records have 600 entries.
  test.each(['lru', 's3fifo'] as const)(
    'of a recorded trace through a cache of known size (%s) are those of the simulation, and add up',
    async (policy) => {
      const trace = recorded(5000);
      const forebay = await open({ redis: null, local: { maxEntries: 800, policy }, ttl: { fixedMs: 3_600_000 } });
      const plan = { ...planOf({ trace: 'web12', writes: '0', concurrency: '1' }), keys: trace.keys };
      const result = await run(forebay, plan, trace);
      await forebay.close();
      const expected = simulated(trace.reads, 600, policy);
      console.log(`${policy}: measured ${((result.hitRatio?.memory ?? 0) * 100).toFixed(2)} %, simulated ${(expected * 100).toFixed(2)} %`);
      expect(Math.abs((result.hitRatio?.memory ?? 0) - expected)).toBeLessThan(0.01);
      expect(expected).toBeGreaterThan(0.3);
      const { answered, reads, elapsedMs, database, latency } = result;
      expect(reads.records).toBe(5000);
      expect(answered.memory + answered.redis + answered.database + answered.stale + answered.failed).toBe(5000);
      expect((reads.callsPerSecond * elapsedMs) / 1000).toBeCloseTo(5000, -1);
      expect(latency.reads?.calls).toBe(5000);
      expect((latency.memory?.calls ?? 0) + (latency.database?.calls ?? 0)).toBe(5000);
      // What the caches did not answer is what the database was asked for, as its own counters say.
      expect(database?.calls).toBe(answered.database);
      expect(result).toMatchObject({ complete: true, errors: {}, absent: 0, staleness: { checked: 0 } });
    },
  );

  test('of writes: each is seen at once by this process, and none is missed within the bound', async () => {
    await using redis = await startRedis();
    const forebay = await open({ redis: redis.url });
    const result = await run(forebay, planOf({ duration: '2s', keys: '50', writes: '0.2', concurrency: '8' }));
    await forebay.close();
    expect(result.staleness).toEqual({ checked: expect.any(Number), stalerThanBound: 0, behindOwnWrites: 0, oldestMs: 0 });
    expect(result.staleness.checked).toBeGreaterThan(100);
    expect(result.writes).toMatchObject({ failed: 0 });
    expect(result.writes.calls / (result.writes.calls + result.reads.calls)).toBeCloseTo(0.2, 1);
    expect(result.database?.server?.transactionsPerSecond).toBeGreaterThan(1);
  });

  test('of reads that are staler than the bound: they are counted', async () => {
    const forebay = await open({ redis: null });
    const subject = librarySubject(forebay, 'a test');
    const newest = new Map<string, number>();
    const stuck: typeof subject = {
      ...subject,
      boundMs: 100,
      // Of one record it gives the first version for ever.
      read: async (ids) => {
        const answer = await subject.read(ids);
        const version = newest.get(ids[0] ?? '') ?? answer.versions[0] ?? 0;
        newest.set(ids[0] ?? '', version);
        return { ...answer, versions: [version] };
      },
    };
    const own = await RunRecords.begin(subject.records);
    await own.make(5, never, () => {});
    const plan = planOf({ duration: '1s', keys: '5', writes: '0.1', concurrency: '2' });
    const result = await measure({ subject: stuck, plan, ids: own.ids, trace: null, signal: never }, shell, true);
    await own.remove(() => {});
    await forebay.close();
    expect(result.staleness.stalerThanBound).toBeGreaterThan(10);
    expect(result.staleness.oldestMs).toBeGreaterThan(100);
  });

  test('of an open loop show it when Redis stands still, where a closed loop hides it', async () => {
    const measured = async (rate: Pick<Parameters<typeof planOf>[0], 'rate'>): Promise<BenchResult> => {
      await using redis = await startRedis();
      // Nothing is in process memory, and a read waits for Redis for longer than anybody should.
      const forebay = await open({ redis: redis.url, local: { maxEntries: 0 }, redisBudgetMs: 600, ttl: { fixedMs: 3_600_000 } });
      const plan = planOf({ duration: '2s', warmup: '500ms', keys: '100', writes: '0', skew: '0', concurrency: '4', ...rate });
      const running = run(forebay, plan);
      while (forebay.vitals().caches[0]?.stats.counts.lookups.remoteHit === 0) await pause(5);
      await pause(1200);
      redis.freeze();
      await pause(600);
      redis.thaw();
      const result = await running;
      await forebay.close();
      return result;
    };
    const open_ = await measured({ rate: '400' });
    const closed = await measured({});
    console.log(`open ${JSON.stringify(open_.latency.reads)}, closed ${JSON.stringify(closed.latency.reads)}`);
    expect(open_.latency.reads?.p999Ms).toBeGreaterThan(250);
    expect(open_.latency.reads?.p99Ms).toBeGreaterThan(200);
    expect(closed.latency.reads?.p90Ms).toBeLessThan(100);
    expect(open_.errors).toEqual({});
  });
});

describe('its records', () => {
  let forebay: Forebay;
  let records: BenchRecords;
  const all = async (): Promise<number> =>
    (await forebay.files.transaction((tx) => tx.query<{ n: number }>('select count(*)::int as n from forebay.file_info'))).value[0]?.n ??
    -1;
  /** As if the process of a run had been killed so long ago. */
  const age = (run: string, seconds: number): Promise<unknown> =>
    forebay.files.transaction((tx) =>
      tx.query(`update forebay.file_info set updated_at = clock_timestamp() - make_interval(secs => $2) where id = $1`, [run, seconds]),
    );
  const dead = async (count: number): Promise<string> => {
    const { run } = await records.begin();
    if (count > 0) await records.make(run, 0, count);
    await age(run, 11);
    return run;
  };

  beforeAll(async () => {
    forebay = await open({ redis: null });
    records = createBenchRecords(forebay.files);
  });
  afterAll(() => forebay.close());

  test('those of a dead run are removed, and nothing else: not of one at work, not what was kept, not a file in the same folder that somebody owns', async () => {
    await forebay.files.create({ path: `${BENCH.recordsBelow}mine`, size: 1, ownerId: 'ann' });
    await forebay.files.create({ path: `${BENCH.runsBelow}mine`, size: 1, ownerId: 'ann' });
    const gone = await dead(2500);
    await dead(0);
    const kept = await dead(3);
    await records.beat(kept, true);
    await age(kept, 100);
    await using alive = { run: await RunRecords.begin(records), [Symbol.asyncDispose]: async () => alive.run.remove(() => {}) };
    await alive.run.make(5, never, () => {});
    await forebay.files.create({ path: `${BENCH.recordsBelow}${gone}/theirs`, size: 1, ownerId: 'bob' });
    expect(await all()).toBe(2 + 2501 + 1 + 4 + 6 + 1);
    const told: number[] = [];
    expect(await sweepDead(records, never, (done) => told.push(done))).toEqual({ runs: 2, records: 2500, left: 2 });
    expect(told).toContain(1000);
    expect(await all()).toBe(2 + 4 + 6 + 1);
    expect(await records.make(gone, 0, 1).catch((error: unknown) => error)).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('--clean removes what was kept too, waits for one that died just now, and leaves one at work', async () => {
    const before = (await records.runs()).runs.length;
    const { run } = await records.begin();
    await records.make(run, 0, 10);
    await age(run, 8);
    await using alive = { run: await RunRecords.begin(records), [Symbol.asyncDispose]: async () => alive.run.remove(() => {}) };
    // The run that was kept by the test before is among them.
    const swept = sweepAll(records, never, () => {});
    expect(await swept).toEqual({ runs: before + 1, records: 13, left: 1 });
    expect((await records.runs()).runs.map((one) => one.run)).toEqual([alive.run.run]);
  });

  test('a run that was taken for dead is told so, and leaves nothing behind', async () => {
    const own = await RunRecords.begin(records);
    await own.make(5, never, () => {});
    await age(own.run, 60);
    await sweepDead(records, never, () => {});
    await expect(own.make(10, never, () => {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    while (!own.lost) await pause(50);
    await own.remove(() => {});
    expect((await records.runs()).runs).toEqual([]);
  });

  test('ids that exist are given page by page, and never those of a bench', async () => {
    const own = await RunRecords.begin(records);
    await own.make(20, never, () => {});
    const { ids } = await records.existing('00000000-0000-0000-0000-000000000000', 1000);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.some((id) => own.ids.includes(id) || id === own.run)).toBe(false);
    const [first = ''] = ids;
    expect((await records.existing(first, 1)).ids).toEqual(ids.slice(1, 2));
    await own.remove(() => {});
  });
});
