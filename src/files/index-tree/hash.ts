import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Bytes read at a time. */
const CHUNK_BYTES = 256 * 1024;

/**
 * SHA-256 of a file's content, in lower-case hexadecimal, within `CHUNK_BYTES` of memory.
 * Rejects with the system's error, or with the signal's reason.
 */
export async function sha256Of(path: Buffer, signal: AbortSignal | undefined): Promise<string> {
  // Not to wait for ever on a pipe that took the file's place.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
