import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createCache } from '../../src/cache/cache.ts';
import { createFollowingTier } from '../../src/following-tier.ts';
import { attachTable } from '../../src/postgres/attach.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { tableSource } from '../../src/postgres/table-source.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

interface Document {
  readonly owner: string;
  readonly title: string;
}

let postgres: TestPostgres;
let redis: TestRedis;

beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
});

afterAll(async () => {
  await redis?.kill();
  await postgres?.stop();
});

async function openDocuments(database: Database) {
  const tier = createFollowingTier({ database, redis: redis.url });
  const source = tableSource({
    database,
    table: 'documents',
    id: 'number',
    record: (row): Document => ({ owner: String(row['owner']), title: String(row['title']) }),
  });
  const documents = createCache<string, Document>({
    name: 'documents',
    remote: tier,
    source,
    describe: ({ owner }) => ({ tags: [`owner:${owner}`] }),
  });
  const listings = createCache<string, readonly string[]>({
    name: 'listing',
    remote: tier,
    source: async (owner) => {
      const rows = await database.query<{ title: string }>('select title from documents where owner = $1 order by title', [owner]);
      return rows.map(({ title }) => title);
    },
    describe: () => ({ tags: ['owner:ann'] }),
  });
  await documents.start();
  return {
    documents,
    listings,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([documents.close(), listings.close()]);
      await tier.close();
    },
  };
}

test('a table of one’s own is served through both tiers, and what anybody changes in it is forgotten by every process, by key and by tag', async () => {
  await using database = await openDatabase(await postgres.createDatabase('attached_cache'));
  await database.exec(
    "create table documents (number bigint primary key, owner text, title text); insert into documents values (1, 'ann', 'a')",
  );
  await attachTable(database, { table: 'documents', id: 'number', tags: "'owner:' || owner" });
  await using one = await openDocuments(database);
  await using other = await openDocuments(database);
  const soon = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

  expect(await one.documents.get('1')).toEqual({ owner: 'ann', title: 'a' });
  expect(await one.listings.get('ann')).toEqual(['a']);
  await soon(async () => expect((await one.documents.lookup('1')).outcome).toBe('hit'));
  await soon(async () => expect(await other.documents.lookup('1')).toMatchObject({ outcome: 'hit' }));
  await other.listings.get('ann');

  // Anybody: a plain statement that no cache is told of.
  await database.query("update documents set title = 'b' where number = 1");
  for (const { documents, listings } of [one, other]) {
    await soon(async () => expect((await documents.get('1'))?.title).toBe('b'));
    await soon(async () => expect(await listings.get('ann')).toEqual(['b']));
  }

  // And whoever wants to wait for it: this process reads it at once.
  await database.query('delete from documents');
  expect(await one.documents.settle(['1'])).toBe('applied');
  expect(await one.documents.get('1')).toBeNull();
  expect(await one.listings.get('ann')).toEqual([]);
  await soon(async () => expect(await other.documents.get('1')).toBeNull());
});
