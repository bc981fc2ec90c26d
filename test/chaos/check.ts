import type { History } from './history.ts';
import { ABSENT, FAILED, readsOf } from './logs.ts';
import { Quantiles } from './quantiles.ts';

/** A stretch of time, of one process or of all. */
export interface Window {
  readonly process: number | 'all';
  readonly from: number;
  readonly to: number;
}

export interface Logged {
  readonly process: number;
  readonly writer: number;
  readonly readLog: string;
}

export interface CheckInput {
  readonly history: History;
  readonly logs: readonly Logged[];
  readonly boundMs: number;
  readonly faults: readonly Window[];
  /**
   * Reads that began before are held against every promise, and left out of the figures below the bound: all processes start at once, and for a second or two what they measure is how two cores compile the same code
   * four times.
   */
  readonly settledAt: number;
  /** Here a process could not reach the database: an error is an honest answer. */
  readonly databaseAway: readonly Window[];
  /** Here a process did not run: the times of its reads say nothing. */
  readonly frozen: readonly Window[];
}

/** A read that was staler than the bound, for people. */
export interface Example {
  readonly process: number;
  readonly key: number;
  readonly version: number;
  readonly beganAt: number;
  readonly stalenessMs: number;
}

export interface Findings {
  reads: number;
  /** Reads staler than so many ms; up to 100 ms, of those that began once all had settled. */
  readonly stale: { over0: number; over10: number; over100: number; over1000: number; overBound: number };
  worstMs: number;
  backward: number;
  /** Values that never existed. */
  ghosts: number;
  /** Reads that did not see what their own process had written. */
  ownMissed: number;
  errors: { allowed: number; other: number };
  p99Ms: { calm: number; fault: number };
  readonly examples: Example[];
}

const MOST_EXAMPLES = 5;
/** A read that began while the database was away may find its load's time limit only later. */
const AWAY_GRACE_MS = 3000;

/** What one process is known to have seen of one key: the newest state among the reads that ended by a time. It grows only when a newer state is seen, so it is as small as the writes. */
class Seen {
  readonly #ends: number[] = [];
  readonly #orders: number[] = [];

  /** The newest state that had been seen by then. */
  by(time: number): number {
    let at = this.#ends.length - 1;
    while (at >= 0 && (this.#ends[at] ?? 0) > time) at -= 1;
    return this.#orders[at] ?? Number.NEGATIVE_INFINITY;
  }

  /** Ends come in order. */
  add(endedAt: number, order: number): void {
    if (order <= (this.#orders.at(-1) ?? Number.NEGATIVE_INFINITY)) return;
    this.#ends.push(endedAt);
    this.#orders.push(order);
  }
}

const inside = (windows: readonly Window[], process: number, from: number, to: number): boolean =>
  windows.some((window) => (window.process === 'all' || window.process === process) && from <= window.to && to >= window.from);

/** Holds every read against the history. Reads are streamed from their logs: memory goes with the writes, not with the reads. */
export function check(input: CheckInput): Findings {
  const findings: Findings = {
    reads: 0,
    stale: { over0: 0, over10: 0, over100: 0, over1000: 0, overBound: 0 },
    worstMs: 0,
    backward: 0,
    ghosts: 0,
    ownMissed: 0,
    errors: { allowed: 0, other: 0 },
    p99Ms: { calm: 0, fault: 0 },
    examples: [],
  };
  const calm = new Quantiles();
  const fault = new Quantiles();
  const away = input.databaseAway.map((window) => ({ ...window, to: window.to + AWAY_GRACE_MS }));
  const own = ownWrites(input.history);
  for (const { process, writer, readLog } of input.logs) {
    const seen = new Map<number, Seen>();
    for (const { key, version, mark, beganAt, endedAt } of readsOf(readLog)) {
      findings.reads += 1;
      if (!inside(input.frozen, process, beganAt, endedAt))
        (inside(input.faults, process, beganAt, beganAt) ? fault : calm).add(endedAt - beganAt);
      if (version === FAILED) {
        findings.errors[inside(away, process, beganAt, endedAt) ? 'allowed' : 'other'] += 1;
        continue;
      }
      const judged = version === ABSENT ? input.history.absent(key, endedAt) : input.history.present(key, version, mark);
      if (judged.kind === 'ghost') {
        findings.ghosts += 1;
        continue;
      }
      const { order } = judged;
      noteStaleness(findings, input, { process, key, version, beganAt, stalenessMs: beganAt - input.history.newerSince(key, order) });
      const before = seen.get(key) ?? new Seen();
      if (order < before.by(beganAt)) findings.backward += 1;
      before.add(endedAt, order);
      seen.set(key, before);
      if (order < (own.get(writer)?.get(key)?.by(beganAt) ?? order)) findings.ownMissed += 1;
    }
  }
  findings.p99Ms.calm = calm.at(0.99);
  findings.p99Ms.fault = fault.at(0.99);
  return findings;
}

function noteStaleness(findings: Findings, { boundMs, settledAt }: CheckInput, example: Example): void {
  const { stalenessMs } = example;
  if (stalenessMs <= 0) return;
  const { stale, examples } = findings;
  if (example.beganAt >= settledAt) {
    stale.over0 += 1;
    if (stalenessMs > 10) stale.over10 += 1;
    if (stalenessMs > 100) stale.over100 += 1;
  }
  if (stalenessMs > 1000) stale.over1000 += 1;
  findings.worstMs = Math.max(findings.worstMs, stalenessMs);
  if (stalenessMs <= boundMs) return;
  stale.overBound += 1;
  if (examples.some(({ process, key }) => process === example.process && key === example.key)) return;
  if (examples.length < MOST_EXAMPLES) examples.push(example);
}

/** By writer and key: what it was told that it had written, in the order in which it was told. */
function ownWrites(history: History): Map<number, Map<number, Seen>> {
  const own = new Map<number, Map<number, Seen>>();
  for (const { write, key, order, doneAt } of [...history.done()].sort((a, b) => a.doneAt - b.doneAt)) {
    const writer = Math.floor(write / 2 ** 24);
    const keys = own.get(writer) ?? new Map<number, Seen>();
    const seen = keys.get(key) ?? new Seen();
    seen.add(doneAt, order);
    own.set(writer, keys.set(key, seen));
  }
  return own;
}
