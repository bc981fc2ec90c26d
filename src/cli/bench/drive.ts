import { setTimeout as pause } from 'node:timers/promises';
import type { KeySource } from './keys.ts';
import type { Subject } from './subject.ts';
import type { Tally } from './tally.ts';
import type { Required, Witness } from './witness.ts';

export interface Load {
  readonly subject: Subject;
  /** Ids of the records, by number. */
  readonly ids: readonly string[];
  readonly keys: KeySource;
  /** Share of calls that write, from 0 to 1. */
  readonly writes: number;
  /** Writes leave what a record says as it is. */
  readonly touch: boolean;
  /** Records of one read. */
  readonly batch: number;
  /** Calls under way at most. */
  readonly concurrency: number;
  /** Calls a second of an open loop; `null`: each worker begins the next when it has the answer. */
  readonly rate: number | null;
  readonly random: () => number;
}

export interface Span {
  readonly startedAt: number;
  /** When the last call was answered. */
  readonly endedAt: number;
  /** Whether the keys ended before the time did. */
  readonly ranOut: boolean;
}

/**
 * A timer may be late by so much, in ms, and that is no delay of what is measured: a call of an open loop that begins so late although a worker was free counts from when it began. If it begins later, or no
 * worker was free, it counts from when it was due, so that what came while all stood still is not left out (Tene, "coordinated omission").
 */
const TIMER_MS = 5;
/** Workers give way to the rest of the process so often, in ms: answers from process memory come without any I/O, and nothing else would ever run. */
const TURN_MS = 0.5;
/** Calls that were never begun are counted in steps of their waits. */
const STEPS = 1000;
/** A signal to stop is seen after so long at most, in ms. */
const MAX_PAUSE_MS = 50;

/** Puts a load on a subject for a time, or until its keys end or the signal aborts; all calls are answered when it resolves. */
export async function drive(load: Load, tally: Tally, witness: Witness, durationMs: number, signal: AbortSignal): Promise<Span> {
  const run = new Run(load, tally, witness, durationMs, signal);
  return load.rate === null ? run.closed() : run.open(load.rate);
}

class Run {
  readonly #load: Load;
  readonly #tally: Tally;
  readonly #witness: Witness;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();
  readonly #durationMs: number;
  readonly #deadline: number;
  #ranOut = false;
  #turnEndsAt = this.#startedAt + TURN_MS;
  #nextTurn: Promise<void> | null = null;
  #size = 0;
  /** Of an open loop: the number of the next call, and the workers that have none. */
  #next = 0;
  #free = 0;
  #wake: () => void = () => {};

  constructor(load: Load, tally: Tally, witness: Witness, durationMs: number, signal: AbortSignal) {
    this.#load = load;
    this.#tally = tally;
    this.#witness = witness;
    this.#signal = signal;
    this.#durationMs = durationMs;
    this.#deadline = this.#startedAt + durationMs;
  }

