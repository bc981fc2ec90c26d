import type { ChangeLog, LogEntry, LogLook, LogState } from '../cache/change-log.ts';
import { ForebayError } from '../core/errors.ts';
import { tagBuckets } from '../cache/tags.ts';
import type { Queryable } from './database.ts';
import { sqlState } from './refusals.ts';

export interface ChangeLogOptions {
  /** How long log entries are kept for those who lag behind, in ms; whoever lags further starts anew. @defaultValue 300,000 (5 min) */
  readonly retentionMs?: number;
  /** Told once that the schema is not one that this version can work with, as when a newer one has migrated the database. @defaultValue does nothing */
  readonly onIncompatible?: (error: ForebayError) => void;
}

/** Ids in one log entry, about: one script of Redis deletes them all, and 4,000 keys take it a millisecond or two. */
const IDS_PER_ENTRY = 1000;
const ENTRIES_PER_READ = 50;
const ENTRIES_PER_SWEEP = 2000;
const COUNT_LIMIT = 10_000;

const ADVANCE = 'select epoch, last, more, changes from forebay.advance($1)';
const LOOK = 'select epoch, last, more, moment::text, reached from forebay.look($1)';
const READ = 'select number, changes from forebay.log where number > $1 order by number limit $2';
const APPEND = `
  insert into forebay.outbox (caches, ids, tags, everything, purge)
  select array[cache], ids, '{}', false, $4::boolean from json_to_recordset($1::json) as given(cache text, ids text[])
  union all
  select '{}', '{}', $2::text[], $3::boolean, $4::boolean where cardinality($2::text[]) > 0 or $3::boolean`;
const RENEW = "update forebay.sequencer set epoch = left(replace(gen_random_uuid()::text, '-', ''), 16) where epoch = $1";
const SWEEP = `
  delete from forebay.log
   where number in (select number from forebay.log where at < now() - make_interval(secs => $1::float8 / 1000) order by number limit $2)
  returning number`;
const UNSEEN = { moment: '', reached: false };
const WAITING = 'select count(*) as count from (select from forebay.outbox limit $1) w';

/** One row of the outbox, as the log keeps it. */
interface Change {
  readonly caches: readonly string[];
  readonly ids: readonly string[];
  readonly tags: readonly string[];
  readonly everything: boolean;
  readonly purge: boolean;
}

/** All that a change may say. A field that is not among them may name records to be forgotten that this version cannot know of. */
const CHECKS: Readonly<Record<string, (value: unknown) => boolean>> = Object.freeze({
  caches: isTexts,
  ids: isTexts,
  tags: isTexts,
  everything: isFlag,
  purge: isFlag,
} satisfies Record<keyof Change, (value: unknown) => boolean>);
const FIELDS = Object.keys(CHECKS).length;

/** The log of changes in a database that was migrated. `given`: best a connection kept apart, so that the log is not read behind a queue of loads. */
export function createChangeLog(given: Queryable, { retentionMs = 300_000, onIncompatible = () => {} }: ChangeLogOptions = {}): ChangeLog {
  const database = refusing(given, onIncompatible);
  const state = async (rows: Promise<(LogState & { readonly changes?: unknown })[]>): Promise<LogState> => {
    const [row] = await rows;
    if (row === undefined) throw new Error('forebay.sequencer is empty: the migration 0002 was undone by hand; insert its one row again');
    const { epoch, last, more, changes = null } = row;
    return { epoch, last, more, entry: changes === null ? null : entryOf(last, changes) };
  };
  return {
    advance: (call) => state(database.query(ADVANCE, [IDS_PER_ENTRY], call)),
    look: async (since, call) => {
      const rows = database.query<LogLook>(LOOK, [since], call);
      const [{ moment, reached } = UNSEEN] = await rows;
      return { ...(await state(rows)), moment, reached };
    },
    read: async (after, call) => {
      const rows = await database.query<{ number: number; changes: unknown }>(READ, [after, ENTRIES_PER_READ], call);
      return rows.map(({ number, changes }) => entryOf(number, changes));
    },
    append: async ({ keys, tags, all, purge }, call) => {
      await database.query(APPEND, [JSON.stringify(byCache(keys)), tags, all, purge], call);
    },
    renew: async (epoch, call) => void (await database.query(RENEW, [epoch], call)),
    sweep: async (call) => (await database.query(SWEEP, [retentionMs, ENTRIES_PER_SWEEP], call)).length,
    waiting: async (call) => (await database.query<{ count: number }>(WAITING, [COUNT_LIMIT], call))[0]?.count ?? 0,
  };
}

/**
 * The rows of one log entry put together; a record that changed many times counts once. What this version cannot read, since a newer one has changed the schema, may concern any record: then everything is to be
 * forgotten. Passing over it would leave what it speaks of in every cache, and say that it is gone.
 */
export function entryOf(number: number, changes: unknown): LogEntry {
  if (!Array.isArray(changes) || !changes.every(isChange))
    return { number, keys: [], buckets: [], all: true, purge: true, unreadable: true };
  const keys = new Set<string>();
  const tags = new Set<string>();
  let all = false;
  let purge = false;
  for (const change of changes) {
    for (const cache of change.caches) for (const id of change.ids) keys.add(`${cache}:{${id}}`);
    for (const tag of change.tags) tags.add(tag);
    all ||= change.everything;
    purge ||= change.purge;
  }
  return { number, keys: [...keys], buckets: tagBuckets([...tags]), all, purge };
}

/** SQLSTATEs of a function, table, column or schema that is not there. A migration that older versions cannot work with takes the functions of the log away from them, so that they prove nothing from that moment on. */
const NOT_THERE: ReadonlySet<string> = new Set(['42883', '42P01', '42703', '3F000']);

/** The same, which says what it means that the schema is not the one that this version knows. */
function refusing(database: Queryable, onIncompatible: (error: ForebayError) => void): Pick<Queryable, 'query'> {
  let told = false;
  return {
    query: async <Row extends object>(...statement: Parameters<Queryable['query']>): Promise<Row[]> => {
      try {
        return await database.query<Row>(...statement);
      } catch (thrown) {
        if (!NOT_THERE.has(sqlState(thrown))) throw thrown;
        const error = new ForebayError(
          'SCHEMA_NEWER',
          `the log of changes is not as this version of Forebay knows it (${thrown instanceof Error ? thrown.message : ''}): a newer one has migrated the database in a way that this one cannot work with, or its schema was removed; run a version at least as new as the one that migrated it`,
          { cause: thrown },
        );
        if (!told) onIncompatible(error);
        told = true;
        throw error;
      }
    },
  };
}

function isChange(change: unknown): change is Change {
  if (typeof change !== 'object' || change === null) return false;
  const fields = Object.entries(change);
  return fields.length === FIELDS && fields.every(([name, value]) => Object.hasOwn(CHECKS, name) && CHECKS[name]?.(value) === true);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean';
}

/** Full names of keys taken apart: `file:info:{id}` has the cache `file:info`, whose name has no brace in it. */
function byCache(keys: readonly string[]): { cache: string; ids: string[] }[] {
  const caches = new Map<string, string[]>();
  for (const key of keys) {
    const brace = key.indexOf(':{');
    const cache = key.slice(0, brace);
    const ids = caches.get(cache) ?? [];
    ids.push(key.slice(brace + 2, -1));
    caches.set(cache, ids);
  }
  return [...caches].map(([cache, ids]) => ({ cache, ids }));
}
