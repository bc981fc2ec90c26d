import { afterAll, beforeAll } from 'vitest';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';

/** A Postgres for the tests of a file; each call gives a database of its own. */
export function useDatabases(): () => Promise<string> {
  let postgres: TestPostgres;
  let databases = 0;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());
  return () => postgres.createDatabase(`faults_${(databases += 1)}`);
}
