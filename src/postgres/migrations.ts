import { readFile, readdir } from 'node:fs/promises';
import { ForebayError } from '../core/errors.ts';
import type { Queryable } from './database.ts';

/** One step of the schema. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** Versions of Forebay that know at least the migration of this number can work with the schema that this one leaves. */
  readonly compatibleFrom: number;
}

const FOLDER = new URL('./sql/', import.meta.url);
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;
const COMPATIBLE = /^-- compatible from: (\d{1,4})\n/;

/** The first migration that finds the column `compatible_from`. */
const FIRST_WITH_COMPATIBILITY = 5;

/** The migrations of this version of Forebay, in order, numbered from 1 without gaps. */
export async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => FILE_NAME.test(name)).toSorted();
  return Promise.all(
    names.map(async (name, index) => {
      const number = index + 1;
      if (Number(name.slice(0, 4)) !== number) throw new Error(`migration ${name} should have the number ${number}`);
      const sql = await readFile(new URL(name, FOLDER), 'utf8');
      const compatibleFrom = Number(COMPATIBLE.exec(sql)?.[1] ?? Number.NaN);
      if (!(compatibleFrom >= 1 && compatibleFrom <= number))
        throw new Error(`migration ${name} has to begin with "-- compatible from: N", N from 1 to ${number}: see docs/upgrades.md`);
      return { number, name, sql, compatibleFrom };
    }),
  );
}

// `compatible_from` is read through json: there is no such column before migration 5.
const APPLIED = `
  select coalesce(max(number), 0) as last,
         coalesce(max(coalesce((to_jsonb(m) ->> 'compatible_from')::integer, number)) filter (where number > $1), 0) as needs
    from forebay.migrations m`;

/**
 * The number of the last migration of this database; 0 when there is none.
 * @throws {ForebayError} `SCHEMA_NEWER` when there are migrations that this version does not know and that it cannot work with.
 */
export async function schemaLevel(database: Queryable, known: number): Promise<number> {
  const [there] = await database.query<{ there: boolean }>("select to_regclass('forebay.migrations') is not null as there");
  if (there?.there !== true) return 0;
  const [{ last, needs } = { last: 0, needs: 0 }] = await database.query<{ last: number; needs: number }>(APPLIED, [known]);
  if (needs <= known) return last;
  throw new ForebayError(
    'SCHEMA_NEWER',
    `the database is at migration ${last}, which takes a version of Forebay that knows migration ${needs}; this one knows ${known}: run a version at least as new as the one that migrated it`,
  );
}

/** Notes that a migration was applied, in its transaction. */
export async function noteApplied(tx: Queryable, { number, name, compatibleFrom }: Migration): Promise<void> {
  await tx.query('insert into forebay.migrations (number, name) values ($1, $2)', [number, name]);
  if (number < FIRST_WITH_COMPATIBILITY) return;
  await tx.query('update forebay.migrations set compatible_from = $2 where number = $1', [number, compatibleFrom]);
}
