import type { Database, Queryable } from './database.ts';
import { invalid } from './table.ts';

/**
 * How long others that write to a table are waited for, in ms. While that lasts, those who come later to write wait too. An autovacuum that is in the way ends itself after a second.
 */
export const LOCK_TIMEOUT_MS = 2000;

/** An arbitrary number that stands for "Forebay attaches or detaches" among the server's advisory locks. */
const LOCK = 4_632_072_118;

/** Plans under a lock that keeps other attachings out, and runs the plan, in one transaction. */
export async function changeTable<Plan extends { readonly sql: string }>(
  database: Database,
  lockTimeoutMs: number,
  plan: (tx: Queryable) => Promise<Plan>,
): Promise<Plan> {
  if (!Number.isInteger(lockTimeoutMs) || lockTimeoutMs < 1 || lockTimeoutMs > 600_000) {
    throw invalid('lockTimeoutMs', lockTimeoutMs, 'has to be a whole number from 1 to 600,000');
  }
  return database.transaction(async (tx) => {
    await tx.exec(`set local lock_timeout = ${lockTimeoutMs}; select pg_advisory_xact_lock(${LOCK})`);
    const planned = await plan(tx);
    if (planned.sql !== '') await tx.exec(planned.sql);
    return planned;
  });
}
