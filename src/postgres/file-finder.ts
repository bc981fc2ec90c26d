import { ForebayError } from '../core/errors.ts';
import type { FileFinder } from '../files/finder.ts';
import type { FileId } from '../files/records.ts';
import type { StoreCall } from '../files/store.ts';
import { conditionSql } from './condition-sql.ts';
import type { Database } from './database.ts';
import { sqlState } from './refusals.ts';

/** Rows are walked by key and bounded before the condition is looked at: however few match, no statement looks at more of them. `$1`: the last key before, `null` at the beginning; `$2`: rows. */
const page = (condition: string): string => `
  with page as materialized (
    select id, name, path, size, mime_type, owner_id, sha256, tags, created_at, updated_at, version
      from forebay.file_info
     where $1::uuid is null or id > $1::uuid
     order by id
     limit $2
  )
  select count(*)::integer as seen,
         (select id::text from page order by id desc limit 1) as last,
         coalesce(array_agg(id::text order by id) filter (where ${condition}), '{}') as ids
    from page`;

/** What the statistics say, which are none on a young table; then nobody knows. */
const ABOUT = `select reltuples::float8 as rows from pg_class where oid = 'forebay.file_info'::regclass`;

/** Finds files by condition in a database that was migrated. */
export function createFileFinder(database: Pick<Database, 'query'>): FileFinder {
  return {
    find: async (condition, { after, rows, signal }) => {
      const params: unknown[] = [after ?? null, rows];
      const sql = page(conditionSql(condition, params));
      const [row] = await orInputError(() =>
        database.query<{ seen: number; last: string | null; ids: FileId[] }>(sql, params, callOf(signal)),
      );
      if (row === undefined || row.last === null) return { ids: [], seen: 0, last: null };
      // A page that is not full was the last one.
      return { ids: row.ids, seen: row.seen, last: row.seen < rows ? null : (row.last as FileId) };
    },
    about: async (call = {}) => {
      const [row] = await database.query<{ rows: number }>(ABOUT, [], call);
      return row === undefined || row.rows < 1 ? null : Math.round(row.rows);
    },
  };
}

const callOf = (signal: AbortSignal | undefined): StoreCall => (signal === undefined ? {} : { signal });

/** Values that only the database knows to be none, such as a time zone of 30 hours. */
async function orInputError(ask: () => Promise<{ seen: number; last: string | null; ids: FileId[] }[]>): Promise<FoundRows> {
  try {
    return await ask();
  } catch (thrown) {
    if (!sqlState(thrown).startsWith('22')) throw thrown;
    throw new ForebayError('INPUT_INVALID', `the condition: the database does not take a value of it (${(thrown as Error).message})`, {
      field: 'where',
      cause: thrown,
    });
  }
}

type FoundRows = readonly { readonly seen: number; readonly last: string | null; readonly ids: FileId[] }[];
