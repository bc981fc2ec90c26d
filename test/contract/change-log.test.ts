import { describe, expect, it } from 'vitest';
import { createChangeLog } from '../../src/postgres/change-log.ts';
import { openDatabase } from '../../src/postgres/index.ts';
import { drain, told } from './attach.world.ts';
import { useDatabases } from './databases.world.ts';
import { describeChangeLog } from './change-log.suite.ts';

const databases = useDatabases();

describeChangeLog('the log of changes in PGlite', () => databases.migrated('pglite:memory'));
describeChangeLog('the log of changes in Postgres', async () => databases.migrated(await databases.create('logged')));

describe('the log of changes beside open transactions', () => {
  const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const key = (n: number): string => `file:info:{${id(n)}}`;
  const fill = `
    insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a', '/a', n, 'text/plain', 'ann' from generate_series(1, 3000) n`;
  const touch = (where: string): string => `update forebay.file_info set size = size + 1 where ${where}`;

  it('a change that was made before a moment and committed after it has to be numbered for a later moment only', async () => {
    const database = await databases.migrated(await databases.create('moments'));
    await database.exec(fill);
    await drain(database);
    const log = createChangeLog(database);
    const moments = await database.transaction(async (early) => {
      await early.exec(touch('size = 1'));
      await database.exec(touch('size = 2'));
      const during = await log.look(null);
      expect(during).toMatchObject({ more: true });
      await log.advance();
      // The floor of the log is now after the early transaction began, and that one is not committed.
      expect(await log.look(during.moment)).toMatchObject({ more: false, reached: true });
      return during.moment;
    });
    const after = await log.look(moments);
    expect(after).toMatchObject({ more: true, reached: true });
    expect(await log.look(after.moment)).toMatchObject({ more: true, reached: false });
    expect(await drain(database)).toEqual(told([key(1)]));
    expect(await log.look(after.moment)).toMatchObject({ more: false, reached: true });
  });

  it('what is committed between the pieces of a large backlog, by older and by newer transactions, gets its number', async () => {
    const database = await databases.migrated(await databases.create('pieces'));
    await database.exec(fill);
    await drain(database);
    const log = createChangeLog(database);
    const keys: string[] = [];
    const step = async (): Promise<boolean> => {
      const { entry, more } = await log.advance();
      keys.push(...(entry?.keys ?? []));
      return more;
    };
    await database.transaction(async (older) => {
      await older.exec(touch('size = 1'));
      // Each a transaction of its own, and then two of 1,200 rows: several pieces.
      for (let n = 10; n < 60; n += 1) await database.exec(touch(`id = '${id(n)}'`));
      await database.transaction(async (open) => {
        await open.exec(touch('size = 2'));
        await database.exec(touch('size between 101 and 1300'));
        await database.exec(touch(`id between '${id(1500)}' and '${id(2700)}'`));
        expect(await step()).toBe(true);
        expect(await step()).toBe(true);
      });
      await step();
    });
    await database.exec(touch(`id = '${id(2999)}'`));
    while (await step());
    const numbers = [
      1,
      2,
      2999,
      ...Array.from({ length: 50 }, (_, n) => n + 10),
      ...Array.from({ length: 1200 }, (_, n) => n + 101),
      ...Array.from({ length: 1201 }, (_, n) => n + 1500),
    ];
    expect(keys).toHaveLength(numbers.length);
    expect(new Set(keys)).toEqual(new Set(numbers.map(key)));
  });
});

