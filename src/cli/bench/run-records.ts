import { setTimeout as pause } from 'node:timers/promises';
import { ForebayError } from '../../core/errors.ts';
import type { BenchRecords, BenchRun } from '../../files/bench-records.ts';
import { BENCH } from '../../files/bench-records.ts';

/** Told how many of how many are done. */
export type OnDone = (done: number, total: number | null) => void;

/** Records of one run, which tells that it lives until they are removed. The owner has to end it, by `remove` or `keep`. */
export class RunRecords {
  readonly run: string;
  readonly ids: string[] = [];
  readonly #records: BenchRecords;
  readonly #ended = new AbortController();
  readonly #beating: Promise<void>;
  /** Whether another one took this run for dead: its records are gone. */
  lost = false;

  private constructor(records: BenchRecords, run: string) {
    this.#records = records;
    this.run = run;
    this.#beating = this.#beat();
  }

  static async begin(records: BenchRecords): Promise<RunRecords> {
    const { run } = await records.begin();
    return new RunRecords(records, run);
  }

  /** Makes records until there are `count`; ends early when the signal aborts. @throws {ForebayError} `DATABASE_UNAVAILABLE` and others */
  async make(count: number, signal: AbortSignal, onDone: OnDone): Promise<void> {
    while (this.ids.length < count && !signal.aborted) {
      const { ids } = await this.#records.make(this.run, this.ids.length, Math.min(BENCH.maxBatch, count - this.ids.length));
      this.ids.push(...ids);
      onDone(this.ids.length, count);
    }
  }

  async remove(onDone: OnDone): Promise<void> {
    const total = this.ids.length;
    await removeRun(this.#records, this.run, (done) => onDone(done, total));
    await this.#end();
  }

  async keep(): Promise<void> {
    await this.#end();
    await this.#records.beat(this.run, true);
  }

  async #end(): Promise<void> {
    this.#ended.abort();
    await this.#beating;
  }

  async #beat(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await pause(BENCH.beatEveryMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      try {
        const { alive } = await this.#records.beat(this.run);
        if (!alive && !signal.aborted) this.lost = true;
      } catch {
        // The next beat may get through, and the run itself tells of a database that does not answer.
      }
    }
  }
}

async function removeRun(records: BenchRecords, run: string, onDone: (removed: number) => void): Promise<number> {
  let total = 0;
  for (;;) {
    const { removed, more } = await records.remove(run);
    total += removed;
    onDone(total);
    if (!more) return total;
  }
}

export interface Swept {
  /** Runs whose records were removed, and how many these were. */
  readonly runs: number;
  readonly records: number;
  /** Runs that are at work, or whose records were kept and are to stay. */
  readonly left: number;
}

const isDead = ({ ageMs }: BenchRun): boolean => ageMs > BENCH.deadAfterMs;

/** Removes what runs left behind that died. What was kept stays. */
export async function sweepDead(records: BenchRecords, signal: AbortSignal, onDone: OnDone): Promise<Swept> {
  const { runs } = await records.runs();
  const dead = runs.filter((run) => !run.kept && isDead(run));
  return { ...(await sweep(records, dead, signal, onDone)), left: runs.length - dead.length };
}

/** Removes what runs left behind, kept records too, and waits until it is known of each other that it is at work. */
export async function sweepAll(records: BenchRecords, signal: AbortSignal, onDone: OnDone): Promise<Swept> {
  let swept = { runs: 0, records: 0 };
  let seen = new Map<string, number>();
  const alive = new Set<string>();
  for (;;) {
    const { runs } = await records.runs();
    const done = runs.filter((run) => run.kept || isDead(run));
    const now = await sweep(records, done, signal, onDone);
    swept = { runs: swept.runs + now.runs, records: swept.records + now.records };
    const left = runs.filter((run) => !done.includes(run));
    // One that is younger than it was has told that it lives meanwhile.
    for (const { run, ageMs } of left) if (ageMs < (seen.get(run) ?? 0)) alive.add(run);
    if (signal.aborted || left.every(({ run }) => alive.has(run))) return { ...swept, left: left.length };
    seen = new Map(left.map(({ run, ageMs }) => [run, ageMs]));
    await pause(500, undefined, { signal }).catch(() => {});
  }
}

async function sweep(
  records: BenchRecords,
  runs: readonly BenchRun[],
  signal: AbortSignal,
  onDone: OnDone,
): Promise<{ runs: number; records: number }> {
  let removed = 0;
  let ended = 0;
  for (const { run } of runs) {
    if (signal.aborted) break;
    const before = removed;
    removed += await removeRun(records, run, (done) => onDone(before + done, null));
    ended += 1;
  }
  return { runs: ended, records: removed };
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Ids of records that are there, in an order that has nothing to do with their popularity: from a random place on in the order of ids, and from the beginning where that is too near the end.
 * @throws {ForebayError} `NOT_FOUND` when there is none
 */
export async function existingIds(
  records: BenchRecords,
  count: number,
  random: () => number,
  signal: AbortSignal,
  onDone: OnDone,
): Promise<string[]> {
  const start = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  const from = start.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const ids = new Set<string>();
  for (const begin of [from, FIRST_ID]) {
    for (let after = begin; ids.size < count && !signal.aborted;) {
      const { ids: page } = await records.existing(after, Math.min(BENCH.maxBatch, count - ids.size));
      for (const id of page) ids.add(id);
      onDone(ids.size, count);
      const last = page.at(-1);
      if (last === undefined || (begin === FIRST_ID && last >= from)) break;
      after = last;
    }
  }
  if (ids.size === 0 && !signal.aborted)
    throw new ForebayError(
      'NOT_FOUND',
      'there are no records yet that --existing could read: index a folder, or leave it out to have records made for it',
      { field: 'existing' },
    );
  return [...ids];
}
