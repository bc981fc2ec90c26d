import { describe, expect, test } from 'vitest';
import { inBatches, mapBounded } from '../../../../src/files/index-tree/bounded.ts';

describe('mapBounded', () => {
  test('never runs more than the limit at a time, and keeps the order of the items', async () => {
    let running = 0;
    let most = 0;
    const results = await mapBounded(
      Array.from({ length: 50 }, (_, n) => n),
      4,
      async (n) => {
        running += 1;
        most = Math.max(most, running);
        for (let turn = 0; turn < n % 5; turn += 1) await Promise.resolve();
        running -= 1;
        return n * 2;
      },
    );
    expect(most).toBe(4);
    expect(results).toEqual(Array.from({ length: 50 }, (_, n) => n * 2));
  });

  test('starts nothing more after a failure, and rejects only when what ran has ended', async () => {
    const started: number[] = [];
    let ended = 0;
    const work = async (n: number): Promise<void> => {
      started.push(n);
      if (n === 1) throw new Error('the second fails');
      await Promise.resolve();
      await Promise.resolve();
      ended += 1;
    };
    await expect(mapBounded([0, 1, 2, 3, 4, 5], 2, work)).rejects.toThrow('the second fails');
    expect(started).toEqual([0, 1]);
    expect(ended).toBe(1);
  });
});

describe('inBatches', () => {
  async function* count(to: number): AsyncGenerator<number> {
    for (let n = 0; n < to; n += 1) yield n;
  }

  test.each([
    [0, []],
    [3, [[0, 1, 2]]],
    [4, [[0, 1, 2], [3]]],
  ])('%i items in threes', async (items, expected) => {
    const batches = [];
    for await (const batch of inBatches(count(items), 3)) batches.push(batch);
    expect(batches).toEqual(expected);
  });
});
