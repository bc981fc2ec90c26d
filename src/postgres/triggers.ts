import { readMigrations } from './migrations.ts';
import type { Queryable } from './database.ts';

/** A trigger of the library's own tables, as migrations left it. */
export interface ExpectedTrigger {
  /** `forebay.file_info` */
  readonly table: string;
  readonly name: string;
  /** The statement that makes it. */
  readonly sql: string;
}

export interface TriggerState extends ExpectedTrigger {
  /** `off`: disabled, or for replication only. */
  readonly state: 'on' | 'off' | 'missing';
}

const STATEMENT = /^(create(?: or replace)?|drop) trigger (?:if exists )?(\w+)\b[^;]*?\bon (forebay\.\w+)[^;]*;/gm;

/** What the migrations make, by reading them: a trigger that is dropped and made anew is what was made last. */
export async function expectedTriggers(): Promise<readonly ExpectedTrigger[]> {
  const expected = new Map<string, ExpectedTrigger>();
  for (const { sql: text } of await readMigrations()) {
    for (const [sql, verb = '', name = '', table = ''] of text.matchAll(STATEMENT)) {
      if (verb === 'drop') expected.delete(`${table} ${name}`);
      else expected.set(`${table} ${name}`, { table, name, sql });
    }
  }
  return [...expected.values()];
}

const PRESENT = `
  select 'forebay.' || c.relname as table, t.tgname as name, t.tgenabled in ('O', 'A') as fires
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
   where n.nspname = 'forebay' and not t.tgisinternal`;

/** The triggers of the library's own tables, each with whether it fires. */
export async function readTriggers(database: Queryable, signal: AbortSignal): Promise<readonly TriggerState[]> {
  const present = await database.query<{ table: string; name: string; fires: boolean }>(PRESENT, [], { signal });
  return (await expectedTriggers()).map(({ table, name, sql }): TriggerState => {
    const found = present.find((one) => one.table === table && one.name === name);
    return { table, name, sql, state: found === undefined ? 'missing' : found.fires ? 'on' : 'off' };
  });
}
