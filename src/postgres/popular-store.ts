import type { PopularArchive, PopularStore, RankedKey } from '../cache/popular-store.ts';
import type { Queryable } from './database.ts';

/** After how long a read counts half: as long as in the read rate that TTLs follow, so that both speak of the same popularity. The same for all instances: the heats of two half-lives cannot be compared. */
const HALF_LIFE_S = 6 * 3600;
/** Rows removed by one call, so that whoever counts meanwhile is not kept waiting. Finding them takes longest: 0.2 to 0.3 s among 110,000 rows, on a busy machine with two cores. */
const TRIM_PIECE = 2000;

const ADD = 'select forebay.add_popular($1, $2::text[], $3::int[], $4) as added';
const TOP = `
  select cache, id as key, heat from forebay.popular
   where cache = any($1::text[]) and ($3::float8 is null or heat < $3 or heat = $3 and (cache, id) > ($4, $5))
   order by heat desc, cache, id limit $2`;
/** Hotter than what this many reads at this very moment would be is nothing (binary logarithm): a heat of a clock that was wrong would stay at the top for years. */
const MOST_READS_LOG2 = 40;

const MERGE = `
  with merged as (
    insert into forebay.popular as p (cache, id, heat)
    select cache, id, least(heat, extract(epoch from statement_timestamp()) / $4 + $5)
      from unnest($1::text[], $2::text[], $3::float8[]) as g (cache, id, heat)
     order by cache, id
    on conflict (cache, id) do update set heat = excluded.heat where p.heat < excluded.heat
    returning xmax = 0 as is_new
  )
  select count(*)::integer as added from merged where is_new`;
const SIZE = 'select count(*)::integer as size from forebay.popular where cache = any($1::text[])';
const TRIM = 'select kept, removed from forebay.trim_popular($1, $2)';

/** The popular keys in a database that was migrated. */
export function createPopularStore(database: Queryable): PopularStore & PopularArchive {
  return {
    add: async (cache, keys, call) => {
      const rows = await database.query<{ added: number }>(
        ADD,
        [cache, keys.map(({ key }) => key), keys.map(({ reads }) => reads), HALF_LIFE_S],
        call,
      );
      return rows[0]?.added ?? 0;
    },
    top: (caches, most, after, call) =>
      database.query<RankedKey>(TOP, [caches, most, after?.heat ?? null, after?.cache ?? null, after?.key ?? null], call),
    merge: async (keys, call) => {
      const columns = [keys.map(({ cache }) => cache), keys.map(({ key }) => key), keys.map(({ heat }) => heat)];
      const [row] = await database.query<{ added: number }>(MERGE, [...columns, HALF_LIFE_S, MOST_READS_LOG2], call);
      return row?.added ?? 0;
    },
    size: async (caches, call) => {
      const [row] = await database.query<{ size: number }>(SIZE, [caches], call);
      return row?.size ?? 0;
    },
    trim: async (most, call) => {
      const [row] = await database.query<{ kept: number; removed: number }>(TRIM, [most, TRIM_PIECE], call);
      return row ?? { kept: 0, removed: 0 };
    },
  };
}
