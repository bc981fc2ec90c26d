import { readBackup } from './reader.ts';

/** What is in a backup. */
export interface BackupSummary {
  /** RFC 3339. */
  readonly createdAt: string;
  /** By the name of the cache. */
  readonly entries: Readonly<Record<string, number>>;
  readonly popular: number;
}

/**
 * Reads all of a backup and uses nothing of it: resolves when every chunk is as it was written and none is missing.
 * @throws {ForebayError} `BACKUP_INVALID`
 */
export async function verifyBackup(source: AsyncIterable<Uint8Array>): Promise<BackupSummary> {
  let createdAt = '';
  for await (const { kind, head } of readBackup(source)) {
    if (kind === 'header') createdAt = head.createdAt;
    if (kind === 'end') return { createdAt, entries: head.entries, popular: head.popular };
  }
  // One without an end was refused.
  throw new Error('unreachable');
}
