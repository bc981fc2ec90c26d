import { createHash } from 'node:crypto';
import type { Table, TableColumn } from './table.ts';

/** What an attached table is made from. */
export interface Attachment {
  /** What the names of its functions begin with. */
  readonly key: string;
  readonly table: Table;
  readonly id: TableColumn;
  readonly cache: string;
  readonly tags: string | null;
}

/** Ids in one row of the outbox, as the library's own tables have it: `forebay.note_changed()`. */
const IDS_PER_ROW = 500;
/** One statement that changes more tags than so many makes everything count as invalidated: so many hit nine of ten of the 4,096 stamps anyway. */
const MAX_TAGS = 10_000;

/** Types below this number are Postgres's own, and so is what it takes to make text of them. */
const FIRST_TYPE_OF_OTHERS = 16_384;

/** The triggers on an attached table. */
export const TRIGGERS = ['forebay_inserted', 'forebay_updated', 'forebay_deleted', 'forebay_truncated'] as const;

/** Text as an SQL literal, whatever `standard_conforming_strings` says. */
function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

/** Text between dollar quotes that it does not hold itself. */
function dollarQuoted(text: string): string {
  let tag = '$forebay$';
  for (let count = 1; text.includes(tag); count += 1) tag = `$forebay${count}$`;
  return `${tag}\n${text}\n${tag}`;
}

/**
 * The columns whose values the expression gets: those whose names are in its text. A few too many do no harm; all of them could be more than a function may have arguments (100).
 */
function columnsOf(table: Table, expression: string): readonly TableColumn[] {
  const text = expression.toLowerCase();
  return table.columns.filter(({ name }) => text.includes(name.toLowerCase().replaceAll('"', '""')));
}

/** A select of one column, text[], from the expression over a row that `given` makes. Text becomes a list of one, and several rows of the expression one list. */
function tagsSelect(expression: string, given: readonly string[]): string {
  return `array(select pg_catalog.unnest('{}'::pg_catalog.text[] operator(pg_catalog.||) r.tags) from (select (
${expression}
) as tags from (select ${given.join(', ')}) as given) as r)`;
}

/** A statement that the database can only prepare if the expression is right; `$1` is for `limit`, so that it is never evaluated. */
export function tagsCheck(table: Table, expression: string): string {
  const given = columnsOf(table, expression).map(({ quoted, parameterType }) => `null::${parameterType} as ${quoted}`);
  return `select ${tagsSelect(expression, given)} limit $1`;
}

/**
 * The function that evaluates the tags expression. It has an SQL-standard body: Postgres resolves the names in it when it is made, in the session of whoever attaches, and never again. So nobody who may make functions
 * or operators in some schema can slip another meaning under it, although it runs with the rights of its owner. Its arguments are plain values, so it does not depend on the table, which can be altered and dropped.
 */
function tagsFunction({ key, table, tags }: Attachment): string {
  const drop = `drop function if exists forebay.${key}_tags;`;
  if (tags === null) return drop;
  const columns = columnsOf(table, tags);
  const given = columns.map(({ quoted }, index) => `$${index + 1} as ${quoted}`);
  return `${drop}
create function forebay.${key}_tags(${columns.map(({ parameterType }) => parameterType).join(', ')}) returns text[] language sql stable
return ${tagsSelect(tags, given)};
revoke all on function forebay.${key}_tags from public;`;
}

/**
 * Refuses columns of a type that the owner of the table has given them since: a cast from a type of his own would run his function with the rights of whoever attached the table. Types of Postgres are safe. The types
 * are asked for in a statement of its own, since one that has the cast in it would not get so far.
 */
function typeGuard(columns: readonly TableColumn[]): string {
  const known = columns.map(
    ({ quoted, parameterType }) =>
      `(pg_typeof(c.${quoted})::oid < ${FIRST_TYPE_OF_OTHERS} or pg_typeof(c.${quoted}) = ${literal(parameterType)}::regtype)`,
  );
  return `
    if not (select ${known.join(' and ')} from changed c limit 1) then
      raise exception 'columns are of other types than when it was attached';
    end if;`;
}

/**
 * A trigger function over the transition tables `from`. What it reads of the table is tried first, and if that fails (a column was renamed, the expression divides by zero) everything counts as invalidated: neither
 * does a write fail because of a cache, nor is an invalidation lost.
 */
