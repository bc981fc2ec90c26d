import { quantile } from '../../cache/latency.ts';
import type { Span } from './drive.ts';
import type { Plan } from './plan.ts';
import type { LoadCounts, ServerCounts, Subject } from './subject.ts';
import type { LatencySnapshot, Tally } from './tally.ts';
import type { WitnessCounts } from './witness.ts';

/** Of some calls, in ms; `null` when there were none. */
export interface Latencies {
  readonly calls: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** What a run measured; what `--json` prints. */
export interface BenchResult {
  readonly version: 1;
  /** RFC 3339. */
  readonly at: string;
  /** `false`: it was interrupted, and this is what it had measured by then. */
  readonly complete: boolean;
  readonly target: { readonly kind: Subject['kind']; readonly description: string; readonly maxStalenessMs: number };
  /** With the numbers of keys and records that there really were. */
  readonly plan: Plan;
  readonly elapsedMs: number;
  readonly reads: { readonly calls: number; readonly records: number; readonly callsPerSecond: number; readonly recordsPerSecond: number };
  readonly writes: { readonly calls: number; readonly failed: number; readonly callsPerSecond: number };
  /** Of an open loop: calls that were due, and that nobody could begin until the end. */
  readonly unstarted: number;
  readonly latency: {
    readonly reads: Latencies | null;
    readonly writes: Latencies | null;
    /** Of reads, by the slowest tier that took part. */
    readonly memory: Latencies | null;
    readonly redis: Latencies | null;
    readonly database: Latencies | null;
  };
  /** Records by who answered. */
  readonly answered: {
    readonly memory: number;
    readonly redis: number;
    readonly database: number;
    readonly stale: number;
    readonly failed: number;
  };
  /** Shares of the records that somebody answered for; `null` when there were none. */
  readonly hitRatio: { readonly total: number; readonly memory: number; readonly redis: number } | null;
  /** Records that were not there. */
  readonly absent: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly staleness: WitnessCounts;
  readonly database: DatabaseLoad | null;
}

export interface DatabaseLoad {
  /** Loads of this process, or of the service (then of all who read there). */
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly keysPerCall: number | null;
  /** Time that they took, in ms per second: 1,000 is one connection busy all the time. */
  readonly msPerSecond: number;
  /** If each read had been a load, at the same keys and time for a call. `null` when nothing was loaded. */
  readonly withoutCaches: { readonly callsPerSecond: number; readonly msPerSecond: number } | null;
  /** What the server counted in the same time, of everybody; `null` where it cannot be asked. */
  readonly server: {
    readonly transactionsPerSecond: number;
    readonly rowsReadPerSecond: number;
    readonly activeMsPerSecond: number | null;
  } | null;
}

export interface Measured {
  readonly subject: Subject;
  readonly plan: Plan;
  readonly span: Span;
  readonly tally: Tally;
  readonly staleness: WitnessCounts;
  readonly complete: boolean;
  readonly loads: Change<LoadCounts> | null;
  readonly server: Change<ServerCounts> | null;
}

/** Counts before and after. */
interface Change<T> {
  readonly before: T;
  readonly after: T;
}

export function resultOf(measured: Measured): BenchResult {
  const { subject, plan, span, tally, staleness, complete } = measured;
  const elapsedMs = Math.max(1, span.endedAt - span.startedAt);
  const perSecond = (count: number): number => round((count * 1000) / elapsedMs);
  const { reads, writes, tiers } = tally.latencies();
  const { local, remote, source, stale, none } = tally.by;
  const answered = tally.records - none;
  return {
    version: 1,
    at: new Date().toISOString(),
    complete,
    target: { kind: subject.kind, description: subject.description, maxStalenessMs: subject.boundMs },
    plan,
    elapsedMs: round(elapsedMs),
    reads: {
      calls: tally.calls,
      records: tally.records,
      callsPerSecond: perSecond(tally.calls),
      recordsPerSecond: perSecond(tally.records),
    },
    writes: { calls: tally.writes, failed: tally.failedWrites, callsPerSecond: perSecond(tally.writes) },
    unstarted: tally.unstarted,
    latency: {
      reads: latenciesOf(reads),
      writes: latenciesOf(writes),
      memory: latenciesOf(tiers.local),
      redis: latenciesOf(tiers.remote),
      database: latenciesOf(tiers.source),
    },
    answered: { memory: local, redis: remote, database: source, stale, failed: none },
    hitRatio: answered === 0 ? null : { total: (local + remote + stale) / answered, memory: local / answered, redis: remote / answered },
    absent: tally.absent,
    errors: { ...tally.errors },
    staleness: { ...staleness, oldestMs: round(staleness.oldestMs) },
    database: databaseLoad(measured, perSecond),
  };
}

function latenciesOf({ histogram, maxMs }: LatencySnapshot): Latencies | null {
  if (histogram.count === 0) return null;
  // A bucket reaches beyond what was seen: no percentile is above the longest.
  const at = (q: number): number => round(Math.min(maxMs, quantile(histogram, q) ?? 0));
  return {
    calls: histogram.count,
    meanMs: round(histogram.sum / histogram.count),
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    maxMs: round(maxMs),
  };
}

function databaseLoad({ loads, server, tally }: Measured, perSecond: (count: number) => number): DatabaseLoad | null {
  if (loads === null) return null;
  const calls = loads.after.calls - loads.before.calls;
  const keys = loads.after.keys - loads.before.keys;
  const ms = loads.after.ms - loads.before.ms;
  const withoutCalls = keys === 0 ? 0 : (tally.records * calls) / keys;
  return {
    calls,
    callsPerSecond: perSecond(calls),
    keysPerCall: calls === 0 ? null : round(keys / calls),
    msPerSecond: perSecond(ms),
    withoutCaches: calls === 0 ? null : { callsPerSecond: perSecond(withoutCalls), msPerSecond: perSecond((withoutCalls * ms) / calls) },
    server: server === null ? null : serverLoad(server, perSecond),
  };
}

function serverLoad({ before, after }: Change<ServerCounts>, perSecond: (count: number) => number): NonNullable<DatabaseLoad['server']> {
  return {
    transactionsPerSecond: perSecond(after.transactions - before.transactions),
    rowsReadPerSecond: perSecond(after.rowsRead - before.rowsRead),
    activeMsPerSecond: after.activeMs === null || before.activeMs === null ? null : perSecond(after.activeMs - before.activeMs),
  };
}

/** Five digits are more than is known. */
const round = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(5)));
