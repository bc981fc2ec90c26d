import { count, duration } from '../../metrics/report/format.ts';
import type { Shell } from '../shell.ts';
import { seededChance } from './chance.ts';
import type { Load } from './drive.ts';
import { drive } from './drive.ts';
import { traceKeys, zipfKeys } from './keys.ts';
import type { Plan } from './plan.ts';
import { showProgress } from '../progress.ts';
import type { BenchResult } from './result.ts';
import { resultOf } from './result.ts';
import type { Subject } from './subject.ts';
import { Tally } from './tally.ts';
import type { Trace } from './trace-file.ts';
import { Witness } from './witness.ts';

export interface MeasureOptions {
  readonly subject: Subject;
  readonly plan: Plan;
  /** Of the records, by the number of their key. */
  readonly ids: readonly string[];
  readonly trace: Trace | null;
  readonly signal: AbortSignal;
}

/** How often a person is told how far it is, in ms. */
const TELL_MS = 250;

/** Puts the load of a plan on a subject and says what came of it; when the signal aborts, what came of it by then. */
export async function measure({ subject, plan, ids, trace, signal }: MeasureOptions, shell: Shell, quiet: boolean): Promise<BenchResult> {
  const random = seededChance(plan.seed);
  const load: Load = {
    subject,
    ids,
    keys: trace === null ? zipfKeys(ids.length, plan.skew, seededChance(plan.seed ^ 0x5bd1e995)) : traceKeys(trace.reads),
    writes: plan.writes,
    touch: plan.existing,
    batch: plan.batch,
    concurrency: plan.concurrency,
    rate: plan.rate,
    random,
  };
  const witness = new Witness(ids.length, subject.boundMs);
  if (plan.warmupMs > 0) await shown(load, new Tally(), witness, plan.warmupMs, signal, shell, 'Warming up', quiet);
  witness.reset();
  const tally = new Tally();
  const before = await countsOf(subject);
  const span = await shown(load, tally, witness, plan.durationMs, signal, shell, 'Measuring', quiet);
  const after = await countsOf(subject);
  return resultOf({
    subject,
    plan,
    span,
    tally,
    staleness: witness.counts,
    complete: !signal.aborted,
    loads: before.loads === null || after.loads === null ? null : { before: before.loads, after: after.loads },
    server: before.server === null || after.server === null ? null : { before: before.server, after: after.server },
  });
}

/** What cannot be counted is left out of the result. */
async function countsOf(subject: Subject) {
  const [loads, server] = await Promise.all([subject.loads().catch(() => null), subject.server().catch(() => null)]);
  return { loads, server };
}

async function shown(
  load: Load,
  tally: Tally,
  witness: Witness,
  durationMs: number,
  signal: AbortSignal,
  shell: Shell,
  label: string,
  quiet: boolean,
) {
  const stage = showProgress(shell, label, { quiet });
  const startedAt = performance.now();
  let [lastAt, lastCalls] = [startedAt, 0];
  const timer = setInterval(() => {
    const now = performance.now();
    const calls = tally.calls + tally.writes;
    const rate = ((calls - lastCalls) * 1000) / Math.max(1, now - lastAt);
    [lastAt, lastCalls] = [now, calls];
    stage.update(
      Math.min(1, (now - startedAt) / durationMs),
      `${duration(now - startedAt)} of ${duration(durationMs)}, ${count(rate)} calls/s`,
    );
  }, TELL_MS);
  try {
    return await drive(load, tally, witness, durationMs, signal);
  } finally {
    clearInterval(timer);
    stage.end();
  }
}
