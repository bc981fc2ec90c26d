import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededChance } from '../../../../src/cli/bench/chance.ts';
import type { Load } from '../../../../src/cli/bench/drive.ts';
import { drive } from '../../../../src/cli/bench/drive.ts';
import { traceKeys, zipfKeys } from '../../../../src/cli/bench/keys.ts';
import type { BenchResult } from '../../../../src/cli/bench/result.ts';
import { resultOf } from '../../../../src/cli/bench/result.ts';
import { planOf } from '../../../../src/cli/bench/plan.ts';
import type { Subject } from '../../../../src/cli/bench/subject.ts';
import type { ReadAnswer } from '../../../../src/cli/bench/tally.ts';
import { Tally } from '../../../../src/cli/bench/tally.ts';
import { Witness } from '../../../../src/cli/bench/witness.ts';

const never = new AbortController().signal;
const refuse = (): never => {
  throw new Error('not asked for here');
};

/** A subject that takes as long as `wait` does, and gives version 1. */
function subjectOf(wait: () => Promise<void>): Subject {
  const read = async (ids: readonly string[]): Promise<ReadAnswer> => {
    await wait();
    return { by: { source: ids.length }, slowest: 'source', versions: ids.map(() => 1), code: null, at: performance.now() };
  };
  return {
    kind: 'library',
    description: '',
    boundMs: 1000,
    records: refuse as never,
    read,
    write: refuse,
    touch: refuse,
    loads: refuse,
    server: refuse,
  };
}

async function run(wait: () => Promise<void>, durationMs: number, more: Partial<Load> = {}): Promise<BenchResult> {
  const subject = subjectOf(wait);
  const ids = Array.from({ length: 100 }, (_, i) => String(i));
  const load: Load = {
    subject,
    ids,
    keys: zipfKeys(100, 1, seededChance(1)),
    writes: 0,
    touch: false,
    batch: 1,
    concurrency: 4,
    rate: null,
    random: seededChance(2),
    ...more,
  };
  const tally = new Tally();
  const witness = new Witness(100, 1000);
  const span = await drive(load, tally, witness, durationMs, never);
  return resultOf({ subject, plan: planOf({}), span, tally, staleness: witness.counts, complete: true, loads: null, server: null });
}

/** Two milliseconds each, but those that are under way at one time wait for that to pass, as everybody does when a server stands still. */
function standsStill(fromMs: number, forMs: number): () => Promise<void> {
  const begunAt = performance.now();
  return async () => {
    const now = performance.now() - begunAt;
    await pause(now > fromMs && now < fromMs + forMs ? fromMs + forMs - now : 2);
  };
}

test('an open loop shows a stall to all who came meanwhile, where a closed one shows it to those few who were under way', async () => {
  const [open, closed] = await Promise.all([run(standsStill(500, 400), 1500, { rate: 400 }), run(standsStill(500, 400), 1500)]);
  const percentile = (result: BenchResult, q: 'p90Ms' | 'p99Ms'): number => result.latency.reads?.[q] ?? Number.NaN;
  // 160 of its 600 calls came while it stood still.
  expect(percentile(open, 'p90Ms')).toBeGreaterThan(100);
  expect(percentile(open, 'p99Ms')).toBeGreaterThan(200);
  expect(percentile(closed, 'p90Ms')).toBeLessThan(100);
  expect(closed.latency.reads?.maxMs).toBeGreaterThan(200);
});

test('an open loop begins as many calls as were asked for, at that pace', async () => {
  const result = await run(() => pause(1), 1000, { rate: 500 });
  // What comes due in the last moment is not begun any more.
  expect(result.reads.calls + result.unstarted).toBeGreaterThan(490);
  expect(result.reads.calls).toBeLessThanOrEqual(500);
  expect(result.reads.callsPerSecond).toBeGreaterThan(400);
  expect(result.reads.callsPerSecond).toBeLessThan(520);
});

test('calls that nobody was free to begin are counted with the time that they had waited by the end', async () => {
  const result = await run(() => pause(100), 1000, { rate: 1000, concurrency: 2 });
  expect(result.unstarted).toBeGreaterThan(900);
  expect(result.reads.calls + result.unstarted).toBe(1000);
  // The mean of waits from 0 to 1 s.
  expect(result.latency.reads?.p50Ms).toBeGreaterThan(300);
  expect(result.latency.reads?.p50Ms).toBeLessThan(700);
});

test('a closed loop has so many calls under way and no more, and throughput times duration is what was counted', async () => {
  let [running, most] = [0, 0];
  const result = await run(
    async () => {
      running += 1;
      most = Math.max(most, running);
      await pause(2);
      running -= 1;
    },
    500,
    { concurrency: 7 },
  );
  expect(most).toBe(7);
  expect(running).toBe(0);
  expect(result.elapsedMs).toBeGreaterThanOrEqual(500);
  expect((result.reads.callsPerSecond * result.elapsedMs) / 1000 / result.reads.calls).toBeCloseTo(1, 3);
});

test('answers that come without any I/O do not keep the rest of the process from its turn', async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 5);
  await run(() => Promise.resolve(), 300);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});

test('it ends with the keys, and each key of a trace is read once', async () => {
  const read: string[] = [];
  const subject = subjectOf(() => Promise.resolve());
  const seen: Subject = { ...subject, read: (ids) => (read.push(...ids), subject.read(ids)) };
  const result = await run(() => Promise.resolve(), 60_000, { subject: seen, keys: traceKeys(Int32Array.of(5, 1, 5, 9)) });
  expect(read).toEqual(['5', '1', '5', '9']);
  expect(result.reads.calls).toBe(4);
});

test('a batch holds each record once', async () => {
  const sizes = new Set<number>();
  const subject = subjectOf(() => Promise.resolve());
  const seen: Subject = {
    ...subject,
    read: (ids) => {
      expect(new Set(ids).size).toBe(ids.length);
      sizes.add(ids.length);
      return subject.read(ids);
    },
  };
  await run(() => Promise.resolve(), 60_000, { subject: seen, batch: 3, keys: traceKeys(Int32Array.of(1, 2, 3, 1, 1, 2, 4, 9)) });
  expect([...sizes].toSorted((a, b) => a - b)).toEqual([1, 3]);
});
