import type { BreakerOptions } from './breaker-options.ts';

/** Steps in which the window slides: what is older than the window is forgotten a tenth of it at a time. */
const BUCKETS = 10;

export type TripOptions = Pick<BreakerOptions, 'windowMs' | 'minCalls' | 'failureShare' | 'timeoutsInRow' | 'silentMs'>;

/**
 * The policy by which a breaker opens: counts the calls of one period in which calls pass, and says when there were too many failures. Only a failure can be one too many, so an answer costs
 * two additions. Times are monotonic ms.
 */
export class TripWatch {
  readonly #o: TripOptions;
  readonly #calls = Array.from({ length: BUCKETS }, () => 0);
  readonly #failures = Array.from({ length: BUCKETS }, () => 0);
  /** Number of the current bucket, counted from the clock's start. */
  #at: number;
  #timeouts = 0;
  /** When the first call of this run of time-outs was sent. */
  #silentSince = 0;

  constructor(options: TripOptions, now: number) {
    this.#o = options;
    this.#at = this.#bucketOf(now);
  }

  /** The server answers something: whatever is late, it is not silent. */
  heard(): void {
    this.#timeouts = 0;
  }

  answered(now: number): void {
    this.#timeouts = 0;
    this.#count(now, false);
  }

  /** Why the breaker has to open, or `null`. `error`: what the call failed with. */
  failed(now: number, error: string): string | null {
    this.#timeouts = 0;
    this.#count(now, true);
    return this.#tooMany(error);
  }

  /** As `failed`, for a call that was not answered in time. */
  timedOut(now: number, sentAt: number): string | null {
    this.#silentSince = this.#timeouts === 0 ? sentAt : Math.min(this.#silentSince, sentAt);
    this.#timeouts += 1;
    this.#count(now, true);
    const silentMs = now - this.#silentSince;
    if (this.#timeouts >= this.#o.timeoutsInRow && silentMs >= this.#o.silentMs)
      return `${this.#timeouts} calls in a row were not answered in time, for ${Math.round(silentMs)} ms`;
    return this.#tooMany('no answer in time');
  }

  #tooMany(error: string): string | null {
    const calls = this.#calls.reduce((sum, count) => sum + count, 0);
    const failures = this.#failures.reduce((sum, count) => sum + count, 0);
    if (calls < this.#o.minCalls || failures < calls * this.#o.failureShare) return null;
    return `${failures} of the last ${calls} calls failed, the last one with: ${error}`;
  }

  #count(now: number, failed: boolean): void {
    const at = this.#bucketOf(now);
    for (let step = Math.min(at - this.#at, BUCKETS); step > 0; step -= 1) {
      const slot = (this.#at + step) % BUCKETS;
      this.#calls[slot] = 0;
      this.#failures[slot] = 0;
    }
    this.#at = at;
    const slot = at % BUCKETS;
    this.#calls[slot] = (this.#calls[slot] ?? 0) + 1;
    if (failed) this.#failures[slot] = (this.#failures[slot] ?? 0) + 1;
  }

  #bucketOf(now: number): number {
    return Math.floor((now * BUCKETS) / this.#o.windowMs);
  }
}
