import type { Clock, Timer } from '../core/clock.ts';
import { ForebayError, toForebayError } from '../core/errors.ts';
import type { LoadPacer } from './pacer.ts';
import { noPacer } from './pacer.ts';
import type { Recorder } from './recorder.ts';
import { noRecorder } from './recorder.ts';
import type { PreparedSource } from './source.ts';

export interface LoadLimits {
  /** Calls of the source under way at once. */
  readonly maxConcurrentLoads: number;
  /** Keys that may wait for one of those; more are refused with `OVERLOADED`. */
  readonly maxQueuedLoads: number;
  /** From asking to giving up, the wait in the queue included. */
  readonly hardTimeoutMs: number;
}

/** What the source said of one key. */
export type LoadResult = { readonly ok: true; readonly json: Buffer | null } | { readonly ok: false; readonly error: ForebayError };

interface Load<K> {
  readonly key: K;
  /** Nobody asked for it but warming. */
  readonly warm: boolean;
  readonly settle: (result: LoadResult) => void;
  readonly deadline: Timer;
  batch: Batch | null;
  done: boolean;
}

interface Batch {
  readonly startedAt: number;
  readonly keys: number;
  readonly warmKeys: number;
  readonly controller: AbortController;
  /** Keys of the batch that somebody still waits for. */
  waiting: number;
}

/** Keys that warming alone asks for wait so long for each other, in ms: their leases come in over several turns. */
const WARM_GATHER_MS = 5;

/**
 * Asks the source: keys of one turn of the event loop in one call, no more calls at once than allowed, the rest in a bounded queue, where it is gathered into the next call.
 *
 * A call that took too long, or that nobody waits for, is told so by its signal and its place is given to the next: a source that ignores the signal can thus be asked more often at once than
 * `maxConcurrentLoads`; `abandoned` counts those calls until they settle.
 */
export class Loads<K> {
  readonly #source: PreparedSource<K>;
  readonly #limits: LoadLimits;
  readonly #clock: Clock;
  readonly #pacer: LoadPacer;
  readonly #recorder: Recorder;
  readonly #queue = new Set<Load<K>>();
  #pumping = false;
  /** The next pump at some later moment. */
  #later: Timer | null = null;
  /** Since when the next call is held back. */
  #heldSince: number | null = null;
  #running = 0;
  /** Calls given up on that have not settled. */
  abandoned = 0;
  /** Calls of the source since the start, keys in them, refusals and time-outs. */
  readonly counts = { calls: 0, keys: 0, refused: 0, timedOut: 0, failed: 0 };

