import type { Queryable, QueryCall } from './database.ts';

/** The first eight digits of a log file's name. */
const TIMELINE = 'select left(pg_walfile_name(pg_current_wal_lsn()), 8) as timeline';

/** The history of this server: Postgres begins another one whenever it is restored to a point in time, or a replica takes over. `null` where it does not tell. */
export async function readTimeline(database: Queryable, call?: QueryCall): Promise<string | null> {
  try {
    const [row] = await database.query<{ timeline: string }>(TIMELINE, [], call);
    return row?.timeline ?? null;
  } catch {
    // Some services that offer Postgres have no such log. Numbers and epoch of the log of changes are then all that is known.
    return null;
  }
}
