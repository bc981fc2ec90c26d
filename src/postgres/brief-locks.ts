import type { Database, Queryable } from './database.ts';
import { sqlState } from './refusals.ts';

/**
 * Longest wait for a lock on a table in one try, in ms. Whoever comes for the table meanwhile queues behind the one who waits, so this is also how long everybody else is held up: it is far below what a user notices
 * as a stop, and far above the time that a usual statement holds its lock.
 */
const LOCK_TRY_MS = 80;
/** Pauses between tries, in which those who queued go on: at least four times as long as a try. */
const PAUSE_MS = [320, 320, 320, 320, 640, 640, 640, 1000] as const;
/** After this share of the patience an autovacuum that is in the way is made to end. */
const PATIENT_SHARE = 0.5;
/** An autovacuum gives way to whoever has waited for longer than `deadlock_timeout` (1 s by default). */
const OUTWAIT_VACUUM_MS = 1200;

export interface BriefLockOptions {
  /** After so long without the locks the last error is thrown, in ms. */
  readonly patienceMs: number;
  /** SQL that gives the oids of tables whose locks are wanted, to know an autovacuum that is in the way; `$1` is `params[0]`. */
  readonly tables: { readonly sql: string; readonly params: readonly unknown[] };
  readonly onBusy?: (tries: number, error: unknown) => void;
  /** For tests. @defaultValue real time */
  readonly pause?: (ms: number) => Promise<void>;
}

// Both views show pids to everyone, and nothing else is needed of them.
const vacuums = (tables: string): string => `
  select exists (select from pg_locks l join pg_stat_progress_vacuum v using (pid) where l.granted and l.relation in (${tables})) as busy`;

/**
 * Runs `work`, which takes locks on tables that others read and write, in a transaction that waits for each of them only for a moment. When it has to wait for longer (a transaction that stays open holds the table) it
 * lets go, lets everybody else through, and tries again. Without this, one idle transaction and one waiting `alter table` stop a whole application.
 *
 * The exception is an autovacuum of the table, which lasts long and gives way only to those who wait for more than a second: after half of the patience it is waited for once, for that long.
 */
export async function withBriefLocks<T>(database: Database, options: BriefLockOptions, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const { patienceMs, tables, onBusy = () => {}, pause = wait } = options;
  const startedAt = performance.now();
  let hasOutwaited = false;
  for (let tries = 1; ; tries += 1) {
    const leftMs = patienceMs - (performance.now() - startedAt);
    const isHalfOver = leftMs <= patienceMs * (1 - PATIENT_SHARE);
    const outwaits: boolean = !hasOutwaited && isHalfOver && leftMs > OUTWAIT_VACUUM_MS && (await isVacuumed(database, tables));
    hasOutwaited ||= outwaits;
    const lockMs = outwaits ? OUTWAIT_VACUUM_MS : Math.max(1, Math.min(LOCK_TRY_MS, Math.ceil(leftMs)));
    try {
      return await database.transaction(async (tx) => {
        await tx.exec(`set local lock_timeout = ${lockMs}`);
        return work(tx);
      });
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown;
      onBusy(tries, thrown);
      const pauseMs = PAUSE_MS[Math.min(tries, PAUSE_MS.length) - 1] ?? 0;
      if (performance.now() - startedAt + pauseMs >= patienceMs) throw thrown;
      await pause(pauseMs);
    }
  }
}

/** Whether a lock was not to be had in time, or two wanted each other's. */
export function isBusy(thrown: unknown): boolean {
  return ['55P03', '40P01'].includes(sqlState(thrown));
}

async function isVacuumed(database: Database, { sql, params }: BriefLockOptions['tables']): Promise<boolean> {
  const [row] = await database.query<{ busy: boolean }>(vacuums(sql), params).catch(() => []);
  return row?.busy === true;
}

async function wait(ms: number): Promise<void> {
  await new Promise<void>((resolve) => void setTimeout(resolve, ms));
}
