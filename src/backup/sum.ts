import { createHash } from 'node:crypto';

/** Hexadecimal digits of a checksum: 128 bits of SHA-256, so that no damage goes unseen. It guards against accidents, not against whoever writes a backup of his own. */
export const SUM_LENGTH = 32;

/** Of the line before a chunk, without its sum, and of the chunk. */
export function sumOf(head: Buffer, payload: Buffer): string {
  return createHash('sha256').update(head).update('\n').update(payload).digest('hex').slice(0, SUM_LENGTH);
}
