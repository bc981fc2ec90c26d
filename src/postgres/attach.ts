import type { Attachment } from './attach-sql.ts';
import { attachStatements, definitionOf, dropFunctions, tagsCheck, TRIGGERS } from './attach-sql.ts';
import type { Trail } from './attached.ts';
import { hasAttached, isWhole, readTrails } from './attached.ts';
import type { Database, Queryable } from './database.ts';
import { changeTable } from './change-table.ts';
import { migrate } from './migrate.ts';
import { orRefusal, sqlState } from './refusals.ts';
import type { Table } from './table.ts';
import { idArrayOf, invalid, readColumn, readTable } from './table.ts';

export interface AttachOptions {
  /** As in SQL: `documents`, `app.documents`, `app."My Table"`. */
  readonly table: string;
  /** The column whose text is the key, as in SQL; of type uuid, bigint, integer, smallint, text or varchar. */
  readonly id: string;
  /** An SQL expression over the columns of a row, by bare name, that gives text or text[]: `array['owner:' || owner]`. Entries of any cache with these tags are forgotten too. @defaultValue none */
  readonly tags?: string;
  /** The name of the cache: 1 to 64 of `a-z 0-9 : _ -`. @defaultValue the table's name, if it has no other characters */
  readonly cache?: string;
  /** How long the lock on the table is tried for, in ms: 80 ms at a time, in which new writers wait too, with pauses in which they go on. @defaultValue 10,000 */
  readonly lockTimeoutMs?: number;
}

export interface AttachReport {
  /** `unchanged`: it was attached with the same options. `replaced`: with others, or not wholly. */
  readonly outcome: 'attached' | 'replaced' | 'unchanged';
  /** Schema and name, quoted as SQL needs them. */
  readonly table: string;
  readonly id: string;
  readonly cache: string;
  readonly tags: string | null;
  /** What is run, in one transaction; empty when unchanged. */
  readonly sql: string;
  /** A plan only: Forebay's own schema is missing or older, and `attachTable` brings it up to date first. */
  readonly needsMigration: boolean;
  /** Limits that this table has, for people. */
  readonly notes: readonly string[];
}

/**
 * Makes every change of a table, by whomever, part of the log of changes: triggers write the ids to the outbox in the changing transaction itself. Installs Forebay's own schema first if it is missing. Idempotent; with
 * other options it replaces. All that was cached before counts as invalidated, since nothing watched it.
 *
 * @throws {ForebayError} `INPUT_INVALID` for a table, column, expression or name that will not do, `TABLE_BUSY`, `RIGHTS_MISSING`, `DATABASE_UNAVAILABLE`, `SCHEMA_NEWER`
 */
export async function attachTable(database: Database, options: AttachOptions): Promise<AttachReport> {
  return orRefusal(`attaching ${options.table}`, async () => {
    await migrate(database);
    return changeTable(database, options, (tx) => plan(tx, options));
  });
}

/** What `attachTable` would do, without doing it. @throws {ForebayError} as `attachTable` */
export async function planAttach(database: Queryable, options: AttachOptions): Promise<AttachReport> {
  return orRefusal(`attaching ${options.table}`, () => plan(database, options));
}

async function plan(database: Queryable, options: AttachOptions): Promise<AttachReport> {
  const table = await readTable(database, options.table);
  checkKind(table);
  const id = await readColumn(database, table, options.id, 'id');
  idArrayOf(table, id);
  const tags = options.tags ?? null;
  if (tags !== null) await checkTags(database, table, tags);
  await checkTriggers(database, table);
  const trails = await readTrails(database);
  const own = trails.find(({ oid }) => oid === table.oid);
  const cache = options.cache === undefined ? ownCache(table, trails) : checkedCache(options.cache);
  const attachment: Attachment = { key: own?.key ?? freeKey(table, trails), table, id, cache, tags };
  const isSame = own !== undefined && isWhole(own) && own.definition === definitionOf(attachment);
  const leftovers = trails.filter(
    ({ oid, tableSchema, tableName }) => oid === null && tableSchema === table.schema && tableName === table.name,
  );
  const statements = [...leftovers.map(({ key }) => dropFunctions(key)), attachStatements(attachment)];
  return Object.freeze({
    outcome: isSame ? 'unchanged' : own === undefined ? 'attached' : 'replaced',
    table: table.quoted,
    id: id.quoted,
    cache,
    tags,
    sql: isSame ? '' : statements.join('\n\n'),
    needsMigration: !(await hasAttached(database)),
    notes: notesOn(table),
  });
}

