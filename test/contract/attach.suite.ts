import { beforeAll, describe, expect, it } from 'vitest';
import { attachTable, listAttached } from '../../src/postgres/index.ts';
import type { Database } from '../../src/postgres/index.ts';
import { drain, NOTHING, told, toldOf } from './attach.world.ts';

const A = 'a0000000-0000-4000-8000-00000000000a';
const B = 'b0000000-0000-4000-8000-00000000000b';

/** What an attached table tells the log. `open` gives a database, shared by the tests of the suite and closed by the caller. */
export function describeAttached(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    beforeAll(async () => {
      database = await open();
    });

    it.each([
      ['uuid', 'uuid', `'${A.toUpperCase()}'`, A],
      ['bigint', 'bigint', '9223372036854775807', '9223372036854775807'],
      ['negative', 'integer', '-7', '-7'],
      ['smallint', 'smallint', '7', '7'],
      ['text', 'text', `'{it''s "odd" \\ }文'`, `{it's "odd" \\ }文`],
      ['varchar', 'varchar(20)', "'Ab '", 'Ab '],
      ['domain', 'a_domain', `'${A}'`, A],
    ])('names a row by the text of its id: %s', async (kind, type, literal, text) => {
      if (kind === 'domain') await database.exec('create domain a_domain as uuid check (value is not null)');
      await database.exec(`create table id_${kind} (id ${type} primary key)`);
      await attachTable(database, { table: `id_${kind}`, id: 'id', cache: 'things' });
      expect(await toldOf(database, `insert into id_${kind} values (${literal})`)).toEqual(told([`things:{${text}}`]));
      expect(await toldOf(database, `delete from id_${kind}`)).toEqual(told([`things:{${text}}`]));
    });

    it('tells every kind of change, and of the rows that it changed alone', async () => {
      await database.exec(`create table kinds (id integer primary key, n integer)`);
      await attachTable(database, { table: 'kinds', id: 'id' });
      expect(await toldOf(database, 'insert into kinds values (1, 0), (2, 0), (3, 0)')).toEqual(
        told(['kinds:{1}', 'kinds:{2}', 'kinds:{3}']),
      );
      expect(await toldOf(database, 'update kinds set n = 1 where id = 2')).toEqual(told(['kinds:{2}']));
      expect(await toldOf(database, 'insert into kinds values (3, 5), (4, 5) on conflict (id) do update set n = 5')).toEqual(
        told(['kinds:{3}', 'kinds:{4}']),
      );
      expect(await toldOf(database, 'update kinds set id = 10 where id = 1')).toEqual(told(['kinds:{1}', 'kinds:{10}']));
      expect(await toldOf(database, 'delete from kinds where id in (2, 99)')).toEqual(told(['kinds:{2}']));
      expect(
        await toldOf(
          database,
          `merge into kinds k using (values (3), (4), (5)) v (id) on k.id = v.id
             when matched and k.id = 3 then delete when matched then update set n = 9 when not matched then insert values (v.id, 9)`,
        ),
      ).toEqual(told(['kinds:{3}', 'kinds:{4}', 'kinds:{5}']));
      expect(await toldOf(database, 'update kinds set n = 1 where id = 77')).toEqual(NOTHING);
      expect(await toldOf(database, 'truncate kinds')).toEqual({ keys: [], buckets: [], all: true });
    });

    it('tells an id that a trigger before the update changes', async () => {
      await database.exec(`
        create table moved (id integer primary key, n integer);
        create function move() returns trigger language plpgsql as $$ begin new.id := old.id + 100; return new; end $$;
        create trigger move before update on moved for each row execute function move()`);
      await attachTable(database, { table: 'moved', id: 'id' });
      await database.exec('insert into moved values (1, 1)');
      expect(await toldOf(database, 'update moved set n = 2')).toEqual(told(['moved:{1}', 'moved:{101}']));
    });

    it('tells what a cascade deletes', async () => {
      await database.exec(`
        create table parents (id integer primary key);
        create table children (id integer primary key, parent integer references parents on delete cascade);
        insert into parents values (1);
        insert into children values (10, 1), (11, 1)`);
      await attachTable(database, { table: 'children', id: 'id' });
      expect(await toldOf(database, 'delete from parents')).toEqual(told(['children:{10}', 'children:{11}']));
    });

    it('tells nothing of a transaction that is rolled back, and all of one that commits', async () => {
      await database.exec('create table rolled (id integer primary key)');
      await attachTable(database, { table: 'rolled', id: 'id' });
      expect(await toldOf(database, 'begin; insert into rolled values (1); rollback')).toEqual(NOTHING);
      expect(
        await toldOf(database, 'begin; insert into rolled values (1); savepoint s; insert into rolled values (2); rollback to s; commit'),
      ).toEqual(told(['rolled:{1}']));
    });

    it('puts the ids of one statement into rows of 500 at most', async () => {
      await database.exec(
        'create table many (id integer primary key, n integer); insert into many select i, 0 from generate_series(1, 1200) i',
      );
      await attachTable(database, { table: 'many', id: 'id' });
      await drain(database);
      await database.exec('update many set n = 1');
      const rows = await database.query<{ count: number }>('select cardinality(ids) as count from forebay.outbox order by 1');
      expect(rows.map(({ count }) => count)).toEqual([200, 500, 500]);
      expect((await drain(database)).keys).toHaveLength(1200);
    });

    it('gives the tags of new and old rows', async () => {
      await database.exec('create table tagged (id uuid primary key, owner text, folders text[])');
      await attachTable(database, { table: 'tagged', id: 'id', tags: "array['owner:' || owner] || folders -- and no more" });
      expect(await toldOf(database, `insert into tagged values ('${A}', 'me', '{x}'), ('${B}', null, null)`)).toEqual(
        told([`tagged:{${A}}`, `tagged:{${B}}`], ['owner:me', 'x']),
      );
      expect(await toldOf(database, `update tagged set owner = 'you', folders = '{y,z}' where id = '${A}'`)).toEqual(
        told([`tagged:{${A}}`], ['owner:me', 'x', 'owner:you', 'y', 'z']),
      );
      expect(await toldOf(database, 'delete from tagged')).toEqual(told([`tagged:{${A}}`, `tagged:{${B}}`], ['owner:you', 'y', 'z']));
    });

    it.each([
      ['text', "'owner:' || owner", ['owner:me']],
      ['a constant', "'all'", ['all']],
      ['several rows', 'unnest(array[owner, owner, null])', ['me']],
      ['a look into another table', '(select array_agg(t.label) from labels t where t.owner = thing.owner)', null],
      ['a look into another table', '(select array_agg(l.label) from public.labels l where l.whose = owner)', ['blue', 'red']],
      ['a function of the operator', 'label(owner)', ['label me']],
    ])('takes tags from %s: %s', async (_kind, tags, expected) => {
      await database.exec(`
        drop table if exists thing;
        create table if not exists labels (whose text, label text);
        delete from labels;
        insert into labels values ('me', 'red'), ('me', 'blue');
        create or replace function label(whose text) returns varchar language sql as $$ select 'label ' || whose $$;
        create table thing (id integer primary key, owner varchar(10))`);
      const attaching = attachTable(database, { table: 'thing', id: 'id', tags });
      if (expected === null) await expect(attaching).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'tags' });
      else {
        await attaching;
        expect(await toldOf(database, "insert into thing values (1, 'me')")).toEqual(told(['thing:{1}'], expected));
      }
    });

    it('gives the names in the tags expression the meaning that they had when it was attached, whoever makes functions of that name', async () => {
      await database.exec('create table shadowed (id integer primary key, owner varchar)');
      await attachTable(database, { table: 'shadowed', id: 'id', tags: "'owner:' || lower(owner)" });
      await database.exec("create function public.lower(varchar) returns text language sql as $$ select 'shadow' $$");
      const said = await toldOf(database, "set search_path = public, pg_catalog; insert into shadowed values (1, 'ME'); reset search_path");
      await database.exec('drop function public.lower(varchar)');
      expect(said).toEqual(told(['shadowed:{1}'], ['owner:me']));
    });

    it('makes everything count as invalidated rather than fail a write or lose an invalidation', async () => {
      await database.exec('create table failing (id integer primary key, n integer)');
      const options = { table: 'failing', id: 'id', tags: '(100 / n)::text' };
      await attachTable(database, options);
      const everything = { keys: [], buckets: [], all: true };
      expect(await toldOf(database, 'insert into failing values (1, 0)')).toEqual(everything);
      expect(await toldOf(database, 'insert into failing values (2, 2)')).toEqual(told(['failing:{2}'], ['50']));
      await database.exec('alter table failing rename id to number');
      expect(await toldOf(database, 'insert into failing values (3, 3)')).toEqual(everything);
      expect(await listAttached(database)).toContainEqual(expect.objectContaining({ table: 'public.failing', state: 'broken' }));
      await attachTable(database, { ...options, id: 'number' });
      expect(await toldOf(database, 'insert into failing values (4, 4)')).toEqual(told(['failing:{4}'], ['25']));
      await database.exec('alter table failing drop column n');
      expect(await toldOf(database, 'insert into failing values (5)')).toEqual(everything);
    });

    it('makes everything count as invalidated for more tags than 10,000 in one statement', async () => {
      await database.exec('create table crowd (id integer primary key)');
      await attachTable(database, { table: 'crowd', id: 'id', tags: "'crowd:' || id" });
      const most = await toldOf(database, 'insert into crowd select i from generate_series(1, 10000) i');
      expect([most.all, most.keys.length]).toEqual([false, 10_000]);
      expect(await toldOf(database, 'insert into crowd select i from generate_series(10001, 20001) i')).toEqual({
        keys: [],
        buckets: [],
        all: true,
      });
    });

    it('tells what a role changes that has no rights to the schema forebay', async () => {
      await database.exec(`
        create role writer;
        create table written (id integer primary key, owner text);
        grant insert, update, delete, truncate, select on written to writer`);
      await attachTable(database, { table: 'written', id: 'id', tags: "'owner:' || owner" });
      const as = (sql: string) => `begin; set local role writer; ${sql}; commit`;
      expect(await toldOf(database, as("insert into written values (1, 'me')"))).toEqual(told(['written:{1}'], ['owner:me']));
      expect(await toldOf(database, as("update written set owner = 'you'"))).toEqual(told(['written:{1}'], ['owner:me', 'owner:you']));
      expect((await toldOf(database, as('truncate written'))).all).toBe(true);
      await expect(database.exec(as('insert into forebay.outbox (everything) values (true)'))).rejects.toThrow('permission denied');
      await database.exec('rollback');
    });

    it('runs no function of the owner of the table with the rights of whoever attached it', async () => {
      await database.exec(`
        create role crook; grant usage, create on schema public to crook; create table seen (who text); grant insert on seen to crook;
        set role crook;
        create table loot (id integer, owner text);
        reset role`);
      await attachTable(database, { table: 'loot', id: 'id', tags: 'owner' });
      await database.exec(`
        set role crook;
        create type evil as (x text);
        create function text_of_evil(evil) returns text language plpgsql as $$ begin insert into public.seen values (current_user); return 'x'; end $$;
        create cast (evil as text) with function text_of_evil as implicit;
        reset role`);
      for (const column of ['id', 'owner']) {
        await database.exec(`set role crook; alter table loot drop ${column}; alter table loot add ${column} evil; reset role`);
        expect(await toldOf(database, `set role crook; insert into loot (${column}) values (row('a')); reset role`)).toMatchObject({
          all: true,
        });
        await database.exec('alter table loot drop id; alter table loot add id integer');
      }
      expect(await database.query('select who from seen')).toEqual([]);
      const callable = await database.query(
        "select proname from pg_proc where pronamespace = 'forebay'::regnamespace and prosecdef and has_function_privilege('crook', oid, 'execute')",
      );
      expect(callable).toEqual([]);
    });

    it('takes any name that SQL takes, and columns of 63 bytes, quotes, blanks and dollars', async () => {
      const long = 'ä'.repeat(31);
      const odd = `It's a "table" $forebay$ \\ ${'x'.repeat(36)}`;
      const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
      const table = `${quoted('My.Schema')}.${quoted(odd)}`;
      expect([Buffer.byteLength(long), Buffer.byteLength(odd)]).toEqual([62, 63]);
      await database.exec(
        `create schema "My.Schema"; create table ${table} (${quoted(long)} integer primary key, ${quoted('Own"er')} text, ${quoted('a $forebay$ b')} text)`,
      );
      const report = await attachTable(database, { table, id: quoted(long), cache: 'odd', tags: `'a\\' || "Own""er" || "a $forebay$ b"` });
      expect(report).toMatchObject({ outcome: 'attached', table, id: quoted(long) });
      expect(await toldOf(database, `insert into ${table} values (1, 'b', 'c')`)).toEqual(told(['odd:{1}'], ['a\\bc']));
    });

    it('hears a partitioned table by its own name, and a partition by its name once that is attached too', async () => {
      await database.exec(`
        create table parted (id integer primary key) partition by range (id);
        create table parted_low partition of parted for values from (0) to (100);
        create table parted_high partition of parted for values from (100) to (200)`);
      const { notes } = await attachTable(database, { table: 'parted', id: 'id' });
      expect(notes).toEqual([expect.stringContaining('is partitioned')]);
      expect(await toldOf(database, 'insert into parted values (1), (101)')).toEqual(told(['parted:{1}', 'parted:{101}']));
      expect(await toldOf(database, 'update parted set id = 102 where id = 1')).toEqual(told(['parted:{1}', 'parted:{102}']));
      expect(await toldOf(database, 'insert into parted_low values (2)')).toEqual(NOTHING);
      expect((await attachTable(database, { table: 'parted_low', id: 'id', cache: 'parted' })).notes).toEqual([
        expect.stringContaining('is a partition'),
      ]);
      expect(await toldOf(database, 'insert into parted_low values (3)')).toEqual(told(['parted:{3}']));
      expect(await toldOf(database, 'insert into parted values (4)')).toEqual(told(['parted:{4}']));
    });

    it('leaves a row without an id out', async () => {
      await database.exec('create table holes (id text, n integer)');
      await attachTable(database, { table: 'holes', id: 'id', tags: "'n:' || n" });
      expect(await toldOf(database, "insert into holes values (null, 1), ('', 2)")).toEqual(told(['holes:{}'], ['n:1', 'n:2']));
    });

    it('lets the table be renamed, altered and dropped', async () => {
      await database.exec('create table living (id integer primary key, owner text)');
      await attachTable(database, { table: 'living', id: 'id', tags: 'owner' });
      await database.exec(
        'create schema if not exists other; alter table living rename to lived; alter table lived set schema other; alter table other.lived alter owner type varchar(9)',
      );
      expect(await listAttached(database)).toContainEqual(expect.objectContaining({ table: 'other.lived', cache: 'living', state: 'on' }));
      await database.exec('drop table other.lived');
      expect(await listAttached(database)).toContainEqual(
        expect.objectContaining({ table: 'public.living', cache: 'living', state: 'gone' }),
      );
    });
  });
}