describe('the triggers run with the rights of their owner', () => {
  it('and nothing that a user can make of his own is run with them', async () => {
    const url = await databases.create('hostile');
    const owner = await databases.migrated(url);
    await owner.exec(`
      create role mallory login password 'secret';
      grant usage on schema forebay to mallory;
      grant select, insert, update, delete on forebay.file_info, forebay.file_meta to mallory;
      grant usage on sequence forebay.version to mallory;
      grant create, usage on schema public to mallory;
      insert into forebay.file_info (id, name, path, size, mime_type, owner_id) values ('${'1'.repeat(8)}-1111-4111-8111-${'1'.repeat(12)}', 'a', '/a', 1, 'text/plain', 'ann')`);
    await drain(owner);
    const { host } = new URL(url);
    await using mallory = await openDatabase(`postgres://mallory:secret@${host}/hostile`, { maxConnections: 1 });
    const denied = mallory.query('select from forebay.outbox');
    await expect(denied).rejects.toThrow(/permission denied/);
    // Everything that the functions name, under the same name, where a session looks first: types, functions, operators, a table. Each would leave who ran it.
    await mallory.exec(`
      create table public.caught (by_role text);
      grant insert on public.caught to public;
      create function public.catch() returns void language plpgsql as $$ begin insert into public.caught values (current_user); end $$;
      grant execute on function public.catch() to public;
      create domain pg_temp.text as pg_catalog.text;
      create domain pg_temp.int4 as pg_catalog.int4 check (value is null or public.catch() is not null or true);
      create temp table changed (id pg_catalog.text);
      create temp table outbox (id pg_catalog.text);
      create function public.array_agg(pg_catalog.text) returns pg_catalog.text[] language sql as $$ select public.catch(); select '{}'::pg_catalog.text[] $$;
      create function public.string_to_array(pg_catalog.text, pg_catalog.text) returns pg_catalog.text[] language sql as $$ select public.catch(); select '{}'::pg_catalog.text[] $$;
      create function public.cardinality(pg_catalog.text[]) returns pg_catalog.int4 language sql as $$ select public.catch(); select 0 $$;
      create function public.nextval(pg_catalog.text) returns pg_catalog.int8 language sql as $$ select public.catch(); select 1::pg_catalog.int8 $$;
      create function public.same(pg_catalog.int4, pg_catalog.int4) returns pg_catalog.bool language sql as $$ select public.catch(); select true $$;
      create operator public.= (leftarg = pg_catalog.int4, rightarg = pg_catalog.int4, function = public.same);
      create operator public.<= (leftarg = pg_catalog.int4, rightarg = pg_catalog.int4, function = public.same);
      create function public.minus(pg_catalog.int8, pg_catalog.int4) returns pg_catalog.int8 language sql as $$ select public.catch(); select 0::pg_catalog.int8 $$;
      create operator public.- (leftarg = pg_catalog.int8, rightarg = pg_catalog.int4, function = public.minus);
      create operator public./ (leftarg = pg_catalog.int8, rightarg = pg_catalog.int4, function = public.minus);
      set search_path = pg_temp, public, pg_catalog`);
    // It is what he meant it to be: his own session does run it.
    await mallory.exec('select 1::pg_catalog.int4 = 2::pg_catalog.int4');
    expect(await owner.query('select by_role from public.caught')).toEqual([{ by_role: 'mallory' }]);
    await mallory.exec(`
      insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
      select ('00000000-0000-4000-8000-' || pg_catalog.lpad(n::pg_catalog.text, 12, '0'))::uuid, 'a', '/a', n, 'text/plain', 'ann' from pg_catalog.generate_series(1, 600) n;
      update forebay.file_info set size = 5;
      insert into forebay.file_meta (id, attributes) select id, '{}' from forebay.file_info;
      update forebay.file_meta set attributes = '{"a": 1}';
      update forebay.file_info set id = pg_catalog.gen_random_uuid() where name = 'a' and id not in (select id from forebay.file_meta);
      delete from forebay.file_info`);
    // The relay, too, runs with rights that others do not have.
    await owner.query('select * from forebay.look()');
    expect((await drain(owner)).keys).toHaveLength(2 * 601);
    const ran = await owner.query<{ by_role: string }>('select distinct by_role from public.caught');
    expect(ran.map(({ by_role }) => by_role)).toEqual(['mallory']);
  });
});
