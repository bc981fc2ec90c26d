import { setTimeout as pause } from 'node:timers/promises';

const EVERY_MS = 50;

/** Does it again and again until it does not reject, for servers that take their time; then rejects with the last reason. For where vitest's own `waitFor` cannot be used. */
export async function eventually<T>(work: () => Promise<T>, limitMs = 20_000): Promise<T> {
  const endAt = performance.now() + limitMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > endAt) throw error;
    }
    await pause(EVERY_MS);
  }
}
