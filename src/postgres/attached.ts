import type { Queryable } from './database.ts';
import { TRIGGERS } from './attach-sql.ts';
import { orRefusal } from './refusals.ts';

/** A table that tells the log of its changes. */
export interface AttachedTable {
  /** Schema and name, quoted as SQL needs them: as it is called now, or was when it was attached if it is gone. */
  readonly table: string;
  readonly id: string;
  readonly cache: string;
  readonly tags: string | null;
  /** RFC 3339, in UTC. */
  readonly attachedAt: string;
  /**
   * `on`: each change is told. `broken`: a trigger is missing or disabled, or the id column is not there any more; attach it again. `gone`: the table was dropped, or all triggers; detach it.
   */
  readonly state: 'on' | 'broken' | 'gone';
}

/** The trail of an attachment in the catalog. */
export interface Trail {
  readonly key: string;
  readonly definition: string;
  readonly cache: string;
  readonly tableSchema: string;
  readonly tableName: string;
  /** The table that has the triggers now; `null` when it is gone. */
  readonly oid: string | null;
  /** Triggers of ours on it that fire. */
  readonly firing: number;
}

// The functions of an attachment are found by their names, the table by the triggers that call them.
const TRAILS = `
  select a.key, a.definition, a.cache, a.table_schema as "tableSchema", a.table_name as "tableName", live.oid::text as oid, coalesce(live.firing, 0)::integer as firing,
         a.id_column as id, a.tags, a.attached_at as "attachedAt",
         coalesce(quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(a.table_schema) || '.' || quote_ident(a.table_name)) as table,
         exists (select from pg_attribute t where t.attrelid = live.oid and t.attname = a.id_column and not t.attisdropped) as "hasId"
    from forebay.attached a
    left join lateral (
      select own.tgrelid as oid,
             (select count(*) from pg_trigger t
               where t.tgrelid = own.tgrelid and t.tgname = any ($1) and t.tgenabled in ('O', 'A')
                 and t.tgfoid in (select oid from pg_proc where pronamespace = 'forebay'::regnamespace)) as firing
        from pg_trigger own
        join pg_proc p on p.oid = own.tgfoid
       where p.pronamespace = 'forebay'::regnamespace and p.proname in (a.key || '_changed', a.key || '_updated') and own.tgname = any ($1)
       limit 1) live on true
    left join pg_class c on c.oid = live.oid
    left join pg_namespace n on n.oid = c.relnamespace
   order by "table", a.key`;

type Row = Trail & Omit<AttachedTable, 'state'> & { readonly hasId: boolean };

/** Whether the migration of this table has been applied. */
export async function hasAttached(database: Queryable): Promise<boolean> {
  const [schema] = await database.query<{ there: boolean }>("select to_regclass('forebay.attached') is not null as there");
  return schema?.there === true;
}

async function readRows(database: Queryable): Promise<Row[]> {
  return (await hasAttached(database)) ? database.query<Row>(TRAILS, [TRIGGERS]) : [];
}

/** All attachments; none when Forebay's schema is not installed. */
export async function readTrails(database: Queryable): Promise<readonly Trail[]> {
  return readRows(database);
}

/** Whether all triggers of an attachment are there and fire. */
export const isWhole = (trail: Trail): boolean => trail.firing === TRIGGERS.length;

/** The tables that were attached, by name. @throws {ForebayError} `RIGHTS_MISSING`, `DATABASE_UNAVAILABLE` */
export async function listAttached(database: Queryable): Promise<readonly AttachedTable[]> {
  const rows = await orRefusal('listing the attached tables', () => readRows(database));
  return rows.map((row) => {
    const { table, id, cache, tags, attachedAt } = row;
    const state = row.oid === null ? 'gone' : isWhole(row) && row.hasId ? 'on' : 'broken';
    return Object.freeze({ table, id, cache, tags, attachedAt, state });
  });
}
