import type { InvalidationState } from '../cache/lookup.ts';
import { ForebayError } from '../core/errors.ts';
import type { FileCaches } from './file-caches.ts';
import type { FileId } from './records.ts';
import type { FileWrite } from './writes.ts';

/** What was written, as far as the caches have to know. */
export interface Changes {
  readonly info: Set<FileId>;
  readonly meta: Set<FileId>;
  /** Whether there may be changes besides that only the log of changes knows. */
  others: boolean;
}

/** Errors that say that nothing was written. After any other one nobody knows, so the caches forget as after a write. */
const NOTHING_WRITTEN = new Set([
  'FILE_EXISTS',
  'INPUT_INVALID',
  'NOT_FOUND',
  'STATEMENT_REFUSED',
  'TRANSACTION_CONFLICT',
  'VERSION_MISMATCH',
]);

export function nothingWritten(error: unknown): boolean {
  return error instanceof ForebayError && NOTHING_WRITTEN.has(error.code);
}

export function changesOf(...writes: readonly Pick<FileWrite<unknown>, 'id' | 'shows'>[]): Changes {
  const changes: Changes = { info: new Set(), meta: new Set(), others: false };
  for (const write of writes) note(changes, write);
  return changes;
}

export function note(changes: Changes, { id, shows }: Pick<FileWrite<unknown>, 'id' | 'shows'>): void {
  for (const cache of shows) changes[cache].add(id);
}

/**
 * Makes this process forget what was changed and waits for all others, whom the database's own log tells. To be called once the commit was acknowledged, not before:
 * what is loaded between a settling and a commit is the old value.
 */
export async function settle(caches: FileCaches, { info, meta, others }: Changes): Promise<InvalidationState> {
  const waits: Promise<InvalidationState>[] = [];
  // Whichever cache is asked waits for the whole log, so without a key one of the two will do.
  if (info.size > 0 || (others && meta.size === 0)) waits.push(caches.info.settle([...info]));
  if (meta.size > 0) waits.push(caches.meta.settle([...meta]));
  return both(await Promise.all(waits));
}

/** After a write of which nobody knows whether it happened. */
export async function settleUnknown(caches: FileCaches, changes: Changes): Promise<void> {
  // A cache that was closed meanwhile has nothing to forget; the write's own error is the one to tell.
  await settle(caches, changes).catch(() => {});
}

export function both(states: readonly InvalidationState[]): InvalidationState {
  return states.every((state) => state === 'applied') ? 'applied' : 'queued';
}
