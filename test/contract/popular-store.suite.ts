import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PopularArchive, PopularStore } from '../../src/cache/popular-store.ts';
import type { Database } from '../../src/postgres/index.ts';
import { createPopularStore } from '../../src/postgres/popular-store.ts';

const HALF_LIFE_S = 6 * 3600;

/** What is promised of the popular keys, in a database that was migrated. */
export function describePopularStore(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    let store: PopularStore & PopularArchive;

    beforeAll(async () => {
      database = await open();
      store = createPopularStore(database);
    });
    beforeEach(() => database.exec('truncate forebay.popular'));

    const add = (cache: string, reads: Readonly<Record<string, number>>): Promise<number> =>
      store.add(
        cache,
        Object.entries(reads).map(([key, count]) => ({ key, reads: count })),
      );
    const top = async (most = 100): Promise<string[]> =>
      (await store.top(['a', 'b'], most, null)).map(({ cache, key }) => `${cache} ${key}`);
    /** As if all that is there had been counted so long ago. */
    const age = (seconds: number): Promise<unknown> =>
      database.query('update forebay.popular set heat = heat - $1', [seconds / HALF_LIFE_S]);

    it('the key that was read most comes first, of whichever cache, and no more are given than asked for', async () => {
      await add('a', { x: 2, y: 9 });
      await add('b', { x: 5, z: 3 });
      await add('c', { other: 99 });
      expect(await top()).toEqual(['a y', 'b x', 'b z', 'a x']);
      expect(await top(2)).toEqual(['a y', 'b x']);
      expect(await store.top(['b'], 1, null)).toMatchObject([{ cache: 'b', key: 'x' }]);
    });

    it('a page begins after the last key of the one before, of the same heat too, and the size is told', async () => {
      await add('a', { p: 4, q: 4, r: 4, s: 9 });
      await add('b', { p: 4, t: 1 });
      await add('c', { other: 99 });
      const whole = await store.top(['a', 'b'], 100, null);
      const paged: typeof whole = [];
      for (;;) {
        const page = await store.top(['a', 'b'], 2, paged.at(-1) ?? null);
        if (page.length === 0) break;
        paged.push(...page);
      }
      expect(paged).toEqual(whole);
      expect(paged).toHaveLength(6);
      expect(await store.size(['a', 'b'])).toBe(6);
    });

    it('what a backup says of a key counts once however often it is merged, and only if it is hotter', async () => {
      await add('a', { x: 4, y: 64 });
      const kept = await store.top(['a', 'b'], 100, null);
      expect(await store.merge(kept)).toBe(0);
      expect(await store.top(['a', 'b'], 100, null)).toEqual(kept);
      await age(HALF_LIFE_S);
      await add('b', { z: 1 });
      await database.query("delete from forebay.popular where id = 'y'");
      expect(await store.merge(kept)).toBe(1);
      expect(await store.merge(kept)).toBe(0);
      const merged = await store.top(['a', 'b'], 100, null);
      expect(merged.filter(({ cache }) => cache === 'a')).toEqual(kept);
      expect(merged).toHaveLength(3);
      await add('a', { x: 100_000 });
      const hotter = await store.top(['a', 'b'], 100, null);
      expect(await store.merge(kept)).toBe(0);
      expect(await store.top(['a', 'b'], 100, null)).toEqual(hotter);
    });

    it('a heat of the far future is no hotter than anything could be now', async () => {
      await add('a', { x: 4 });
      const [x] = await store.top(['a'], 1, null);
      await store.merge([{ cache: 'a', key: 'y', heat: 1e9 }]);
      const [y] = await store.top(['a'], 1, null);
      expect(y?.key).toBe('y');
      expect((y?.heat ?? 0) - (x?.heat ?? 0)).toBeLessThan(40);
    });

    it('counts of two instances add up, and it is told which keys are new', async () => {
      expect(await add('a', { x: 4, y: 6 })).toBe(2);
      expect(await add('a', { x: 4, z: 7 })).toBe(1);
      expect(await top()).toEqual(['a x', 'a z', 'a y']);
      const [x] = await database.query<{ reads: number }>(
        "select power(2, heat - extract(epoch from now()) / $1) as reads from forebay.popular where id = 'x'",
        [HALF_LIFE_S],
      );
      expect(x?.reads).toBeCloseTo(8, 2);
    });

    it('a read counts half after the half-life, without any row being written', async () => {
      await add('a', { old: 10, older: 10 });
      await age(HALF_LIFE_S);
      await add('a', { six: 6, four: 4 });
      expect((await top()).slice(0, 3)).toEqual(['a six', 'a old', 'a older']);
      await add('a', { older: 2 });
      expect(await top()).toEqual(['a older', 'a six', 'a old', 'a four']);
    });

    it('counts that are years apart can be added', async () => {
      await add('a', { x: 1_000_000 });
      await age(20 * 365 * 86_400);
      await add('a', { x: 2, y: 3 });
      expect(await top()).toEqual(['a y', 'a x']);
    });

    it('the least popular go when there are too many, in bounded pieces', async () => {
      for (let at = 0; at < 5000; at += 1000) {
        const keys = Array.from({ length: 1000 }, (_, i) => ({ key: `k${at + i}`, reads: 2 + at + i }));
        await store.add('a', keys);
      }
      expect(await store.trim(5000)).toEqual({ kept: 5000, removed: 0 });
      const pieces: number[] = [];
      for (;;) {
        const { kept, removed } = await store.trim(500);
        if (removed === 0) {
          expect(kept).toBe(500);
          break;
        }
        pieces.push(removed);
      }
      expect(pieces.length).toBeGreaterThan(1);
      expect(Math.max(...pieces)).toBeLessThanOrEqual(2000);
      expect(await top(1000)).toEqual(Array.from({ length: 500 }, (_, i) => `a k${4999 - i}`));
    });

    it('the log of changes hears nothing of it', async () => {
      await add('a', { x: 2 });
      await add('a', { x: 2 });
      await store.trim(0);
      expect(await database.query('select from forebay.outbox')).toEqual([]);
    });
  });
}
