import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attachTable, detachTable, openDatabase } from '../../../src/postgres/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';

const TABLE =
  'create table public.documents (id integer primary key, owner text) with (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0)';
const OPTIONS = { table: 'documents', id: 'id' };

let server: TestPostgres;
beforeAll(async () => {
  // An autovacuum that begins within a second and then takes for ever.
  server = await startPostgres({
    args: ['autovacuum=on', 'autovacuum_naptime=1', 'autovacuum_vacuum_cost_delay=100ms', 'autovacuum_vacuum_cost_limit=1'].flatMap(
      (set) => ['-c', set],
    ),
  });
});
afterAll(() => server.stop());

describe('attaching and detaching a table that is in use', () => {
  it('holds no writer up while a transaction stays open on the table, and is done once that has ended', async () => {
    const url = await server.createDatabase('open');
    await using database = await openDatabase(url);
    await using others = await openDatabase(url);
    await database.exec(`${TABLE}; insert into documents select n from generate_series(1, 10) n`);
    for (const change of [() => attachTable(database, OPTIONS), () => detachTable(database, OPTIONS)]) {
      let changing: Promise<{ outcome: string }> | undefined;
      await others.transaction(async (open) => {
        await open.exec('update documents set owner = null where id = 1');
        changing = change();
        const waits = "select pid from pg_locks where not granted and relation = 'documents'::regclass";
        await vi.waitFor(async () => expect(await others.query(waits)).not.toEqual([]), { timeout: 20_000, interval: 5 });
        for (let count = 0; count < 10; count += 1)
          await others.exec('set lock_timeout = 1000; update documents set owner = null where id = 2');
      });
      expect((await changing)?.outcome).toMatch(/^(attached|detached)$/);
    }
  });

  it('makes an autovacuum end that would outlast its patience', async () => {
    await using database = await openDatabase(await server.createDatabase('vacuumed'));
    await database.exec(`${TABLE}; insert into documents select n, repeat('x', 500) from generate_series(1, 20000) n`);
    await database.exec('delete from documents where id % 2 = 0');
    const vacuums = "select from pg_locks l join pg_stat_progress_vacuum v using (pid) where l.relation = 'documents'::regclass";
    await vi.waitFor(async () => expect(await database.query(vacuums)).not.toEqual([]), { timeout: 20_000 });
    expect((await attachTable(database, { ...OPTIONS, lockTimeoutMs: 5000 })).outcome).toBe('attached');
  });
});
