import { createChangeLog } from '../../src/postgres/change-log.ts';
import type { Database } from '../../src/postgres/index.ts';
import { tagBuckets } from '../../src/cache/tags.ts';

/** What the log tells of some work, its numbers put together. */
export interface Told {
  readonly keys: readonly string[];
  readonly buckets: readonly number[];
  readonly all: boolean;
}

const ascending = (numbers: readonly number[]): readonly number[] => [...new Set(numbers)].toSorted((a, b) => a - b);

/** What the log tells that nothing else has numbered yet. */
export async function drain(database: Database): Promise<Told> {
  const log = createChangeLog(database);
  const keys: string[] = [];
  const buckets: number[] = [];
  let all = false;
  for (;;) {
    const { more, entry } = await log.advance();
    keys.push(...(entry?.keys ?? []));
    buckets.push(...(entry?.buckets ?? []));
    all ||= entry?.all ?? false;
    if (!more) return { keys: [...new Set(keys)].toSorted(), buckets: ascending(buckets), all };
  }
}

/** What the log tells of this SQL alone. */
export async function toldOf(database: Database, sql: string): Promise<Told> {
  await drain(database);
  await database.exec(sql);
  return drain(database);
}

export const NOTHING: Told = { keys: [], buckets: [], all: false };

/** As the log tells it: keys and tags, in any order. */
export const told = (keys: readonly string[], tags: readonly string[] = []): Told => ({
  keys: keys.toSorted(),
  buckets: ascending(tagBuckets(tags)),
  all: false,
});

/** Everything that attaching may leave in the database, as text; not the log itself. */
export async function objects(database: Database): Promise<readonly string[]> {
  const rows = await database.query<{ text: string }>(`
    select pg_get_functiondef(p.oid) as text from pg_proc p where p.pronamespace = 'forebay'::regnamespace
    union all
    select pg_get_triggerdef(t.oid) || t.tgenabled::text from pg_trigger t where not t.tgisinternal
    union all
    select (to_jsonb(a) - 'attached_at')::text from forebay.attached a
    union all
    select c.relname from pg_class c where c.relnamespace = 'forebay'::regnamespace
    order by 1`);
  return rows.map(({ text }) => text);
}