const KINDS: Readonly<Record<string, string>> = Object.freeze({
  v: 'a view, which has no changes of its own: attach the tables beneath it, with --cache where they feed the same records',
  m: 'a materialized view, which tells nobody of its refreshes: attach the tables beneath it',
  f: 'a foreign table, which changes on another server: attach it there',
  i: 'an index; name its table',
  I: 'an index; name its table',
  S: 'a sequence; name a table',
  c: 'a type; name a table',
  t: 'a TOAST table; name the table that it belongs to',
});

function checkKind(table: Table): void {
  const kind = KINDS[table.kind];
  if (kind !== undefined) throw invalid('table', table.quoted, `is ${kind}`);
  if (table.persistence === 't')
    throw invalid('table', table.quoted, 'is a temporary table, which its own session alone sees; attach a permanent one');
  if (table.schema === 'forebay') throw invalid('table', table.quoted, "is one of Forebay's own tables, which need no attaching");
  if (table.schema === 'pg_catalog' || table.schema === 'information_schema') {
    throw invalid('table', table.quoted, 'is a table of the system, which cannot have triggers; attach one of your own');
  }
}

async function checkTags(database: Queryable, table: Table, tags: string): Promise<void> {
  const rule = 'has to be an SQL expression over the columns by bare name, of type text or text[]';
  if (tags.trim() === '' || tags.includes('\0')) throw invalid('tags', tags, rule);
  try {
    await database.query(tagsCheck(table, tags), [0]);
  } catch (thrown) {
    if (!/^(0A|2[12]|42)/.test(sqlState(thrown)) || sqlState(thrown) === '42501') throw thrown;
    throw invalid('tags', tags, `${rule}; Postgres says: ${thrown instanceof Error ? thrown.message : ''}`);
  }
}

/** Triggers of these names that somebody else made are not ours to replace. */
async function checkTriggers(database: Queryable, table: Table): Promise<void> {
  const [other] = await database.query<{ name: string }>(
    `select t.tgname as name from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
      where t.tgrelid = $1::oid and t.tgname = any ($2) and n.nspname <> 'forebay'`,
    [table.oid, TRIGGERS],
  );
  if (other !== undefined) throw invalid('table', table.quoted, `has a trigger ${other.name} that is not of Forebay; rename that one`);
}

function checkedCache(cache: string): string {
  if (/^[a-z0-9:_-]{1,64}$/.test(cache)) return cache;
  throw invalid('cache', cache, 'has to be 1 to 64 of a-z 0-9 : _ -, as the name given to createCache');
}

function ownCache(table: Table, trails: readonly Trail[]): string {
  if (!/^[a-z0-9:_-]{1,64}$/.test(table.name)) {
    throw invalid(
      'cache',
      table.name,
      'the name of the table will not do for a cache, which has 1 to 64 of a-z 0-9 : _ -; name one with `cache` (--cache NAME)',
    );
  }
  const other = trails.find(({ cache, oid }) => cache === table.name && oid !== null && oid !== table.oid);
  if (other === undefined) return table.name;
  throw invalid(
    'cache',
    table.name,
    `is the cache of ${other.tableSchema}.${other.tableName} already; name one with \`cache\` (--cache NAME), the same if both feed its records`,
  );
}

/** What the names of the functions begin with; they have to stay within 63 bytes, whatever the table is called. */
function freeKey(table: Table, trails: readonly Trail[]): string {
  const readable = table.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 30);
  const key = `on_${readable}_${table.oid}`;
  const taken = new Set(trails.filter(({ oid }) => oid !== null).map((trail) => trail.key));
  // Identity numbers differ within a server; a table that was restored from another one may have kept its key.
  for (let count = 2; ; count += 1) {
    const free = count === 2 ? key : `${key}_${count}`;
    if (!taken.has(free)) return free;
  }
}

function notesOn(table: Table): readonly string[] {
  const notes: string[] = [];
  if (table.kind === 'p') {
    notes.push(
      `${table.quoted} is partitioned: a statement that names a partition instead of it is not noticed, unless that partition is attached too, with the same --cache`,
    );
  } else if (table.hasChildren) {
    notes.push(
      `other tables inherit from ${table.quoted}: a statement that names one of them is not noticed, unless that one is attached too, with the same --cache`,
    );
  }
  if (table.isPartition)
    notes.push(
      `${table.quoted} is a partition: a statement that names the parent is not noticed, unless that one is attached too, with the same --cache`,
    );
  if (table.persistence === 'u')
    notes.push(`${table.quoted} is unlogged: the server empties it after a crash without a trigger; invalidate everything then`);
  return Object.freeze(notes);
}
