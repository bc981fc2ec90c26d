import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import path from 'node:path';
import type { FileId } from '../records.ts';

/** Paths on Unix are bytes, not text; they are handled as bytes here, so that every file keeps its own path. */

const SLASH = 0x2f;
const SLASH_BYTE = Buffer.from('/');

/** Forebay's namespace for UUIDs of paths. Never to change: ids of all indexed files derive from it. */
const NAMESPACE = Buffer.from('7afa56dd6431430396e2388d2543354d', 'hex');

/** UUIDv5 (RFC 9562, section 5.5) of an absolute path's bytes: the same file at the same path has the same id in every run. */
export function pathId(pathBytes: Buffer): FileId {
  const digest = Buffer.from(hash('sha1', Buffer.concat([NAMESPACE, pathBytes]), 'buffer'));
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as FileId;
}

/** The path as text, and as base64 where text cannot hold it. */
export function pathText(pathBytes: Buffer): { readonly path: string; readonly pathBytes?: string } {
  const text = pathBytes.toString('utf8');
  return isUtf8(pathBytes) ? { path: text } : { path: text, pathBytes: pathBytes.toString('base64') };
}

/** The exact path of a record. */
export function bytesOfRecord(record: { readonly path: string; readonly pathBytes?: string }): Buffer {
  return record.pathBytes === undefined ? Buffer.from(record.path) : Buffer.from(record.pathBytes, 'base64');
}

/** An absolute path without a slash at its end. */
export function absolute(given: string | Buffer): Buffer {
  if (typeof given === 'string') return Buffer.from(path.resolve(given));
  const full = given[0] === SLASH ? given : joined(Buffer.from(process.cwd()), given);
  let end = full.length;
  while (end > 1 && full[end - 1] === SLASH) end -= 1;
  return full.subarray(0, end);
}

/** A folder's path as what all paths below it begin with. */
export function withSlash(folder: Buffer): Buffer {
  return folder.at(-1) === SLASH ? folder : Buffer.concat([folder, SLASH_BYTE]);
}

export function joined(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([withSlash(folder), name]);
}

export function isBelow(pathBytes: Buffer, folder: Buffer): boolean {
  const prefix = withSlash(folder);
  return pathBytes.length > prefix.length && pathBytes.subarray(0, prefix.length).equals(prefix);
}

export function isAtOrBelow(pathBytes: Buffer, folder: Buffer): boolean {
  return pathBytes.equals(folder) || isBelow(pathBytes, folder);
}

/** The folder that a path lies in. */
export function parentOf(pathBytes: Buffer): Buffer {
  return pathBytes.subarray(0, Math.max(1, pathBytes.lastIndexOf(SLASH)));
}

/** The last part of a path. */
export function nameOf(pathBytes: Buffer): Buffer {
  return pathBytes.subarray(pathBytes.lastIndexOf(SLASH) + 1);
}

/** A path as the key of a set: one character per byte. */
export function pathKey(pathBytes: Buffer): string {
  return pathBytes.toString('latin1');
}
