import { ForebayError } from '../core/errors.ts';
import type { Queryable } from './database.ts';
import { sqlState } from './refusals.ts';

export interface TableColumn {
  /** As the catalog has it. */
  readonly name: string;
  /** As SQL needs it. */
  readonly quoted: string;
  /** For people: `character varying(20)`. */
  readonly type: string;
  /** For a parameter of the same type, whatever the search path. */
  readonly parameterType: string;
  /** The built-in type beneath, domains seen through; `null` for a type that is not Postgres's own. */
  readonly base: string | null;
}

/** A table, or what else has its name, as the catalog has it. */
export interface Table {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** Schema and name as SQL needs them. */
  readonly quoted: string;
  /** `relkind`: `r` table, `p` partitioned table, `v` view, … */
  readonly kind: string;
  /** `relpersistence`: `p` permanent, `u` unlogged, `t` temporary. */
  readonly persistence: string;
  /** It is a partition of another table. */
  readonly isPartition: boolean;
  /** Other tables inherit from it. */
  readonly hasChildren: boolean;
  readonly columns: readonly TableColumn[];
}

/** Types whose text is one and the same for equal values, so that it can be a key; and the array that looks up many. */
const ID_ARRAYS: Readonly<Record<string, string>> = Object.freeze({
  uuid: 'uuid[]',
  int2: 'smallint[]',
  int4: 'integer[]',
  int8: 'bigint[]',
  text: 'text[]',
  varchar: 'text[]',
});

const TABLE = `
  select c.oid::text as oid, n.nspname as schema, c.relname as name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted, c.relkind::text as kind,
         c.relpersistence::text as persistence, c.relispartition as "isPartition",
         exists (select from pg_inherits i where i.inhparent = c.oid) as "hasChildren"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.oid = to_regclass($1)`;

const COLUMNS = `
  select a.attname as name, quote_ident(a.attname) as quoted, format_type(a.atttypid, a.atttypmod) as type,
         case t.typnamespace when 'pg_catalog'::regnamespace then format_type(t.oid, null) else quote_ident(n.nspname) || '.' || quote_ident(t.typname) end as "parameterType",
         case b.typnamespace when 'pg_catalog'::regnamespace then b.typname end as base
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    join pg_namespace n on n.oid = t.typnamespace
    join pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end
   where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
   order by a.attnum`;

/** What has this name in other capitals, for the message. */
const ALIKE = `
  select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and lower(c.relname) = lower($1)
   order by 1 limit 3`;

/**
 * The table of this name, which is read as SQL reads it: `documents`, `app.documents`, `app."My Table"`.
 * @throws {ForebayError} `INPUT_INVALID` when there is none, or the text is no name.
 */
export async function readTable(database: Queryable, name: string): Promise<Table> {
  const [table] = await asName(name, 'table', () => database.query<Omit<Table, 'columns'>>(TABLE, [name]));
  if (table !== undefined) return { ...table, columns: await database.query<TableColumn>(COLUMNS, [table.oid]) };
  const last = name.replace(/^.*\.(?=[^.])/s, '').replaceAll('"', '');
  const alike = (await database.query<{ quoted: string }>(ALIKE, [last])).map(({ quoted }) => quoted);
  const advice = alike.length > 0 ? `there is ${alike.join(', ')}` : 'give it as in SQL: name or schema.name, quoted where SQL needs it';
  throw invalid('table', name, `there is no such table in this database; ${advice}`);
}

/**
 * The column of this name, which is read as SQL reads it.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export async function readColumn(database: Queryable, table: Table, name: string, field: string): Promise<TableColumn> {
  const [row] = await asName(name, field, () => database.query<{ parts: string[] }>('select parse_ident($1) as parts', [name]));
  const [wanted, ...more] = row?.parts ?? [];
  const column = table.columns.find((known) => known.name === wanted);
  if (column !== undefined && more.length === 0) return column;
  throw invalid(field, name, `${table.quoted} has no such column; it has ${table.columns.map(({ quoted }) => quoted).join(', ')}`);
}

/**
 * The array type that looks up many ids of this column.
 * @throws {ForebayError} `INPUT_INVALID` for a type whose text cannot be a key.
 */
export function idArrayOf(table: Table, column: TableColumn): string {
  const array = column.base === null ? undefined : ID_ARRAYS[column.base];
  if (array !== undefined) return array;
  throw invalid(
    'id',
    column.quoted,
    `the column of ${table.quoted} is of type ${column.type}; it has to be uuid, bigint, integer, smallint, text or varchar`,
  );
}

async function asName<T>(name: string, field: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    // Syntax of names (22023, 42601, 42602), a name of another database (0A000), a byte that text cannot hold (22021).
    if (!/^(22|42601|42602|0A)/.test(sqlState(thrown))) throw thrown;
    throw invalid(
      field,
      name,
      `is no name (${thrown instanceof Error ? thrown.message : ''}); give it as in SQL, quoted where SQL needs it`,
    );
  }
}

export function invalid(field: string, value: unknown, rule: string): ForebayError {
  return new ForebayError('INPUT_INVALID', `${field} = ${String(value).slice(0, 200)}: ${rule}`, { field });
}
