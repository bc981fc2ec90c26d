import type { Database, Queryable } from '../../../src/postgres/index.ts';
import { noteApplied, readMigrations } from '../../../src/postgres/migrations.ts';

/** Applies the migrations up to this number, as an older version of Forebay would have. */
export async function migrateTo(database: Database, last: number): Promise<void> {
  await database.exec('create schema forebay');
  await database.exec(
    'create table forebay.migrations (number integer primary key, name text not null, applied_at timestamptz not null default now())',
  );
  for (const migration of (await readMigrations()).slice(0, last)) {
    await database.exec(migration.sql);
    await noteApplied(database, migration);
  }
}

export const INSERT = `
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
  select gen_random_uuid(), 'a', '/a/' || n, n, 'text/plain', 'ann' from generate_series(1, 100) n`;

/** The same database, whose transactions call `onExec` with each of their statements that have no parameters, before it runs. */
export function watchingExec(database: Database, onExec: (sql: string, tx: Queryable) => Promise<void>): Database {
  return {
    kind: database.kind,
    description: database.description,
    query: (...args) => database.query(...args),
    exec: (sql) => database.exec(sql),
    transaction: (work, call) =>
      database.transaction(
        (tx) =>
          work({
            query: (...args) => tx.query(...args),
            exec: async (sql) => {
              await onExec(sql, tx);
              await tx.exec(sql);
            },
          }),
        call,
      ),
    stats: () => database.stats(),
    lane: () => database.lane(),
    close: () => database.close(),
    [Symbol.asyncDispose]: () => database.close(),
  };
}