  constructor(source: PreparedSource<K>, limits: LoadLimits, clock: Clock, pacer: LoadPacer = noPacer, recorder: Recorder = noRecorder) {
    this.#source = source;
    this.#limits = limits;
    this.#clock = clock;
    this.#pacer = pacer;
    this.#recorder = recorder;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Loads one key. Never rejects. When `signal` aborts, nobody waits for the answer any more. `warm`: nobody asked for it but warming. */
  load(key: K, signal: AbortSignal, warm = false): Promise<LoadResult> {
    if (signal.aborted) return Promise.resolve({ ok: false, error: nobodyWaits(key) });
    if (this.#queue.size >= this.#limits.maxQueuedLoads) {
      this.counts.refused += 1;
      const error = new ForebayError(
        'OVERLOADED',
        `the source is asked for ${this.#limits.maxQueuedLoads} keys already and ${this.#running} calls are under way; try again later, or raise maxQueuedLoads or maxConcurrentLoads`,
      );
      return Promise.resolve({ ok: false, error });
    }
    return new Promise((resolve) => {
      const load: Load<K> = {
        key,
        warm,
        settle: resolve,
        deadline: this.#clock.schedule(this.#limits.hardTimeoutMs, () => this.#giveUp(load, 'LOAD_TIMEOUT')),
        batch: null,
        done: false,
      };
      signal.addEventListener('abort', () => this.#giveUp(load, 'CLOSED'), { once: true });
      this.#queue.add(load);
      if (warm && this.#queue.size < this.#source.maxBatch) this.#pumpLater(WARM_GATHER_MS);
      else this.#pumpAtEndOfTurn();
    });
  }

  #pumpAtEndOfTurn(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#clock.endOfTurn(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pumpLater(ms: number): void {
    if (this.#later !== null) return;
    this.#later = this.#clock.schedule(ms, () => {
      this.#later = null;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#queue.size > 0 && this.#running < this.#limits.maxConcurrentLoads) {
      if (this.#isHeld()) return;
      const loads = [...this.#queue.values().take(this.#source.maxBatch)];
      for (const load of loads) this.#queue.delete(load);
      void this.#run(loads);
    }
  }

  /** Whether the next call waits for more keys. A full one does not. */
  #isHeld(): boolean {
    if (this.#queue.size < this.#source.maxBatch) {
      const now = this.#clock.now();
      const ms = this.#pacer.holdMs(now - (this.#heldSince ?? now));
      if (ms > 0) {
        this.#heldSince ??= now;
        this.#pumpLater(ms);
        return true;
      }
    }
    this.#heldSince = null;
    return false;
  }

  async #run(loads: Load<K>[]): Promise<void> {
    const warmKeys = loads.reduce((sum, { warm }) => sum + (warm ? 1 : 0), 0);
    const batch: Batch = {
      startedAt: this.#clock.now(),
      keys: loads.length,
      warmKeys,
      controller: new AbortController(),
      waiting: loads.length,
    };
    for (const load of loads) load.batch = batch;
    this.#running += 1;
    this.counts.calls += 1;
    this.counts.keys += loads.length;
    batch.controller.signal.addEventListener('abort', () => {
      this.abandoned += 1;
      this.#freePlace(batch);
    });
    try {
      const values = await this.#source.load(
        loads.map((load) => load.key),
        { signal: batch.controller.signal },
      );
      loads.forEach((load, i) => {
        const value = values[i];
        if (value instanceof ForebayError) this.counts.failed += 1;
        this.#settle(load, value instanceof ForebayError ? { ok: false, error: value } : { ok: true, json: value ?? null });
      });
    } catch (thrown) {
      const error = toForebayError(thrown, 'LOAD_FAILED', 'the source failed');
      for (const load of loads) {
        if (!load.done) this.counts.failed += 1;
        this.#settle(load, { ok: false, error });
      }
    } finally {
      if (batch.controller.signal.aborted) this.abandoned -= 1;
      else this.#freePlace(batch);
    }
  }

  #freePlace({ startedAt, keys, warmKeys }: Batch): void {
    this.#running -= 1;
    const ms = this.#clock.now() - startedAt;
    this.#pacer.note(ms, keys, warmKeys);
    this.#recorder.load(ms);
    this.#pumpAtEndOfTurn();
  }

  #settle(load: Load<K>, result: LoadResult): void {
    if (load.done) return;
    load.done = true;
    load.deadline.cancel();
    load.settle(result);
  }

  #giveUp(load: Load<K>, code: 'LOAD_TIMEOUT' | 'CLOSED'): void {
    if (load.done) return;
    const { batch } = load;
    if (code === 'LOAD_TIMEOUT') this.counts.timedOut += 1;
    const error =
      code === 'LOAD_TIMEOUT'
        ? new ForebayError('LOAD_TIMEOUT', `the source did not answer for "${String(load.key)}" within ${this.#limits.hardTimeoutMs} ms`)
        : nobodyWaits(load.key);
    this.#settle(load, { ok: false, error });
    if (batch === null) {
      this.#queue.delete(load);
      return;
    }
    batch.waiting -= 1;
    if (batch.waiting === 0) batch.controller.abort(error);
  }
}

function nobodyWaits(key: unknown): ForebayError {
  return new ForebayError('CLOSED', `nobody waits for "${String(key)}" any more`);
}
