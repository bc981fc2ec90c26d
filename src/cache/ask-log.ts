import type { Clock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';

/** Asks the log of changes something, and gives up after `limitMs`. @throws {ForebayError} `DATABASE_UNAVAILABLE` */
export async function askLog<T>(clock: Clock, limitMs: number, call: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = clock.schedule(limitMs, () => {
    controller.abort(new ForebayError('DATABASE_UNAVAILABLE', `the log of changes was not answered within ${limitMs} ms`));
  });
  try {
    return await call({ signal: controller.signal });
  } finally {
    timer.cancel();
  }
}
