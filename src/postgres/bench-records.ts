import { randomUUID } from 'node:crypto';
import { ForebayError } from '../core/errors.ts';
import type { BenchRecords, BenchRun } from '../files/bench-records.ts';
import { BENCH } from '../files/bench-records.ts';
import type { Files } from '../files/files.ts';
import type { FileTransaction } from '../files/transactions.ts';

const BEGIN = `
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
  values ($1, 'running', $2, 0, 'application/octet-stream', $3)`;

/** The lock keeps a run that is taken for dead from being removed while it makes records, which would then be nobody's. */
const MARKER = 'select id from forebay.file_info where id = $1 and owner_id = $2 for key share';

const MAKE = `
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id, tags)
  select gen_random_uuid(), n::text, $1::text || n::text, n, 'application/octet-stream', $2, '{}'
    from generate_series($3::bigint, $4::bigint) n
  returning id`;

const BEAT = `
  update forebay.file_info set updated_at = clock_timestamp(), name = coalesce($4, name)
   where id = $1 and owner_id = $2 and path = $3
  returning id`;

/** The ranges are of the index on the first 512 characters of paths. */
const RUNS = `
  select id, name, extract(epoch from clock_timestamp() - updated_at)::float8 * 1000 as age
    from forebay.file_info
   where left(path, 512) collate "C" >= $1 and left(path, 512) collate "C" < $2 and owner_id = $3
   order by left(path, 512) collate "C", id
   limit 1000`;

const REMOVE = `
  delete from forebay.file_info
   where id = any (array (
     select id from forebay.file_info
      where left(path, 512) collate "C" >= $1 and left(path, 512) collate "C" < $2 and owner_id = $3
      order by left(path, 512) collate "C", id
      limit $4))
  returning id`;

const REMOVE_MARKER = 'delete from forebay.file_info where id = $1 and owner_id = $2 and path = $3';

const EXISTING = 'select id from forebay.file_info where id > $1 and owner_id <> $2 order by id limit $3';

/** Without statistics, as after many inserts, the planner would sort or walk over all records for each batch. */
const IN_INDEX_ORDER = `
  select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`;

type Query = FileTransaction['query'];

const markerPath = (run: string): string => `${BENCH.runsBelow}${run}`;
/** From the first path below a folder to the first one after it: `0` follows `/`. */
const below = (folder: string): [from: string, before: string] => [folder, `${folder.slice(0, -1)}0`];
const recordsOf = (run: string): string => `${BENCH.recordsBelow}${run}/`;

/** Records of `forebay bench` in the database of these files. Caches hear of them as of all others. */
export function createBenchRecords(files: Pick<Files, 'transaction'>): BenchRecords {
  const run = async <T>(work: (query: Query) => Promise<T>): Promise<T> =>
    (await files.transaction((tx) => work((sql, params) => tx.query(sql, params)))).value;
  return {
    begin: () =>
      run(async (query) => {
        const id = randomUUID();
        await query(BEGIN, [id, markerPath(id), BENCH.owner]);
        return { run: id };
      }),
    make: (id, from, count) => run((query) => make(query, id, from, count)),
    beat: (id, keep = false) =>
      run(async (query) => ({ alive: (await query(BEAT, [id, BENCH.owner, markerPath(id), keep ? 'kept' : null])).length > 0 })),
    runs: () => run(async (query) => ({ runs: await listRuns(query) })),
    remove: (id) => run((query) => remove(query, id)),
    existing: (after, most) =>
      run(async (query) => ({ ids: (await query<{ id: string }>(EXISTING, [after, BENCH.owner, most])).map(({ id }) => id) })),
  };
}

async function make(query: Query, run: string, from: number, count: number): Promise<{ ids: string[] }> {
  if ((await query(MARKER, [run, BENCH.owner])).length === 0)
    throw new ForebayError('NOT_FOUND', `there is no run ${run} of forebay bench: it was silent for so long that another one removed it`, {
      field: 'run',
    });
  const rows = await query<{ id: string }>(MAKE, [recordsOf(run), BENCH.owner, from, from + count - 1]);
  return { ids: rows.map(({ id }) => id) };
}

async function listRuns(query: Query): Promise<BenchRun[]> {
  await query(IN_INDEX_ORDER);
  const rows = await query<{ id: string; name: string; age: number }>(RUNS, [...below(BENCH.runsBelow), BENCH.owner]);
  return rows.map(({ id, name, age }) => ({ run: id, ageMs: Math.round(age), kept: name === 'kept' }));
}

async function remove(query: Query, run: string): Promise<{ removed: number; more: boolean }> {
  await query(IN_INDEX_ORDER);
  const range = below(recordsOf(run));
  const { length: removed } = await query(REMOVE, [...range, BENCH.owner, BENCH.maxBatch]);
  if (removed === BENCH.maxBatch) return { removed, more: true };
  await query(REMOVE_MARKER, [run, BENCH.owner, markerPath(run)]);
  // What a run made that was not dead after all, before it had to wait for the lock of its marker; from now on it can make none.
  const { length: late } = await query(REMOVE, [...range, BENCH.owner, BENCH.maxRecords]);
  return { removed: removed + late, more: false };
}
