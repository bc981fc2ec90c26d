/** What migrations, attaching and detaching do to those who read and write a large table meanwhile: see docs/upgrades.md. */
import { parseArgs } from 'node:util';
import { attachTable, detachTable, migrate, openDatabase } from '../../src/postgres/index.ts';
import type { Database } from '../../src/postgres/index.ts';
import { noteApplied, readMigrations } from '../../src/postgres/migrations.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { quantile, table } from '../outbox/numbers.ts';
import type { LoadOptions } from './load.ts';
import { Load, withOpenTransactions } from './load.ts';

const OPTIONS = {
  rows: { type: 'string', default: '1000000' },
  seconds: { type: 'string', default: '10' },
  'open-ms': { type: 'string', default: '3000' },
  help: { type: 'boolean', default: false },
} as const;

const HELP = `node bench/migrations/main.ts [options]

Migrates a Postgres of its own (fsync=on, autovacuum) from the oldest schema to the newest, and attaches and detaches a table, with four readers and four writers at work on it; once with nobody else there, once with
transactions that stay open on it, and once more in the plain way: with a lock that is waited for as long as it takes.

  --rows 1000000
  --seconds 10      of load before, to compare with
  --open-ms 3000    how long the open transactions stay open
`;

const DURABLE = [
  'fsync=on',
  'synchronous_commit=on',
  'autovacuum=on',
  'autovacuum_naptime=1s',
  'shared_buffers=256MB',
  'max_wal_size=4GB',
  'checkpoint_timeout=1h',
];
const OLDEST = 1;

const FILL_FILES = `
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id, version)
  select md5(n::text)::uuid, 'report-' || n || '.pdf', '/srv/files/' || n % 100 || '/report-' || n || '.pdf', n, 'application/pdf', 'owner-' || n % 1000, 0
    from generate_series(0, $1::int) n`;
const FILL_DOCUMENTS = `
  insert into public.documents (id, owner, folder, size) select md5(n::text)::uuid, 'owner-' || n % 1000, 'folder-' || n % 100, n from generate_series(0, $1::int) n`;

interface Step {
  readonly name: string;
  readonly table: string;
  readonly run: (database: Database) => Promise<unknown>;
}

const ATTACH = { table: 'public.documents', id: 'id', tags: "array['owner:' || owner, 'folder:' || folder]", lockTimeoutMs: 60_000 };
const STEPS: readonly Step[] = [
  { name: 'migrate', table: 'forebay.file_info', run: (database) => migrate(database) },
  { name: 'attach', table: 'public.documents', run: (database) => attachTable(database, ATTACH) },
  { name: 'detach', table: 'public.documents', run: (database) => detachTable(database, ATTACH) },
];
/** The statement of each step that takes the strongest lock, by itself and waiting: what is commonly done. */
const PLAIN: Readonly<Record<string, string>> = {
  migrate: 'drop trigger file_info_version on forebay.file_info',
  attach: 'create trigger plain after insert on public.documents for each statement execute function forebay.note_everything()',
  detach: 'drop trigger plain on public.documents',
};

async function toOldest(database: Database): Promise<void> {
  await database.exec('drop schema if exists forebay cascade; create schema forebay');
  await database.exec(
    'create table forebay.migrations (number integer primary key, name text not null, applied_at timestamptz not null default now())',
  );
  for (const migration of (await readMigrations()).slice(0, OLDEST)) {
    await database.exec(migration.sql);
    await noteApplied(database, migration);
  }
}

const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);

async function measured(name: string, load: Load, run: () => Promise<unknown>): Promise<string[]> {
  load.take();
  const from = performance.now();
  await run();
  const tookMs = performance.now() - from;
  // Whoever still waits is in the next figures otherwise.
  await new Promise((resolve) => void setTimeout(resolve, 300));
  const { reads, writes, longestWaitMs } = load.take();
  return [
    name,
    ms(tookMs),
    ms(longestWaitMs),
    ...[reads, writes].flatMap((list) => [String(list.length), ms(quantile(list, 0.99)), ms(quantile(list, 1))]),
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const rows = Number(values.rows);
  const openMs = Number(values['open-ms']);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  await using postgres = await startPostgres({ args: DURABLE.flatMap((setting) => ['-c', setting]) });
  const url = await postgres.createDatabase('bench');
  await using database = await openDatabase(url, { statementTimeoutMs: 600_000 });
  const lines: string[][] = [];
  await database.exec('create table public.documents (id uuid primary key, owner text, folder text, size bigint)');
  await database.query(FILL_DOCUMENTS, [rows]);
  for (const kind of ['alone', 'beside open transactions', 'plain, beside open transactions'] as const) {
    console.error(`${kind}: filling ${rows} rows`);
    await toOldest(database);
    await database.query(FILL_FILES, [rows]);
    await database.exec('vacuum analyze forebay.file_info');
    await database.exec('vacuum analyze public.documents');
    for (const { name, table: of, run } of STEPS) {
      const options: LoadOptions = { url, table: of, rows, readers: 4, writers: 4 };
      await using load = new Load(options);
      await load.start();
      if (kind === 'alone' && name !== 'detach') {
        lines.push(
          await measured(`(load on ${of})`, load, () => new Promise((resolve) => void setTimeout(resolve, Number(values.seconds) * 1000))),
        );
      }
      const work = kind.startsWith('plain') ? () => database.exec(PLAIN[name] ?? '') : () => run(database);
      const line = measured(`${name}, ${kind}`, load, kind === 'alone' ? work : () => withOpenTransactions(url, of, openMs, work));
      lines.push(await line);
      if (kind.startsWith('plain') && name === 'migrate') {
        await database.exec(
          'create trigger file_info_version before insert or update on forebay.file_info for each row execute function forebay.draw_version()',
        );
        await migrate(database);
      }
    }
  }
  console.log(
    table([['step', 'took ms', 'longest wait for a lock, ms', 'reads', 'p99 ms', 'max ms', 'writes', 'p99 ms', 'max ms'], ...lines]),
  );
}

await main();
