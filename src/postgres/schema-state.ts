import type { Queryable } from './database.ts';
import { readMigrations, schemaLevel } from './migrations.ts';
import { ForebayError } from '../core/errors.ts';

/** How the schema in a database stands to that of this program. */
export type SchemaState =
  /** `number`: of the last migration, the same here and there. */
  | { readonly state: 'current'; readonly number: number }
  | { readonly state: 'none' }
  | { readonly state: 'older'; readonly number: number; readonly ours: number }
  /** `message`: why this program does not start on it; `null`: it says that this one can work with it. */
  | { readonly state: 'newer'; readonly number: number; readonly ours: number; readonly message: string | null }
  /** A migration has another name than here: another program, or a branch of this one, made the schema. */
  | { readonly state: 'other'; readonly number: number; readonly theirs: string; readonly ours: string };

/** Reads which migrations were applied; changes nothing. */
export async function readSchemaState(database: Queryable, signal: AbortSignal): Promise<SchemaState> {
  const [found] = await database.query<{ there: boolean }>(
    "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'forebay' and c.relname = 'migrations') as there",
    [],
    { signal },
  );
  if (found?.there !== true) return { state: 'none' };
  const applied = await database.query<{ number: number; name: string }>(
    'select number, name from forebay.migrations order by number',
    [],
    { signal },
  );
  const ours = await readMigrations();
  const last = applied.at(-1)?.number ?? 0;
  for (const { number, name } of ours) {
    const theirs = applied.find((one) => one.number === number)?.name ?? null;
    if (theirs !== null && theirs !== name) return { state: 'other', number, theirs, ours: name };
    if (theirs === null && number < last) return { state: 'other', number, theirs: 'missing', ours: name };
  }
  if (last === ours.length) return { state: 'current', number: last };
  if (last < ours.length) return { state: 'older', number: last, ours: ours.length };
  return { state: 'newer', number: last, ours: ours.length, message: await whyNot(database, ours.length) };
}

async function whyNot(database: Queryable, known: number): Promise<string | null> {
  try {
    await schemaLevel(database, known);
    return null;
  } catch (error) {
    if (error instanceof ForebayError && error.code === 'SCHEMA_NEWER') return error.message;
    throw error;
  }
}
