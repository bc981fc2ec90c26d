/** A pending call that can be called off. */
export interface Timer {
  cancel(): void;
}

/**
 * Time, as the engine sees it. Passed in everywhere, so that tests turn it by hand instead of sleeping.
 *
 * Two readings, never mixed: `now` orders and measures, `wallNow` dates things that people or other machines read.
 */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start; comparable only within this process. */
  now(): number;
  /** Milliseconds since the Unix epoch, which may jump. */
  wallNow(): number;
  /** Calls `run` once after `delayMs`; does not keep the process alive. */
  schedule(delayMs: number, run: () => void): Timer;
  /**
   * Calls `run` after the input that is ready now has been handled: what is asked for in the same turn of the event loop can travel together.
   */
  endOfTurn(run: () => void): void;
}

export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  wallNow: () => Date.now(),
  schedule(delayMs: number, run: () => void): Timer {
    const handle = setTimeout(run, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  endOfTurn(run: () => void): void {
    setImmediate(run);
  },
});
