import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Edit } from './mutations.ts';
import { applyEdits } from './mutations.ts';
import type { SourceCopy } from './source-copy.ts';
import { copySource } from './source-copy.ts';

/**
 * A version of Forebay that does not exist yet, made from the source of today: each format that instances share has changed in the way that docs/upgrades.md asks for, and in a manner that would be taken for something
 * else by whoever read it as today's. One update of eight is told by a field of the outbox that today's schema does not have. `readsToday`: it still understands entries of today; else it does not, and numbers tags in
 * another way besides.
 */
export function makeNewerVersion(source: string, { readsToday }: { readonly readsToday: boolean }): SourceCopy {
  const copy = copySource(source);
  applyEdits('the newer version', [...FORMATS, ...(readsToday ? READS_TODAY : READS_NEWER_ONLY)], copy.source);
  const sql = path.join(copy.source, 'postgres/sql');
  const last = readdirSync(sql).filter((name) => /^\d{4}-/.test(name)).length;
  const text = migration(readFileSync(path.join(sql, '0002-change-log.sql'), 'utf8'), last);
  writeFileSync(path.join(sql, `${String(last + 1).padStart(4, '0')}-moved.sql`), text);
  return copy;
}

const FORMATS: readonly Edit[] = [
  // Entries.
  { file: 'cache/entry.ts', find: "const FORMAT = 'forebay1'", put: "const FORMAT = 'forebay2'" },
  // Messages.
  { file: 'redis/log-message.ts', find: 'const VERSION = 2;', put: 'const VERSION = 3;' },
  // Tables of the log, one beside the other.
  { file: 'redis/log-store.ts', find: 'const table = `${prefix}forebay:log`;', put: 'const table = `${prefix}forebay:log2`;' },
  { file: 'redis/log-store.ts', find: 'const head = `${prefix}forebay:log:at`;', put: 'const head = `${prefix}forebay:log2:at`;' },
  { file: 'redis/cluster/layout.ts', find: '}forebay:log:{', put: '}forebay:log2:{' },
  // Entries of the log in the database.
  {
    file: 'postgres/change-log.ts',
    find: 'export function entryOf(number: number, changes: unknown): LogEntry {',
    put: 'export function entryOf(number: number, given: any): LogEntry {\n  const changes = given.map(({ moved = [], ids, ...rest }: any) => ({ ...rest, ids: [...ids, ...moved] }));',
  },
];

const READS_TODAY: readonly Edit[] = [{ file: 'cache/entry.ts', find: 'const HEADER = /^forebay1 ', put: 'const HEADER = /^forebay[12] ' }];

/** Tags have other buckets, which are in entries, messages and tables: what is of today says nothing. */
const READS_NEWER_ONLY: readonly Edit[] = [
  { file: 'cache/entry.ts', find: 'const HEADER = /^forebay1 ', put: 'const HEADER = /^forebay2 ' },
  { file: 'cache/tags.ts', find: 'hashKey(tag) & (TAG_BUCKETS - 1)', put: '(hashKey(tag) >>> 9) & (TAG_BUCKETS - 1)' },
];

/** The functions of today with a field more, which is written only where there is something in it. */
function migration(changeLog: string, compatibleFrom: number): string {
  const advance = between(changeLog, 'create function forebay.advance', '\n$$;')
    .replace('create function', 'create or replace function')
    .replace('returning caches, ids, tags, everything, purge', 'returning caches, ids, moved, tags, everything, purge')
    .replace(
      "'everything', everything, 'purge', purge))::jsonb",
      "'everything', everything, 'purge', purge)::jsonb || case cardinality(moved) when 0 then '{}' else jsonb_build_object('moved', moved) end)::jsonb",
    )
    .replace('from (select caches, tags, everything, purge, coalesce', 'from (select caches, moved, tags, everything, purge, coalesce')
    .replace('group by caches, tags, everything, purge', 'group by caches, moved, tags, everything, purge');
  const updated = between(changeLog, 'create function forebay.note_updated', '\n$$;')
    .replace('create function', 'create or replace function')
    .replace(
      'insert into forebay.outbox (caches, ids) values (array[tg_argv[0]], array[new.id::pg_catalog.text]);',
      `if pg_catalog.right(new.id::pg_catalog.text, 1) operator(pg_catalog.=) any ('{3,b}'::pg_catalog.text[]) then
    insert into forebay.outbox (caches, moved) values (array[tg_argv[0]], array[new.id::pg_catalog.text]);
  else
    insert into forebay.outbox (caches, ids) values (array[tg_argv[0]], array[new.id::pg_catalog.text]);
  end if;`,
    );
  for (const [name, text] of Object.entries({ advance, updated }))
    if (!text.includes('moved')) throw new Error(`the function ${name} is not what it was; see newer-version.ts`);
  return `-- compatible from: ${compatibleFrom}
alter table forebay.outbox add column moved text[] not null default '{}';
${advance}
${updated}
revoke all on function forebay.note_updated() from public;
`;
}

function between(text: string, first: string, last: string): string {
  const from = text.indexOf(first);
  const to = text.indexOf(last, from);
  if (from < 0 || to < 0) throw new Error(`0002-change-log.sql has no ${first} any more; see newer-version.ts`);
  return text.slice(from, to + last.length);
}
