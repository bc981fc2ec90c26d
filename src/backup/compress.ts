import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { ForebayError } from '../core/errors.ts';
import type { Compression } from './format.ts';
import { COMPRESSIONS } from './format.ts';

const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);

/** What this Node can do: zstd is there from 22.15 on, and not in a build without it. */
export function compressionsHere(): readonly Compression[] {
  return COMPRESSIONS.filter((name) => name !== 'zstd' || typeof zlib.zstdCompress === 'function');
}

/** zstd where it is there: of file records it leaves about as much as gzip does, in a quarter of the time. */
export function defaultCompression(): Compression {
  return compressionsHere().includes('zstd') ? 'zstd' : 'gzip';
}

/** @throws {ForebayError} `INPUT_INVALID` for one that this Node does not have */
export function checkCompression(name: Compression): Compression {
  if (compressionsHere().includes(name)) return name;
  throw new ForebayError('INPUT_INVALID', `this Node (${process.version}) has no ${name}: use gzip, or Node 22.15 or later`, {
    field: 'compress',
  });
}

/** On a thread of Node's pool, so that others are served meanwhile. */
export function compress(name: Compression, raw: Buffer): Promise<Buffer> {
  switch (name) {
    case 'zstd':
      return promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdCompress)(raw, {});
    case 'gzip':
      return gzip(raw, {});
    case 'none':
      return Promise.resolve(raw);
    default:
      return name satisfies never;
  }
}

/** Rejects when it is more than `rawBytes`, whatever it claims to be. */
export function decompress(name: Compression, stored: Buffer, rawBytes: number): Promise<Buffer> {
  // One that is empty is refused as a limit.
  const limit = { maxOutputLength: Math.max(1, rawBytes) };
  switch (name) {
    case 'zstd':
      return promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress)(stored, limit);
    case 'gzip':
      return gunzip(stored, limit);
    case 'none':
      return Promise.resolve(stored);
    default:
      return name satisfies never;
  }
}
