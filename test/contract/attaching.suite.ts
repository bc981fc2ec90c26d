import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attachTable, detachTable, listAttached, planAttach, planDetach } from '../../src/postgres/index.ts';
import type { AttachOptions, Database } from '../../src/postgres/index.ts';
import { drain, objects, told, toldOf } from './attach.world.ts';

const OPTIONS: AttachOptions = { table: 'documents', id: 'id', tags: "array['owner:' || owner]" };

/** How a table is attached and detached. `open` gives a migrated database, shared by the tests of the suite and closed by the caller. */
export function describeAttaching(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    const make = `create table documents (id integer primary key, owner text)`;
    beforeAll(async () => {
      database = await open();
    });
    beforeEach(async () => {
      await database.exec(make);
    });
    afterEach(async () => {
      for (const { table } of await listAttached(database)) await detachTable(database, { table });
      await database.exec('drop table if exists documents');
    });

    it('makes everything that was cached before count as invalidated', async () => {
      await drain(database);
      expect(await attachTable(database, OPTIONS)).toMatchObject({
        outcome: 'attached',
        table: 'public.documents',
        cache: 'documents',
        notes: [],
      });
      expect(await drain(database)).toMatchObject({ all: true });
    });

    it('changes nothing the second time', async () => {
      await attachTable(database, OPTIONS);
      await drain(database);
      const before = await objects(database);
      expect(await attachTable(database, { ...OPTIONS, table: 'public."documents"' })).toMatchObject({ outcome: 'unchanged', sql: '' });
      expect(await objects(database)).toEqual(before);
      expect(await drain(database)).toMatchObject({ all: false });
    });

    it.each<[string, Partial<AttachOptions>, string, readonly string[]]>([
      ['another cache', { cache: 'docs' }, 'docs:{1}', ['owner:me']],
      ['another id', { id: 'owner' }, 'documents:{me}', ['owner:me']],
      ['other tags', { tags: 'owner' }, 'documents:{1}', ['me']],
    ])('replaces what another set of options made: %s', async (_name, change, key, tags) => {
      await attachTable(database, OPTIONS);
      const count = (await objects(database)).length;
      await drain(database);
      expect(await attachTable(database, { ...OPTIONS, ...change })).toMatchObject({ outcome: 'replaced' });
      expect((await drain(database)).all).toBe(true);
      expect(await objects(database)).toHaveLength(count);
      expect(await toldOf(database, "insert into documents values (1, 'me')")).toEqual(told([key], tags));
    });

    it('makes anew what somebody took away or switched off', async () => {
      await attachTable(database, OPTIONS);
      const whole = await objects(database);
      for (const harm of ['drop trigger forebay_updated on documents', 'alter table documents disable trigger forebay_truncated']) {
        await database.exec(harm);
        expect(await listAttached(database)).toMatchObject([{ table: 'public.documents', state: 'broken' }]);
        expect(await attachTable(database, OPTIONS)).toMatchObject({ outcome: 'replaced' });
        expect(await objects(database)).toEqual(whole);
      }
    });

    it('says with a plan exactly what is run, and a plan changes nothing', async () => {
      const before = await objects(database);
      const plan = await planAttach(database, OPTIONS);
      expect(await objects(database)).toEqual(before);
      const report = await attachTable(database, OPTIONS);
      expect(report).toEqual(plan);
      const attached = await objects(database);
      const detaching = await planDetach(database, { table: 'documents' });
      expect(await objects(database)).toEqual(attached);
      expect(await detachTable(database, { table: 'documents' })).toEqual(detaching);
      await database.exec(`begin; ${plan.sql} commit;`);
      expect(await objects(database)).toEqual(attached);
      await database.exec(`begin; ${detaching.sql} commit;`);
      expect(await objects(database)).toEqual(before);
    });

    it('leaves nothing of it behind when detached, and watches no longer', async () => {
      const before = await objects(database);
      await attachTable(database, OPTIONS);
      await drain(database);
      expect(await detachTable(database, { table: 'documents' })).toMatchObject({ outcome: 'detached', table: 'public.documents' });
      expect(await objects(database)).toEqual(before);
      expect((await drain(database)).all).toBe(true);
      expect(await toldOf(database, "insert into documents values (1, 'me')")).toMatchObject({ keys: [], all: false });
      expect(await detachTable(database, { table: 'documents' })).toMatchObject({ outcome: 'absent', sql: '' });
      expect((await drain(database)).all).toBe(false);
    });

    it('takes away what a dropped table left, when it is detached or another of that name is attached', async () => {
      const before = await objects(database);
      await attachTable(database, OPTIONS);
      await database.exec(`drop table documents; ${make}`);
      await attachTable(database, OPTIONS);
      expect(await listAttached(database)).toHaveLength(1);
      await database.exec('drop table documents');
      expect(await detachTable(database, { table: 'documents' })).toMatchObject({ outcome: 'detached' });
      expect(await objects(database)).toEqual(before);
    });

    it('keeps two tables apart of which one has taken the name of the other', async () => {
      await attachTable(database, OPTIONS);
      await database.exec(`alter table documents rename to older; ${make}`);
      await expect(attachTable(database, OPTIONS)).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'cache' });
      await attachTable(database, { ...OPTIONS, cache: 'newer', tags: 'owner' });
      expect(await toldOf(database, "insert into older values (1, 'me')")).toEqual(told(['documents:{1}'], ['owner:me']));
      expect(await toldOf(database, "insert into documents values (1, 'me')")).toEqual(told(['newer:{1}'], ['me']));
      await detachTable(database, { table: 'older' });
      await database.exec('drop table older');
      expect(await toldOf(database, 'delete from documents')).toEqual(told(['newer:{1}'], ['me']));
    });

    it('attaches once when it is asked for many times at once', async () => {
      const reports = await Promise.all(Array.from({ length: 6 }, () => attachTable(database, OPTIONS)));
      expect(reports.map(({ outcome }) => outcome).toSorted()).toEqual(['attached', ...Array<string>(5).fill('unchanged')]);
    });

    describe('refuses, and leaves everything as it was:', () => {
      beforeAll(async () => {
        await database.exec(`
          create table "Capitals" (id integer primary key, "Name" text, n numeric, t timestamptz, c char(3));
          create view a_view as select 1 as id;
          create materialized view a_matview as select 1 as id;
          create sequence a_sequence;
          create table guarded (id integer primary key);
          create function bark() returns trigger language plpgsql as $$ begin return null; end $$;
          create trigger forebay_inserted after insert on guarded for each statement execute function bark();
          create foreign data wrapper nowhere;
          create server nowhere foreign data wrapper nowhere;
          create foreign table a_foreign (id integer) server nowhere`);
      });

      it.each<[string, AttachOptions, string, string]>([
        ['no such table', { table: 'nowhere', id: 'id' }, 'table', 'no such table'],
        ['a table in other capitals', { table: 'Capitals', id: 'id' }, 'table', 'there is public."Capitals"'],
        ['no such schema', { table: 'nowhere.documents', id: 'id' }, 'table', 'no such table'],
        ['no name', { table: 'a b', id: 'id' }, 'table', ''],
        ['an empty name', { table: '', id: 'id' }, 'table', ''],
        ['a statement for a name', { table: 'documents; drop table documents', id: 'id' }, 'table', ''],
        ['no such column', { table: 'documents', id: 'nope' }, 'id', 'it has id, owner'],
        ['a column in other capitals', { table: '"Capitals"', id: 'Name', cache: 'c' }, 'id', 'it has id, "Name"'],
        ['an id of type numeric', { table: '"Capitals"', id: 'n', cache: 'c' }, 'id', 'numeric'],
        ['an id of type timestamptz', { table: '"Capitals"', id: 't', cache: 'c' }, 'id', 'timestamp with time zone'],
        ['an id of type char', { table: '"Capitals"', id: 'c', cache: 'c' }, 'id', 'character(3)'],
        ['a name that will not do for a cache', { table: '"Capitals"', id: 'id' }, 'cache', '--cache NAME'],
        ['a cache with other characters', { ...OPTIONS, cache: 'Docs' }, 'cache', '1 to 64'],
        ['a cache that is too long', { ...OPTIONS, cache: 'd'.repeat(65) }, 'cache', '1 to 64'],
        ['tags of another type', { ...OPTIONS, tags: 'id' }, 'tags', 'text or text[]'],
        ['tags of a column that is not there', { ...OPTIONS, tags: 'nope' }, 'tags', 'column "nope" does not exist'],
        ['tags that are no expression', { ...OPTIONS, tags: "owner || '" }, 'tags', 'Postgres says'],
        ['more than an expression', { ...OPTIONS, tags: 'owner)) as x) as y) limit 0; drop table documents; --' }, 'tags', 'Postgres says'],
        ['empty tags', { ...OPTIONS, tags: ' ' }, 'tags', 'has to be'],
        ['a view', { table: 'a_view', id: 'id' }, 'table', 'a view'],
        ['a materialized view', { table: 'a_matview', id: 'id' }, 'table', 'a materialized view'],
        ['a foreign table', { table: 'a_foreign', id: 'id' }, 'table', 'a foreign table'],
        ['a sequence', { table: 'a_sequence', id: 'id' }, 'table', 'a sequence'],
        ['a table of the system', { table: 'pg_catalog.pg_class', id: 'relname' }, 'table', 'of the system'],
        ['a table of Forebay', { table: 'forebay.outbox', id: 'xid' }, 'table', "Forebay's own"],
        ["a trigger of someone else's", { table: 'guarded', id: 'id' }, 'table', 'forebay_inserted'],
        ['a limit that is none', { ...OPTIONS, lockTimeoutMs: 0 }, 'lockTimeoutMs', 'whole number'],
      ])('%s', async (_name, options, field, text) => {
        const before = await objects(database);
        await expect(attachTable(database, options)).rejects.toMatchObject({
          code: 'INPUT_INVALID',
          field,
          message: expect.stringContaining(text),
        });
        expect(await objects(database)).toEqual(before);
      });

      it('to detach a table that neither is there nor was attached', async () => {
        await expect(detachTable(database, { table: 'nowhere' })).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'table' });
      });
    });
  });
}
