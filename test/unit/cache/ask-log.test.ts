import { expect, it } from 'vitest';
import { LogAsker } from '../../../src/cache/ask-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it('keeps in mind how long an answer took, how long a question waits, and since when none was answered', async () => {
  const clock = new FakeClock();
  const asker = new LogAsker(clock, 500);
  expect(asker.answering).toEqual({ tookMs: null, waitingMs: 0, failingMs: null });
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = asker.ask(() => promise);
  clock.advance(30);
  expect(asker.answering).toMatchObject({ tookMs: null, waitingMs: 30 });
  resolve('answer');
  await asked;
  expect(asker.answering).toEqual({ tookMs: 30, waitingMs: 0, failingMs: null });

  // One that is given up, then one that fails at once: nothing was answered since the first was asked.
  const silent = asker.ask(
    ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  const refused = expect(silent).rejects.toThrow('not answered within 500 ms');
  clock.advance(500);
  await refused;
  await expect(asker.ask(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  clock.advance(100);
  expect(asker.answering).toEqual({ tookMs: 30, waitingMs: 0, failingMs: 600 });
  await asker.ask(() => Promise.resolve());
  expect(asker.answering).toEqual({ tookMs: 0, waitingMs: 0, failingMs: null });
});
