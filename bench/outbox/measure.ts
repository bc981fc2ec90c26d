import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { createChangeLog } from '../../src/postgres/change-log.ts';
import { startRelay } from './relay.ts';
import type { BenchServer } from './server.ts';
import { clearOutbox, serverCpuMs } from './server.ts';
import type { Variant } from './variants.ts';
import { switchTo } from './variants.ts';

/** One variant under load for some seconds. */
export interface Slice {
  readonly variant: Variant;
  readonly clients: number;
  readonly perSecond: number;
  /** Of the server, for each update: what the relay and vacuum take from it is in it. */
  readonly cpuUs: number;
  readonly walBytes: number;
}

/** All rows updated in one statement. */
export interface BigUpdate {
  readonly variant: Variant;
  readonly ms: number;
  readonly outboxRows: number;
  /** Of the table with its index and TOAST, which was empty before. */
  readonly outboxBytes: number;
  /** How long one relay takes to number all of it. */
  readonly drainMs: number;
}

/** What a change of the triggers costs the writers once (each plans its statement anew) is over by then. */
const SETTLE_MS = 300;

/** While writers of the given number are at work. */
export async function measureSlice(
  { database, postgres, url }: BenchServer,
  { variant, clients, seconds }: { readonly variant: Variant; readonly clients: number; readonly seconds: number },
): Promise<Slice> {
  await switchTo(database, variant);
  await using listener = await listen(url, variant === 'notify');
  void listener;
  const relay = variant === 'none' ? undefined : await startRelay(url);
  await sleep(SETTLE_MS);
  const before = await reading(database, postgres.pid);
  await sleep(seconds * 1_000);
  const after = await reading(database, postgres.pid);
  await relay?.[Symbol.asyncDispose]();
  const writes = after.writes - before.writes;
  if (relay?.numbered === 0 && writes > 0) throw new Error(`the variant "${variant}" told of no change`);
  return {
    variant,
    clients,
    perSecond: (writes / (after.at - before.at)) * 1_000,
    cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / writes,
    walBytes: (after.wal - before.wal) / writes,
  };
}

async function reading(
  database: BenchServer['database'],
  pid: number,
): Promise<{ at: number; writes: number; wal: number; cpuMs: number }> {
  // Each update draws one version.
  const [row] = await database.query<{ writes: number; wal: number }>(
    `select last_value as writes, (pg_current_wal_insert_lsn() - '0/0')::bigint as wal from forebay.version`,
  );
  const at = performance.now();
  return { at, writes: row?.writes ?? Number.NaN, wal: row?.wal ?? Number.NaN, cpuMs: serverCpuMs(pid) };
}

export async function measureBigUpdate({ database }: BenchServer, variant: Variant): Promise<BigUpdate> {
  await switchTo(database, variant);
  await clearOutbox(database);
  await database.exec('truncate forebay.outbox');
  const startedAt = performance.now();
  await database.query('update forebay.file_info set size = size % 1000000 + 1');
  const ms = performance.now() - startedAt;
  const [outbox] = await database.query<{ rows: number; bytes: number }>(
    `select count(*) as rows, pg_total_relation_size('forebay.outbox') as bytes from forebay.outbox`,
  );
  const drainAt = performance.now();
  const log = createChangeLog(database);
  while ((await log.advance()).more);
  const drainMs = performance.now() - drainAt;
  // The next one is not to walk over what this one left.
  await database.exec('vacuum forebay.file_info');
  await database.exec('vacuum forebay.outbox');
  return { variant, ms, outboxRows: outbox?.rows ?? 0, outboxBytes: outbox?.bytes ?? 0, drainMs };
}

/** Whoever uses NOTIFY has someone who listens. */
async function listen(url: string, wanted: boolean): Promise<AsyncDisposable> {
  if (!wanted) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('listen forebay_changes');
  return { [Symbol.asyncDispose]: () => client.end() };
}