function noteFunction(attachment: Attachment, suffix: string, from: readonly string[]): string {
  const { key, table, id, cache, tags } = attachment;
  const tagColumns = tags === null ? [] : columnsOf(table, tags);
  const args = tagColumns.map(({ quoted }) => `c.${quoted}`);
  const tagRows = from.map((rows) => `select forebay.${key}_tags(${args.join(', ')}) as tags from ${rows} c`).join(' union all ');
  const told = `
    told := array(select distinct t.tag from (${tagRows}) r, unnest(r.tags) as t (tag) where t.tag is not null limit ${MAX_TAGS + 1});`;
  const manyTags = `
  if cardinality(told) > ${MAX_TAGS} then
    insert into forebay.outbox (everything) values (true);
    return null;
  end if;`;
  // An update may change the id: the old one has to be forgotten too. `union` leaves one of two that are the same.
  const ids = from.map((rows) => `select c.${id.quoted}::text as id from ${rows} c`).join(' union ');
  const body = `declare
  told text[] := '{}';
begin
  begin${typeGuard([id, ...tagColumns])}${tags === null ? '' : told}
  exception when others then
    raise warning 'forebay: what changed in % cannot be told (%), so all caches forget everything; run "forebay attach" again', tg_relid::regclass, sqlerrm;
    insert into forebay.outbox (everything) values (true);
    return null;
  end;${tags === null ? '' : manyTags}
  insert into forebay.outbox (caches, ids, tags)
  select array[${literal(cache)}], coalesce(array_agg(r.id) filter (where r.id is not null), '{}'), case r.part when 0 then told else '{}' end
    from (select u.id, (row_number() over () - 1) / ${IDS_PER_ROW} as part from (${ids}) u) r
   group by r.part;
  return null;
end`;
  return `create or replace function forebay.${key}_${suffix}() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as ${dollarQuoted(body)};
revoke all on function forebay.${key}_${suffix}() from public;`;
}

function functions(attachment: Attachment): string {
  return [
    tagsFunction(attachment),
    noteFunction(attachment, 'changed', ['changed']),
    noteFunction(attachment, 'updated', ['changed', 'was']),
  ].join('\n\n');
}

function triggers(key: string, table: string): string {
  return `create or replace trigger forebay_inserted after insert on ${table} referencing new table as changed
  for each statement execute function forebay.${key}_changed();
create or replace trigger forebay_updated after update on ${table} referencing new table as changed old table as was
  for each statement execute function forebay.${key}_updated();
create or replace trigger forebay_deleted after delete on ${table} referencing old table as changed
  for each statement execute function forebay.${key}_changed();
create or replace trigger forebay_truncated after truncate on ${table}
  for each statement execute function forebay.note_everything();`;
}

/** Tells two sets of functions and triggers apart; the table's own name is no part of it. */
export function definitionOf(attachment: Attachment): string {
  const text = [functions(attachment), triggers(attachment.key, '')].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** All of one attachment, to be run in one transaction. */
export function attachStatements(attachment: Attachment): string {
  const { key, table, id, cache, tags } = attachment;
  const values = [key, table.schema, table.name, id.name, cache].map(literal);
  return `${functions(attachment)}

${triggers(key, table.quoted)}

insert into forebay.attached (key, table_schema, table_name, id_column, cache, tags, definition)
values (${[...values, tags === null ? 'null' : literal(tags), literal(definitionOf(attachment))].join(', ')})
on conflict (key) do update set table_schema = excluded.table_schema, table_name = excluded.table_name, id_column = excluded.id_column, cache = excluded.cache,
  tags = excluded.tags, definition = excluded.definition, attached_at = now();

-- What was cached before had no trigger to watch it.
insert into forebay.outbox (everything) values (true);`;
}

/** Removes the triggers from a table, as far as there are any. */
export function dropTriggers(table: string): string {
  return TRIGGERS.map((name) => `drop trigger if exists ${name} on ${table};`).join('\n');
}

/** Removes the functions of an attachment and what is known of it. */
export function dropFunctions(key: string): string {
  return `drop function if exists forebay.${key}_changed(), forebay.${key}_updated();
drop function if exists forebay.${key}_tags;
delete from forebay.attached where key = ${literal(key)};`;
}