  async closed(): Promise<Span> {
    const work = async (): Promise<void> => {
      for (;;) {
        if (!this.#goesOn()) return;
        await this.#call(performance.now());
        await this.#giveWay();
      }
    };
    await Promise.all(Array.from({ length: this.#load.concurrency }, work));
    return this.#span();
  }

  /** Calls are due at even distances; workers take them in order. Due ones are no queue but a number, so that a backlog of any length costs nothing. */
  async open(rate: number): Promise<Span> {
    const dueAt = (n: number): number => this.#startedAt + (n * 1000) / rate;
    const last = Math.ceil((this.#durationMs * rate) / 1000);
    this.#free = this.#load.concurrency;
    while (this.#next < last && this.#goesOn()) {
      const now = performance.now();
      const due = Math.floor(((now - this.#startedAt) * rate) / 1000) + 1 - this.#next;
      for (let n = Math.min(this.#free, due); n > 0; n -= 1) void this.#takeDue(dueAt, last);
      await this.#until(Math.min(this.#free === 0 ? this.#deadline : dueAt(this.#next), this.#deadline));
    }
    const endedAt = performance.now();
    while (this.#busy()) await pause(1);
    if (!this.#isOver()) this.#countUnstarted(dueAt, last, endedAt);
    return this.#span();
  }

  /** One worker, for as long as there are calls that are due. */
  async #takeDue(dueAt: (n: number) => number, last: number): Promise<void> {
    this.#free -= 1;
    try {
      for (let now = performance.now(); this.#next < last && dueAt(this.#next) <= now && this.#goesOn(); now = performance.now()) {
        const due = dueAt(this.#next);
        this.#next += 1;
        await this.#call(this.#free > 0 && now - due <= TIMER_MS ? now : due);
        await this.#giveWay();
      }
    } finally {
      this.#free += 1;
      this.#wake();
    }
  }

  /** Until then, or until a worker is free. */
  #until(at: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, Math.min(at - performance.now(), MAX_PAUSE_MS)));
      // While one is free, all that is due is taken; what comes next is a matter of time.
      this.#wake =
        this.#free > 0
          ? () => {}
          : () => {
              clearTimeout(timer);
              resolve();
            };
    });
  }

  #goesOn(): boolean {
    return performance.now() < this.#deadline && !this.#isOver();
  }

  #busy(): boolean {
    return this.#free < this.#load.concurrency;
  }

  /** Those that nobody began have waited until the end at least. */
  #countUnstarted(dueAt: (n: number) => number, last: number, endedAt: number): void {
    // With a worker free, what is left came due since the timer fired last.
    if (this.#next >= last || endedAt - dueAt(this.#next) <= TIMER_MS) return;
    const step = Math.max(1, Math.ceil((last - this.#next) / STEPS));
    for (let n = this.#next; n < last; n += step) this.#tally.neverBegun(Math.max(0, endedAt - dueAt(n)), Math.min(step, last - n));
  }

  #isOver(): boolean {
    return this.#ranOut || this.#signal.aborted;
  }

  #span(): Span {
    return { startedAt: this.#startedAt, endedAt: performance.now(), ranOut: this.#ranOut };
  }

  /** One call, whose wait counts from `from`. Never rejects. */
  async #call(from: number): Promise<void> {
    const { random, writes, batch } = this.#load;
    const write = writes > 0 && random() < writes;
    const keys = this.#draw(write ? 1 : batch);
    const [key] = keys;
    if (key === undefined) return;
    if (write) await this.#write(key, from);
    else await this.#read(keys, from);
  }

  /** Different records, as many as asked while the keys last and there are enough. */
  #draw(count: number): number[] {
    const { keys: source } = this.#load;
    if (count === 1) {
      const key = source();
      if (key !== null) return [key];
      this.#ranOut = true;
      return [];
    }
    const drawn = new Set<number>();
    // In a skewed mix the most popular come again and again: a batch may then be smaller.
    for (let tries = 0; drawn.size < count && tries < count * 4; tries += 1) {
      const key = source();
      if (key === null) {
        this.#ranOut = true;
        break;
      }
      drawn.add(key);
    }
    return [...drawn];
  }

  async #read(keys: readonly number[], from: number): Promise<void> {
    const { subject, ids } = this.#load;
    const begunAt = performance.now();
    const required = keys.map((key): Required | null => this.#witness.required(key, begunAt));
    const answer = await subject.read(keys.map((key) => ids[key] ?? ''));
    this.#tally.read(answer, Math.max(0, answer.at - from));
    for (const [i, wanted] of required.entries()) {
      const version = answer.versions[i];
      if (wanted !== null && version != null && version !== 0) this.#witness.saw(wanted, version, begunAt);
    }
  }

  async #write(key: number, from: number): Promise<void> {
    const { subject, ids, touch } = this.#load;
    const id = ids[key] ?? '';
    let code: string | null = null;
    try {
      this.#size = (this.#size + 1) % Number.MAX_SAFE_INTEGER;
      const version = await (touch ? subject.touch(id) : subject.write(id, this.#size));
      this.#witness.wrote(key, version, performance.now());
    } catch (error) {
      code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
    }
    this.#tally.wrote(performance.now() - from, code);
  }

  /** At once, or after the rest of the process had its turn. */
  async #giveWay(): Promise<void> {
    const now = performance.now();
    if (now < this.#turnEndsAt) return;
    this.#nextTurn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#nextTurn = null;
        this.#turnEndsAt = performance.now() + TURN_MS;
        resolve();
      });
    });
    await this.#nextTurn;
  }
}
