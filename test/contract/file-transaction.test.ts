import { afterAll } from 'vitest';
import type { Database } from '../../src/postgres/index.ts';
import { migrate, openDatabase } from '../../src/postgres/index.ts';
import { startPostgres } from '../support/postgres.ts';
import { describeFileTransactions } from './file-transaction.suite.ts';

const ends: (() => Promise<void>)[] = [];

async function migrated(url: string): Promise<Database> {
  const database = await openDatabase(url);
  ends.push(() => database.close());
  await migrate(database);
  return database;
}

afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

describeFileTransactions('transactions in PGlite', () => migrated('pglite:memory'));

describeFileTransactions('transactions in Postgres', async () => {
  const server = await startPostgres();
  ends.push(() => server.stop());
  return migrated(await server.createDatabase('transactions'));
});
