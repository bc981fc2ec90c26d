import { afterAll } from 'vitest';
import type { Database } from '../../src/postgres/index.ts';
import { openDatabase } from '../../src/postgres/index.ts';
import { startPostgres } from '../support/postgres.ts';
import { describeTableSource } from './table-source.suite.ts';

const ends: (() => Promise<void>)[] = [];

async function opened(url: string): Promise<Database> {
  const database = await openDatabase(url);
  ends.push(() => database.close());
  return database;
}

afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

describeTableSource('a table of PGlite as a source', () => opened('pglite:memory'));

describeTableSource('a table of Postgres as a source', async () => {
  const server = await startPostgres();
  ends.push(() => server.stop());
  // The role of these tests has the name of the schema, which would be the first in its path.
  await using first = await openDatabase(server.url);
  await first.exec('alter role forebay set search_path = public');
  return opened(await server.createDatabase('tables'));
});
