import { ForebayError } from '../core/errors.ts';
import { abortable } from './abortable.ts';

const MAX_WAITING = 1000;
/** How long one whose time is over looks once more: a process that stood still finds its timers due before it has noticed what ended meanwhile. */
const LAST_LOOK_MS = 1000;

/** So many at once; the rest waits in order, for a limited time. */
export class Slots {
  readonly #most: number;
  readonly #waitMs: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(most: number, waitMs: number) {
    this.#most = most;
    this.#waitMs = waitMs;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether a place was free, and is taken now; `give` gives it back. Whoever asks first keeps its turn: nothing is awaited. */
  tryTake(): boolean {
    if (this.#taken >= this.#most) return false;
    this.#taken += 1;
    return true;
  }

  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#taken -= 1;
    else next();
  }

  /**
   * Waits until a place is free, and takes it.
   * @throws {ForebayError} `OVERLOADED`
   */
  async take(signal?: AbortSignal): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING) throw this.#overloaded();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const take = (): void => {
      // The place goes from hand to hand, so that nobody gets in between.
      this.#waiting.delete(take);
      resolve();
    };
    this.#waiting.add(take);
    let timer = setTimeout(() => {
      timer = setTimeout(() => reject(this.#overloaded()), LAST_LOOK_MS);
    }, this.#waitMs);
    try {
      await abortable(promise, signal);
    } catch (error) {
      // It came at the very moment at which nobody waited for it any more.
      if (!this.#waiting.delete(take)) this.give();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #overloaded(): ForebayError {
    return new ForebayError(
      'OVERLOADED',
      `${this.#most} transactions are open and ${this.#waiting.size} wait for their end, as many as may at once; keep them short, or raise databaseConnections`,
    );
  }
}
