import { ForebayError } from '../core/errors.ts';

const MAX_BYTES = 64 * 1024 ** 2;

/**
 * All that comes from a stream, as text.
 * @throws {ForebayError} `INPUT_INVALID` when it is more than 64 MiB
 */
export async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream) {
    const buffer = Buffer.from(part);
    bytes += buffer.length;
    if (bytes > MAX_BYTES)
      throw new ForebayError('INPUT_INVALID', `standard input is longer than ${MAX_BYTES / 1024 ** 2} MiB; give it in parts`, {
        field: 'ids',
      });
    parts.push(buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}
