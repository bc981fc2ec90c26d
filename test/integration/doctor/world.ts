import { Client } from 'pg';
import type { Clock } from '../../../src/core/clock.ts';
import type { DoctoredSettings } from '../../../src/doctor.ts';
import { doctorSettings, instanceOpener } from '../../../src/doctor.ts';
import type { DoctorLimits } from '../../../src/doctor/check.ts';
import type { DoctorReport } from '../../../src/doctor/report.ts';
import type { DoctorOptions } from '../../../src/doctor/run.ts';
import { runChecks } from '../../../src/doctor/run.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import type { RedisServer } from '../../../src/redis/server-address.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';

/** What a server that is fit for Forebay has, and test servers have not for the sake of time. */
const SOUND = ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on', 'autovacuum=on'].flatMap((setting) => ['-c', setting]);

export interface Databases extends AsyncDisposable {
  readonly server: TestPostgres;
  /** A database of its own, at the newest migration. */
  fresh(name: string): Promise<string>;
}

/** `sound`: with the settings that a server should have, which make each database take half a second more. */
export async function startDatabases({ sound = false } = {}): Promise<Databases> {
  const server = await startPostgres({ args: sound ? SOUND : [] });
  const template = await server.createDatabase('template');
  await using database = await openDatabase(template);
  await migrate(database);
  return {
    server,
    fresh: (name) => server.createDatabase(name, 'template'),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

export interface Examined extends Omit<DoctoredSettings, 'database'>, Omit<DoctorOptions, 'limits'> {
  readonly database: string | Database;
  readonly redis?: string | RedisServer | null;
  readonly limits?: Partial<DoctorLimits>;
  readonly clock?: Clock;
  readonly env?: Record<string, string>;
}

/** Enough to find what is found at all; to compare clocks takes half a second. */
const QUICK: Partial<DoctorLimits> = { rounds: 2, clockMs: 0 };

/** What a doctor says of this, connecting by itself. */
export async function examine({ database, redis = null, limits, env = {}, ...options }: Examined): Promise<DoctorReport> {
  // CI machines stand still for longer than a second now and then; a bound of five, and a wide budget, make that no finding.
  const settings = doctorSettings({ maxStalenessMs: 5000, redisBudgetMs: 500, ...options, database }, env);
  let opened: Database | null = null;
  const open = async (): Promise<Database> => {
    if (typeof database !== 'string') return database;
    opened = await openDatabase(database, { maxConnections: 4, connectTimeoutMs: 2000 });
    return opened;
  };
  const targets = {
    settings,
    running: null,
    openDatabase: open,
    findRedis: () => Promise.resolve(redis),
    openInstance: instanceOpener(settings),
  };
  try {
    return await runChecks(targets, { ...options, limits: { ...QUICK, ...limits } });
  } finally {
    await (opened as Database | null)?.close();
  }
}

/** Every finding as `check severity: what`, but for those that are true of every quick test server. */
export const foundIn = (report: DoctorReport): string[] =>
  allFoundIn(report).filter((text) => !/^database\.(durability|vacuum) /.test(text));

/** Every finding as `check severity: what`. */
export const allFoundIn = ({ checks }: DoctorReport): string[] =>
  checks.flatMap(({ check, findings }) => findings.map(({ severity, what }) => `${check} ${severity}: ${what}`));

/** The checks that were skipped, each with the reason. */
export const skippedIn = ({ checks }: DoctorReport): Record<string, string> =>
  Object.fromEntries(checks.filter(({ status }) => status === 'skipped').map(({ check, said }) => [check, said]));

/** Runs SQL by a connection of its own, as an operator would. */
export async function sql(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The rows of doctors that are in the database. */
export async function probeRows(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from forebay.file_info where owner_id = 'forebay-doctor'");
    return rowCount ?? 0;
  } finally {
    await client.end();
  }
}
