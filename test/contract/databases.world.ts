import { afterAll } from 'vitest';
import type { Database } from '../../src/postgres/index.ts';
import { migrate, openDatabase } from '../../src/postgres/index.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';

/** Databases for the tests of one file, all closed after them; its Postgres starts when it is first asked for. */
export interface Databases {
  /** A new database in Postgres, by its URL. */
  create(name: string): Promise<string>;
  opened(url: string): Promise<Database>;
  migrated(url: string): Promise<Database>;
}

export function useDatabases(): Databases {
  const ends: (() => Promise<void>)[] = [];
  let server: Promise<TestPostgres> | undefined;
  afterAll(async () => {
    await Promise.all(ends.map((end) => end()));
    await (await server)?.stop();
  });
  const opened = async (url: string): Promise<Database> => {
    const database = await openDatabase(url);
    ends.push(() => database.close());
    return database;
  };
  return {
    create: async (name) => (await (server ??= startPostgres())).createDatabase(name),
    opened,
    migrated: async (url) => {
      const database = await opened(url);
      await migrate(database);
      return database;
    },
  };
}
