import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Bytes read at a time, at most. Small files take less: a large buffer for each costs more than reading them. */
const CHUNK_BYTES = 256 * 1024;
const SMALLEST_CHUNK_BYTES = 4 * 1024;

/**
 * SHA-256 of a file's content, in lower-case hexadecimal, within `CHUNK_BYTES` of memory. `size` is what to expect, not a limit.
 * Rejects with the system's error, or with the signal's reason.
 */
export async function sha256Of(path: Buffer, size: number, signal: AbortSignal | undefined): Promise<string> {
  // Not to wait for ever on a pipe that took the file's place.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(SMALLEST_CHUNK_BYTES, size + 1)));
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
