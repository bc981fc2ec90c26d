import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { whileTaken } from '../../../src/service/routes/backup.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

let ended = false;
async function* pieces(): AsyncGenerator<string> {
  try {
    for (const piece of ['a', 'b', 'c']) yield piece;
  } finally {
    ended = true;
  }
}

test('who takes one piece after the other is served to the end, however long it takes in all', async () => {
  const giveUp = vi.fn();
  const taken: string[] = [];
  for await (const piece of whileTaken(pieces(), 1000, giveUp)) {
    taken.push(piece);
    vi.advanceTimersByTime(900);
  }
  vi.advanceTimersByTime(5000);
  expect(taken).toEqual(['a', 'b', 'c']);
  expect(giveUp).not.toHaveBeenCalled();
});

test('who takes nothing any more is given up, and what made the pieces is ended', async () => {
  ended = false;
  const giveUp = vi.fn();
  const taking = whileTaken(pieces(), 1000, giveUp);
  await taking.next();
  vi.advanceTimersByTime(999);
  expect(giveUp).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(giveUp).toHaveBeenCalledTimes(1);
  await taking.return(undefined);
  await setImmediate();
  expect(ended).toBe(true);
});
