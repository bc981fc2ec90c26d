import { ForebayError } from '../core/errors.ts';

/** A backup that is not whole, or was changed. */
export function damaged(what: string, cause?: unknown): ForebayError {
  return new ForebayError('BACKUP_INVALID', `the backup is damaged: ${what}; nothing of it can be relied on, use another one`, { cause });
}

export function notOne(what: string): ForebayError {
  return new ForebayError('BACKUP_INVALID', what);
}
