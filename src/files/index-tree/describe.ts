import type { BigIntStats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import mime from 'mime';
import { LIMITS } from '../records.ts';
import type { IndexedFile } from '../store.ts';
import { sha256Of } from './hash.ts';
import type { SkipReason } from './options.ts';
import { nameOf, pathId, pathText } from './path-bytes.ts';
import { failureCode, saysGone } from './skips.ts';
import type { WalkedFile } from './walk.ts';

export interface DescribeOptions {
  readonly hash: boolean;
  readonly tags: readonly string[];
  readonly ownerId: string | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface Refusal {
  readonly reason: SkipReason;
  readonly detail: string;
}

const MAX_SIZE = BigInt(Number.MAX_SAFE_INTEGER);

/** Years that RFC 3339 and Postgres both write with four digits; damaged file systems hold others. */
const FIRST_US = BigInt(Date.UTC(1000, 0, 1)) * 1_000n;
const LAST_US = BigInt(Date.UTC(9999, 11, 31, 23, 59, 59, 999)) * 1_000n;

/** Microseconds since the epoch, rounded down as the file's time was rounded when it was set. */
function microseconds(ns: bigint): bigint {
  const us = ns / 1_000n - (ns % 1_000n < 0n ? 1n : 0n);
  return us < FIRST_US ? FIRST_US : us > LAST_US ? LAST_US : us;
}

/** RFC 3339 in UTC with microseconds. */
function isoMicroseconds(us: bigint): string {
  const rest = ((us % 1_000n) + 1_000n) % 1_000n;
  return `${new Date(Number((us - rest) / 1_000n)).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

const toMilliseconds = (iso: string): string => `${iso.slice(0, -4)}Z`;

/** The record of a file with these properties, without its hash; or why it can have none. */
export function recordOf(path: Buffer, stats: BigIntStats, options: Pick<DescribeOptions, 'tags' | 'ownerId'>): IndexedFile | Refusal {
  if (!stats.isFile()) return { reason: 'not-a-file', detail: 'not a regular file' };
  if (stats.size > MAX_SIZE) {
    return { reason: 'too-large', detail: `${stats.size} bytes; at most ${MAX_SIZE} (2^53 - 1) can be recorded` };
  }
  const text = pathText(path);
  const name = nameOf(path).toString('utf8');
  if (name.length > LIMITS.nameLength)
    return { reason: 'too-long', detail: `the name has ${name.length} characters, ${LIMITS.nameLength} are allowed` };
  if (text.path.length > LIMITS.pathLength) {
    return { reason: 'too-long', detail: `the path has ${text.path.length} characters, ${LIMITS.pathLength} are allowed` };
  }
  const modified = microseconds(stats.mtimeNs);
  // A copy keeps its time of change and gets a new time of birth; 0 stands for a file system without one.
  const born = stats.birthtimeNs === 0n ? modified : microseconds(stats.birthtimeNs);
  const modifiedAt = isoMicroseconds(modified);
  return {
    id: pathId(path),
    name,
    ...text,
    size: Number(stats.size),
    mimeType: mime.getType(name) ?? 'application/octet-stream',
    ownerId: options.ownerId ?? `uid:${stats.uid}`,
    tags: options.tags,
    createdAt: toMilliseconds(isoMicroseconds(born < modified ? born : modified)),
    updatedAt: toMilliseconds(modifiedAt),
    modifiedAt,
  };
}

/** Looks at a file: its record, or why it can have none. */
export async function describe(file: WalkedFile, options: DescribeOptions): Promise<IndexedFile | Refusal> {
  try {
    const stats = await (file.linked ? stat : lstat)(file.path, { bigint: true });
    const record = recordOf(file.path, stats, options);
    if (!options.hash || 'reason' in record) return record;
    return { ...record, sha256: await sha256Of(file.path, record.size, options.signal) };
  } catch (thrown) {
    options.signal?.throwIfAborted();
    if (saysGone(thrown)) return { reason: 'vanished', detail: `the file was gone when it was looked at (${failureCode(thrown)})` };
    return { reason: 'unreadable-file', detail: `the file cannot be read (${failureCode(thrown)})` };
  }
}
