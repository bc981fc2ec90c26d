import type { Queryable } from './database.ts';

/** A right that the user of the database lacks. */
export interface MissingRight {
  /** In the words of `grant`: `insert on forebay.outbox`. */
  readonly grant: string;
  /** Only a start needs it, which brings the schema up to date. */
  readonly forMigration: boolean;
}

/** What the library does with its tables. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  file_info: ['select', 'insert', 'update', 'delete'],
  file_meta: ['select', 'insert', 'update', 'delete'],
  outbox: ['select', 'insert', 'delete'],
  log: ['select', 'insert', 'delete'],
  sequencer: ['select', 'update'],
  attached: ['select'],
  popular: ['select', 'insert', 'update', 'delete'],
  migrations: ['select'],
};
const FUNCTIONS = ['advance', 'look', 'add_popular', 'trim_popular'];

// By the catalog: whoever lacks a right to the schema may not even name what is in it.
const TABLE_RIGHTS = `
  select c.relname as name, w.privilege, has_table_privilege(c.oid, w.privilege) as granted
    from json_to_recordset($1::json) as w(name text, privilege text)
    join pg_class c on c.relname = w.name and c.relkind in ('r', 'p') and c.relnamespace = (select oid from pg_namespace where nspname = 'forebay')`;
const OTHER_RIGHTS = `
  select n.oid is not null as installed,
         quote_ident(current_user) as "user", quote_ident(current_database()) as database,
         coalesce(has_schema_privilege(n.oid, 'usage'), false) as usage,
         coalesce(has_schema_privilege(n.oid, 'create'), false) as create,
         has_database_privilege(current_database(), 'create') as "createSchema",
         coalesce((select has_sequence_privilege(c.oid, 'usage') from pg_class c where c.relname = 'version' and c.relkind = 'S' and c.relnamespace = n.oid), true) as sequence,
         array(select p.oid::regprocedure::text from pg_proc p where p.pronamespace = n.oid and p.proname = any ($1) and not has_function_privilege(p.oid, 'execute')) as functions
    from (select 1) one left join pg_namespace n on n.nspname = 'forebay'`;

interface Others {
  readonly installed: boolean;
  readonly user: string;
  readonly database: string;
  readonly usage: boolean;
  readonly create: boolean;
  readonly createSchema: boolean;
  readonly sequence: boolean;
  readonly functions: readonly string[];
}

/** The rights that the connected user lacks, and the user's name as SQL needs it. */
export async function readMissingRights(
  database: Queryable,
  signal: AbortSignal,
): Promise<{ readonly user: string; readonly missing: readonly MissingRight[] }> {
  const wanted = Object.entries(TABLES).flatMap(([name, rights]) => rights.map((privilege) => ({ name, privilege })));
  const [others] = await database.query<Others>(OTHER_RIGHTS, [FUNCTIONS], { signal });
  if (others === undefined) throw new Error('the catalog of the database does not answer');
  const { installed, user, usage, create, createSchema, sequence, functions } = others;
  const missing: MissingRight[] = [];
  const need = (isGranted: boolean, grant: string, forMigration = false): void => {
    if (!isGranted) missing.push({ grant, forMigration });
  };
  need(createSchema, `create on database ${others.database}`, true);
  if (!installed) return { user, missing };
  need(usage, 'usage on schema forebay');
  need(create, 'create on schema forebay', true);
  const rights = await database.query<{ name: string; privilege: string; granted: boolean }>(TABLE_RIGHTS, [JSON.stringify(wanted)], {
    signal,
  });
  for (const [name, privileges] of Object.entries(TABLES)) {
    const lacking = privileges.filter((one) => rights.some((right) => right.name === name && right.privilege === one && !right.granted));
    need(lacking.length === 0, `${lacking.join(', ')} on forebay.${name}`);
  }
  need(sequence, 'usage on sequence forebay.version');
  for (const one of functions) need(false, `execute on function ${one}`);
  return { user, missing };
}
