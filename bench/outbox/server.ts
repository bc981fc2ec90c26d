import { readFileSync, readdirSync } from 'node:fs';
import { createChangeLog } from '../../src/postgres/change-log.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { TestPostgres } from '../../test/support/postgres.ts';
import { startPostgres } from '../../test/support/postgres.ts';

/** A server that keeps what it confirms. These come after the fast defaults of the tests, and the last of two settings counts. */
const DURABLE = [
  'fsync=on',
  'synchronous_commit=on',
  'full_page_writes=on',
  'autovacuum=on',
  'autovacuum_naptime=1s',
  'shared_buffers=256MB',
  // No checkpoint while it is measured: one in the middle of a slice would count against whichever variant it hits. It makes writes cheap, and so the share of the outbox large.
  'checkpoint_timeout=1h',
  'max_wal_size=4GB',
  'min_wal_size=4GB',
].flatMap((setting) => ['-c', setting]);

const WAL_MEGABYTES = 1_500;
const FILL = `
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id, version)
  select md5(n::text)::uuid, 'report-' || n || '.pdf', '/srv/files/' || n % 100 || '/report-' || n || '.pdf', n, 'application/pdf', 'owner-' || n % 1000, 0
    from generate_series(1, $1::int) n`;

export interface BenchServer extends AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly url: string;
  readonly database: Database;
}

/** A durable Postgres with the schema and `rows` files in it, as it would be after some time of use. Its ids are `md5(n)` for n from 1 to `rows`. */
export async function startServer(rows: number): Promise<BenchServer> {
  // An exit takes the server and the writers along; a signal alone would leave them behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const postgres = await startPostgres({ args: DURABLE });
  try {
    const url = await postgres.createDatabase('bench');
    const database = await openDatabase(url, { statementTimeoutMs: 300_000 });
    await migrate(database);
    await database.query(FILL, [rows]);
    await clearOutbox(database);
    // A server that has run for a while writes its log into files that it used before; into new ones, each flush of ours would also make the disk find room.
    await database.query(`select pg_logical_emit_message(false, 'fill', repeat('x', 1000000)) from generate_series(1, $1::int)`, [
      WAL_MEGABYTES,
    ]);
    await database.exec('checkpoint');
    // The first change of a page after a checkpoint puts all of it into the log: that is done here, for all pages.
    await database.query('update forebay.file_info set size = size % 1000000 + 1');
    await clearOutbox(database);
    for (const table of ['file_info', 'outbox', 'log', 'sequencer']) await database.exec(`vacuum analyze forebay.${table}`);
    const dispose = async (): Promise<void> => {
      await database.close();
      await postgres.stop();
    };
    return { postgres, url, database, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

export async function clearOutbox(database: Database): Promise<void> {
  const log = createChangeLog(database);
  while ((await log.advance()).more);
}

/** User and system time in ms that the server and all its processes used so far, those that ended too; NaN where there is no /proc. */
export function serverCpuMs(postmaster: number): number {
  try {
    const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    let ticks = 0;
    for (const pid of all) {
      const times = cpuOf(pid);
      if (times === undefined) continue;
      if (Number(pid) === postmaster) ticks += times.own + times.ended;
      else if (times.parent === postmaster) ticks += times.own;
    }
    return ticks * 10;
  } catch {
    return Number.NaN;
  }
}

/** In ticks, of which Linux gives programs 100 a second, whatever its own clock. */
function cpuOf(pid: string): { parent: number; own: number; ended: number } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It ended meanwhile.
  }
  // The name before it, in parentheses, may hold blanks.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const at = (index: number): number => fields[index] ?? 0;
  return { parent: at(1), own: at(11) + at(12), ended: at(13) + at(14) };
}
