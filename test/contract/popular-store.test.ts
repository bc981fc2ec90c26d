import { describe, expect, it } from 'vitest';
import { createPopularStore } from '../../src/postgres/popular-store.ts';
import { useDatabases } from './databases.world.ts';
import { describePopularStore } from './popular-store.suite.ts';

const databases = useDatabases();

describePopularStore('the popular keys in PGlite', () => databases.migrated('pglite:memory'));
describePopularStore('the popular keys in Postgres', async () => databases.migrated(await databases.create('popular')));

describe('the popular keys of many instances at once', () => {
  it('counts of the same keys in any order never wait for each other in a circle, and none is lost', async () => {
    const database = await databases.migrated(await databases.create('many'));
    const store = createPopularStore(database);
    const keys = Array.from({ length: 500 }, (_, i) => ({ key: `k${i}`, reads: 2 }));
    const rounds = 8;
    await Promise.all(Array.from({ length: rounds }, (_, i) => store.add('a', i % 2 === 0 ? keys : keys.toReversed())));
    const [sum] = await database.query<{ least: number; most: number }>(
      'select min(power(2, heat - extract(epoch from now()) / 21600)) as least, max(power(2, heat - extract(epoch from now()) / 21600)) as most from forebay.popular',
    );
    expect(sum?.least).toBeCloseTo(2 * rounds, 1);
    expect(sum?.most).toBeCloseTo(2 * rounds, 1);
  });

  it('two that trim at once remove no more than is too many', async () => {
    const database = await databases.migrated(await databases.create('trimmed'));
    const store = createPopularStore(database);
    await store.add(
      'a',
      Array.from({ length: 1000 }, (_, i) => ({ key: `k${i}`, reads: 2 + i })),
    );
    await Promise.all(Array.from({ length: 8 }, () => store.trim(900)));
    expect(await store.top(['a'], 2000, null)).toHaveLength(900);
  });
});
