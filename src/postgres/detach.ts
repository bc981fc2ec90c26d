import { dropFunctions, dropTriggers } from './attach-sql.ts';
import { readTrails } from './attached.ts';
import { changeTable } from './change-table.ts';
import type { Database, Queryable } from './database.ts';
import { orRefusal, sqlState } from './refusals.ts';
import type { Table } from './table.ts';
import { invalid, readTable } from './table.ts';

export interface DetachOptions {
  /** As in SQL, and as it is called now; a table that is gone as it was called when it was attached. */
  readonly table: string;
  /** As for `attachTable`. @defaultValue 10,000 */
  readonly lockTimeoutMs?: number;
}

export interface DetachReport {
  /** `absent`: it was not attached. */
  readonly outcome: 'detached' | 'absent';
  readonly table: string;
  /** What is run, in one transaction; empty when there is nothing to do. */
  readonly sql: string;
}

/**
 * Takes the triggers and functions of `attachTable` away, wholly. All that was cached counts as invalidated, since nothing watches it from now on. Idempotent.
 *
 * @throws {ForebayError} `INPUT_INVALID` when there is no such table and none of that name was attached, `TABLE_BUSY`, `RIGHTS_MISSING`, `DATABASE_UNAVAILABLE`
 */
export async function detachTable(database: Database, options: DetachOptions): Promise<DetachReport> {
  return orRefusal(`detaching ${options.table}`, () => changeTable(database, options, (tx) => plan(tx, options)));
}

/** What `detachTable` would do, without doing it. @throws {ForebayError} as `detachTable` */
export async function planDetach(database: Queryable, options: DetachOptions): Promise<DetachReport> {
  return orRefusal(`detaching ${options.table}`, () => plan(database, options));
}

async function plan(database: Queryable, options: DetachOptions): Promise<DetachReport> {
  const found = await findTable(database, options.table);
  const { schema, name, quoted } = found;
  const oid = 'oid' in found ? found.oid : null;
  const trails = await readTrails(database);
  const own = trails.filter((trail) =>
    trail.oid === null ? trail.tableName === name && (schema === null || trail.tableSchema === schema) : trail.oid === oid,
  );
  if (own.length === 0) {
    if (oid === null)
      throw invalid(
        'table',
        options.table,
        'there is no such table in this database, and none of that name was attached (forebay attach --list)',
      );
    return Object.freeze({ outcome: 'absent', table: quoted, sql: '' });
  }
  const sql = [
    ...(own.some((trail) => trail.oid !== null) ? [dropTriggers(quoted)] : []),
    ...own.map(({ key }) => dropFunctions(key)),
    '-- Nothing watches what is cached from now on.\ninsert into forebay.outbox (everything) values (true);',
  ];
  return Object.freeze({ outcome: 'detached', table: quoted, sql: sql.join('\n\n') });
}

type Gone = { readonly schema: string | null; readonly name: string; readonly quoted: string };

/** The table, or the parts of the name of one that is gone. */
async function findTable(database: Queryable, text: string): Promise<Table | Gone> {
  const parts = await database.query<{ parts: string[] }>('select parse_ident($1) as parts', [text]).catch((thrown: unknown) => {
    throw sqlState(thrown).startsWith('22') ? invalid('table', text, 'is no name; give it as in SQL, quoted where SQL needs it') : thrown;
  });
  const [known] = await database.query<{ there: boolean }>('select to_regclass($1) is not null as there', [text]);
  if (known?.there === true) return readTable(database, text);
  const [name = '', schema = null] = (parts[0]?.parts ?? []).toReversed();
  return { schema, name, quoted: text };
}
