import { withBriefLocks } from './brief-locks.ts';
import type { Database, Queryable } from './database.ts';
import { invalid } from './table.ts';

/** How long the lock on a table is tried for, in ms, a moment at a time: see `withBriefLocks`. */
const LOCK_TIMEOUT_MS = 10_000;

/** An arbitrary number that stands for "Forebay attaches or detaches" among the server's advisory locks. `trim_popular` tries the same one, and does without. */
const LOCK = 4_632_072_118;

const NAMED = { sql: 'select to_regclass($1)::oid' };

/** Plans under a lock that keeps other attachings out, and runs the plan, in one transaction. `table`: as in SQL. */
export async function changeTable<Plan extends { readonly sql: string }>(
  database: Database,
  { table, lockTimeoutMs = LOCK_TIMEOUT_MS }: { readonly table: string; readonly lockTimeoutMs?: number | undefined },
  plan: (tx: Queryable) => Promise<Plan>,
): Promise<Plan> {
  if (!Number.isInteger(lockTimeoutMs) || lockTimeoutMs < 1 || lockTimeoutMs > 600_000) {
    throw invalid('lockTimeoutMs', lockTimeoutMs, 'has to be a whole number from 1 to 600,000');
  }
  return withBriefLocks(database, { patienceMs: lockTimeoutMs, tables: { ...NAMED, params: [table] } }, async (tx) => {
    await tx.exec(`select pg_advisory_xact_lock(${LOCK})`);
    const planned = await plan(tx);
    if (planned.sql !== '') await tx.exec(planned.sql);
    return planned;
  });
}
