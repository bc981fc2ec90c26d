import { count, duration, percent } from '../../metrics/report/format.ts';
import type { Plan } from './plan.ts';
import type { BenchResult, Latencies } from './result.ts';

const WIDTH = 10;

/** What is to be done, in a line. */
export function planText(plan: Plan): string {
  const { trace, keys, skew, writes, touch, concurrency, rate, batch, seed, existing } = { ...plan, touch: plan.existing };
  const what = trace === null ? `${count(keys)} ${existing ? 'existing ' : ''}records, Zipf ${skew}` : `trace of ${count(keys)} keys`;
  const writing =
    writes === 0 ? 'no writes' : `${Number((writes * 100).toPrecision(4))} % writes${touch ? ' (that leave records as they are)' : ''}`;
  const how =
    rate === null ? `closed loop of ${count(concurrency)}` : `open loop, ${count(rate)} calls/s, ${count(concurrency)} at once at most`;
  return [what, writing, how, ...(batch === 1 ? [] : [`batches of ${count(batch)}`]), `seed ${seed}`].join(', ');
}

/** A result for people. */
export function resultText(result: BenchResult): string {
  const { complete, target, plan, elapsedMs } = result;
  return [
    `${complete ? '' : 'Interrupted: '}${duration(elapsedMs)} ${target.kind === 'library' ? 'through the library, on' : 'over HTTP, on'} ${target.description}`,
    `  ${planText(plan)}`,
    '',
    ...throughputLines(result),
    '',
    ...latencyLines(result),
    '',
    ...cacheLines(result),
    ...databaseLines(result),
    ...verdictLines(result),
  ].join('\n');
}

const line = (label: string, ...parts: readonly string[]): string => `${label.padEnd(14)}${parts.join('   ')}`.trimEnd();

function throughputLines({ reads, writes, unstarted }: BenchResult): string[] {
  const records = reads.records === reads.calls ? [] : [`${count(reads.recordsPerSecond)} records/s`];
  return [
    line('throughput', `${count(reads.callsPerSecond)} reads/s`, ...records, `${count(writes.callsPerSecond)} writes/s`),
    line('', `${count(reads.calls)} reads`, `${count(writes.calls)} writes`),
    ...(unstarted === 0
      ? []
      : [
          line(
            '',
            `${count(unstarted)} calls were due and not begun until the end: it cannot do so many a second, or not with so few at once`,
          ),
        ]),
  ];
}

function latencyLines({ latency }: BenchResult): string[] {
  const header = ['p50', 'p90', 'p99', 'p99.9', 'longest'].map((name) => name.padStart(WIDTH)).join('');
  const row = (name: string, of: Latencies | null): string[] =>
    of === null
      ? []
      : [name.padEnd(14) + [of.p50Ms, of.p90Ms, of.p99Ms, of.p999Ms, of.maxMs].map((ms) => duration(ms).padStart(WIDTH)).join('')];
  return [
    `${'latency'.padEnd(14)}${header}`,
    ...row('  reads', latency.reads),
    ...row('    memory', latency.memory),
    ...row('    Redis', latency.redis),
    ...row('    database', latency.database),
    ...row('  writes', latency.writes),
  ];
}

function cacheLines({ hitRatio, answered }: BenchResult): string[] {
  if (hitRatio === null) return [line('hit ratio', 'nothing was answered')];
  const { total, memory, redis } = hitRatio;
  const stale = answered.stale === 0 ? [] : [`${count(answered.stale)} marked stale`];
  return [
    line('hit ratio', percent(total), `memory ${percent(memory)}`, `Redis ${percent(redis)}`, `database ${percent(1 - total)}`, ...stale),
  ];
}

function databaseLines({ database, target }: BenchResult): string[] {
  if (database === null) return [];
  const { callsPerSecond, keysPerCall, msPerSecond, withoutCaches, server } = database;
  const whose = target.kind === 'http' ? ['of all who read there'] : [];
  return [
    line(
      'database',
      `${count(callsPerSecond)} calls/s${keysPerCall === null ? '' : ` of ${count(keysPerCall)} records`}`,
      `${count(msPerSecond)} ms/s`,
      ...whose,
    ),
    ...(withoutCaches === null
      ? []
      : [line('  no caches', `${count(withoutCaches.callsPerSecond)} calls/s`, `${count(withoutCaches.msPerSecond)} ms/s`, 'estimated')]),
    ...(server === null
      ? []
      : [
          line(
            '  its server',
            `${count(server.transactionsPerSecond)} transactions/s`,
            `${count(server.rowsReadPerSecond)} rows/s`,
            server.activeMsPerSecond === null ? '' : `${count(server.activeMsPerSecond)} ms/s`,
            'of everybody, writes and upkeep included',
          ),
        ]),
  ];
}

function verdictLines({ staleness, target, errors, absent }: BenchResult): string[] {
  const { checked, stalerThanBound, behindOwnWrites, oldestMs } = staleness;
  const behind =
    behindOwnWrites === 0 ? '' : `; ${count(behindOwnWrites)} did not see an own write, at most ${duration(oldestMs)} after it`;
  const codes = Object.entries(errors).toSorted(([, a], [, b]) => b - a);
  return [
    line(
      'staleness',
      checked === 0
        ? 'not checked: nothing was read that had been written'
        : `${count(stalerThanBound)} of ${count(checked)} reads of what was written before were staler than the bound of ${duration(target.maxStalenessMs)}${behind}`,
    ),
    line('errors', codes.length === 0 ? 'none' : codes.map(([code, times]) => `${count(times)} ${code}`).join(', ')),
    ...(absent === 0 ? [] : [line('', `${count(absent)} reads found that there is no such record any more`)]),
  ];
}
