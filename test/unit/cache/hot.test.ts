import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeavyHitters } from '../../../src/cache/heavy-hitters.ts';
import { HotCounts } from '../../../src/cache/hot.ts';

describe('heavy hitters', () => {
  const stream = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }).map(String), fc.integer({ min: 1, max: 20 })), { maxLength: 300 });

  test('no count is too low, none is too high by more than it says, and what has more than its share of all is there', () => {
    fc.assert(
      fc.property(stream, fc.integer({ min: 1, max: 10 }), (adds, capacity) => {
        const hitters = new HeavyHitters(capacity);
        const exact = new Map<string, number>();
        for (const [key, reads] of adds) {
          hitters.add(key, reads);
          exact.set(key, (exact.get(key) ?? 0) + reads);
        }
        const all = [...exact.values()].reduce((sum, reads) => sum + reads, 0);
        const top = hitters.top(capacity + 1);
        expect(top.length).toBe(Math.min(capacity, exact.size));
        for (const { key, reads, error } of top) {
          const truth = exact.get(key) ?? 0;
          expect(reads).toBeGreaterThanOrEqual(truth);
          expect(reads - error).toBeLessThanOrEqual(truth);
        }
        const listed = new Set(top.map(({ key }) => key));
        for (const [key, reads] of exact) if (reads > all / capacity) expect(listed).toContain(key);
      }),
    );
  });

  test('come most counted first, and equals by name', () => {
    const hitters = new HeavyHitters(3);
    for (const [key, reads] of [
      ['b', 2],
      ['a', 2],
      ['c', 5],
    ] as const)
      hitters.add(key, reads);
    expect(hitters.top(2).map(({ key }) => key)).toEqual(['c', 'a']);
  });
});

describe('what is hot', () => {
  const tagsOf = (key: string): string[] => (key.startsWith('x') ? ['x', 'all'] : ['all']);
  const period = (count: number, prefix = ''): { key: string; reads: number }[] =>
    Array.from({ length: count }, (_, i) => ({ key: `${prefix}${i}`, reads: 2 }));

  test('counts keys and their tags of one period after the other, and of the one that has not ended', () => {
    const hot = new HotCounts({ tagsOf, random: () => 0 });
    hot.note([{ key: 'x1', reads: 10 }], [{ key: 'x1', reads: 10 }], 0);
    hot.note(
      [
        { key: 'x1', reads: 5 },
        { key: 'y', reads: 3 },
      ],
      [
        { key: 'x1', reads: 5 },
        { key: 'y', reads: 3 },
      ],
      2000,
    );
    const { keys, tags } = hot.top(10, [{ key: 'y', reads: 4 }]);
    expect(keys).toEqual([
      { key: 'x1', reads: 15, error: 0 },
      { key: 'y', reads: 7, error: 0 },
    ]);
    expect(tags).toEqual([
      { key: 'all', reads: 22, error: 0 },
      { key: 'x', reads: 15, error: 0 },
    ]);
    // Asking changes nothing.
    expect(hot.top(1).keys).toEqual([{ key: 'x1', reads: 15, error: 0 }]);
  });

  test('periods that follow each other within a second are counted by the next that does not', () => {
    const hot = new HotCounts({ tagsOf, random: () => 0 });
    const one = [{ key: 'a', reads: 10 }];
    hot.note(one, one, 0);
    for (let i = 1; i <= 9; i += 1) hot.note(one, one, i * 100);
    expect(hot.top(1).keys[0]?.reads).toBe(10);
    hot.note(one, one, 1000);
    expect(hot.top(1).keys[0]?.reads).toBe(110);
  });

  test('a tag that many lukewarm keys carry is told with about the reads of all of them', () => {
    let drawn = 0;
    const hot = new HotCounts({ tagsOf, random: () => (drawn++ % 97) / 97 });
    const top = Array.from({ length: 100 }, (_, i) => ({ key: `hot ${i}`, reads: 50 }));
    const all = [...top, ...period(800, 'x'), ...period(100)];
    hot.note(all, all, 0);
    const tags = Object.fromEntries(hot.top(5).tags.map(({ key, reads }) => [key, reads]));
    expect(tags['all']).toBe(5000 + 1800);
    expect(tags['x']).toBeGreaterThan(1300);
    expect(tags['x']).toBeLessThan(1900);
  });
});
