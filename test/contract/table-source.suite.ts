import { beforeAll, describe, expect, it } from 'vitest';
import { createCache } from '../../src/cache/index.ts';
import { attachTable, tableSource } from '../../src/postgres/index.ts';
import type { Database, TableRow } from '../../src/postgres/index.ts';

const A = 'a0000000-0000-4000-8000-00000000000a';
const call = { signal: new AbortController().signal };
const same = (row: TableRow): TableRow => row;

/** Rows as records. `open` gives a database, shared by the tests of the suite and closed by the caller. */
export function describeTableSource(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    beforeAll(async () => {
      database = await open();
    });

    it.each<[string, string, readonly string[], readonly string[]]>([
      ['uuid', 'uuid', [A], [A.toUpperCase(), 'a', '', `${A} `, `{${A}}`]],
      [
        'bigint',
        'bigint',
        ['0', '-7', '9223372036854775807', '-9223372036854775808'],
        ['9223372036854775808', '07', '+7', '-0', '1e3', ' 7', '7.0', 'x', ''],
      ],
      ['integer', 'integer', ['2147483647'], ['2147483648', '-2147483649']],
      ['smallint', 'smallint', ['32767'], ['32768']],
      ['text', 'text', ['Ab', 'it\'s {"odd"} \\ ,文', '', 'NULL'], ['ab', 'a\0', '\ud800']],
      ['varchar', 'varchar(20)', ['Ab '], ['Ab']],
    ])('finds %s by its text, and no record by any other', async (kind, type, ids, others) => {
      await database.exec(`create table of_${kind} (id ${type} primary key)`);
      for (const id of ids) await database.query(`insert into of_${kind} values ($1)`, [id]);
      const source = tableSource({ database, table: `of_${kind}`, id: 'id', columns: [], record: (_row, key) => ({ key }) });
      const answer = await source.loadMany([...ids, ...others], call);
      expect([...answer]).toEqual([...ids.map((id) => [id, { key: id }]), ...others.map((other) => [other, null])]);
    });

    it('takes numbers as keys', async () => {
      await database.exec("create table numbered (id bigint primary key, name text); insert into numbered values (7, 'seven')");
      const source = tableSource<TableRow, number>({ database, table: 'numbered', id: 'id', record: same });
      expect(await source.loadMany([7, 8, 1.5, Number.NaN, 1e21], call)).toEqual(
        new Map([[7, { id: 7, name: 'seven' }], ...[8, 1.5, Number.NaN, 1e21].map((key) => [key, null] as const)]),
      );
    });

    it('reads the columns that it is told, all of them if none, whatever they are called', async () => {
      await database.exec(`
        create schema "S.1";
        create table "S.1"."T ""x""" ("I d" integer primary key, "key_text" text, "B" text[], secret text);
        insert into "S.1"."T ""x""" values (1, 'k', '{a,b}', 's')`);
      const table = '"S.1"."T ""x"""';
      const load = async (columns?: readonly string[]) =>
        (
          await tableSource({ database, table, id: '"I d"', ...(columns === undefined ? {} : { columns }), record: same }).loadMany(
            ['1'],
            call,
          )
        ).get('1');
      expect(await load()).toEqual({ 'I d': 1, key_text: 'k', B: ['a', 'b'], secret: 's' });
      expect(await load(['"B"', 'key_text'])).toEqual({ B: ['a', 'b'], key_text: 'k' });
      await expect(load(['nope'])).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'columns' });
    });

    it('looks at the table again after a failure', async () => {
      const source = tableSource({ database, table: 'later', id: 'id', record: same });
      await expect(source.loadMany(['1'], call)).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'table' });
      await database.exec('create table later (id integer primary key, a text); insert into later values (1)');
      expect((await source.loadMany(['1'], call)).get('1')).toEqual({ id: 1, a: null });
      await database.exec('alter table later rename a to b');
      await expect(source.loadMany(['1'], call)).rejects.toThrow('column t.a does not exist');
      expect((await source.loadMany(['1'], call)).get('1')).toEqual({ id: 1, b: null });
    });

    it('refuses an id of a type whose text is no key', async () => {
      await database.exec('create table priced (price numeric primary key)');
      await expect(tableSource({ database, table: 'priced', id: 'price', record: same }).loadMany(['1'], call)).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        field: 'id',
      });
    });

    it('serves a cache, in one query for many keys', async () => {
      await database.exec(
        "create table served (id integer primary key, owner text); insert into served select i, 'o' || i from generate_series(1, 1500) i",
      );
      const { cache: named } = await attachTable(database, { table: 'served', id: 'id', tags: "'owner:' || owner" });
      let queries = 0;
      const counting: Pick<Database, 'query' | 'exec'> = {
        query: (sql, params, options) => {
          if (sql.includes('any($1')) queries += 1;
          return database.query(sql, params, options);
        },
        exec: (sql) => database.exec(sql),
      };
      const source = tableSource<{ owner: unknown }, number>({
        database: counting,
        table: 'served',
        id: 'id',
        record: ({ owner }) => ({ owner }),
      });
      await using cache = createCache({ name: named, source, describe: ({ owner }) => ({ tags: [`owner:${String(owner)}`] }) });
      const keys = Array.from({ length: 500 }, (_, index) => index + 1001);
      expect((await cache.getMany(keys)).get(1500)).toEqual({ owner: 'o1500' });
      expect(queries).toBe(1);
      expect(await cache.get(1501)).toBe(null);
      await database.exec("update served set owner = 'x' where id = 1500");
      await cache.invalidate({ tags: ['owner:o1500'] });
      expect(await cache.get(1500)).toEqual({ owner: 'x' });
    });
  });
}
