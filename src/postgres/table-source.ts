import type { BatchSource } from '../cache/source.ts';
import type { Queryable } from './database.ts';
import type { TableColumn } from './table.ts';
import { idArrayOf, readColumn, readTable } from './table.ts';

/** A row by the names of its columns, with values as `Queryable.query` gives them. */
export type TableRow = Readonly<Record<string, unknown>>;

export interface TableSourceOptions<V> {
  /** A primary: a replica may not have a change yet whose invalidation has come. It stays its opener's. */
  readonly database: Queryable;
  /** As in SQL: `documents`, `app.documents`, `app."My Table"`; the table that was attached. */
  readonly table: string;
  /** The column that the table was attached with, as in SQL; unique. */
  readonly id: string;
  /** Columns to read, as in SQL. @defaultValue all */
  readonly columns?: readonly string[];
  /** The record of a row; `key` is the id's text. What it throws fails every key of the batch. */
  readonly record: (row: TableRow, key: string) => V;
}

interface Query {
  readonly sql: string;
  /** Whether the text can be the id of a row: one that cannot would make the database refuse the whole batch. */
  readonly isId: (text: string) => boolean;
  /** The column of the answer that has the id's text. */
  readonly keyName: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;

/**
 * The rows of a table as the source of a cache: many by one query. Keys are the id's text as Postgres writes it, since by that text the log of changes names them: a uuid in lower case, a number in plain decimals. Any
 * other spelling is no key and has no record.
 *
 * The table is looked up at the first load. Loads reject with `INPUT_INVALID` when there is no such table or column, `DATABASE_UNAVAILABLE`, or what `record` throws.
 */
export function tableSource<V, K extends string | number = string>(options: TableSourceOptions<V>): BatchSource<K, V> {
  const { database, record } = options;
  let prepared: Promise<Query> | null = null;
  return {
    async loadMany(keys, { signal }) {
      const preparing = (prepared ??= prepare(options));
      try {
        const { sql, isId, keyName } = await preparing;
        const ids = keys.map(String).filter(isId);
        const rows = ids.length === 0 ? [] : await database.query<Record<string, unknown>>(sql, [ids], { signal });
        const records = new Map(rows.map(({ [keyName]: key, ...row }) => [String(key), record(row, String(key))]));
        return new Map(keys.map((key) => [key, records.get(String(key)) ?? null]));
      } catch (thrown) {
        // The table may have been altered: the next load looks again.
        if (prepared === preparing) prepared = null;
        throw thrown;
      }
    },
  };
}

async function prepare<V>({ database, table: tableName, id: idName, columns: wanted }: TableSourceOptions<V>): Promise<Query> {
  const table = await readTable(database, tableName);
  const id = await readColumn(database, table, idName, 'id');
  const array = idArrayOf(table, id);
  const columns: TableColumn[] = [];
  for (const name of wanted ?? []) columns.push(await readColumn(database, table, name, 'columns'));
  const names = (wanted === undefined ? table.columns : columns).map(({ quoted }) => `, t.${quoted}`);
  let keyName = 'key_text';
  while (table.columns.some(({ name }) => name === keyName)) keyName = `${keyName}_`;
  return {
    sql: `select t.${id.quoted}::text as ${keyName}${names.join('')} from ${table.quoted} t where t.${id.quoted} = any($1::${array})`,
    isId: idTest(id.base ?? ''),
    keyName,
  };
}

function idTest(base: string): (text: string) => boolean {
  if (base === 'uuid') return (text) => UUID.test(text);
  // Text of Postgres holds no zero byte, and UTF-8 no half of a pair.
  if (base === 'text' || base === 'varchar') return (text) => !text.includes('\0') && text.isWellFormed();
  const limit = 2n ** (base === 'int2' ? 15n : base === 'int4' ? 31n : 63n);
  return (text) => INTEGER.test(text) && BigInt(text) < limit && BigInt(text) >= -limit;
}
