import type { TagPoint } from './tags.ts';

/**
 * An entry as it lies in Redis: one header line, then the value as plain JSON, readable from any language.
 *
 *     forebay1 value 17 1732432800123 3600000 4f2a9c1d.1732432799000000 102.7.3311\n{"id":…}
 *     format   kind  version loadedAt  ttl ms  tag point                tag buckets
 *
 * `loadedAt` is milliseconds of the Redis server's own clock (the script that stores the entry fills it in), and is only compared with the same server's clock.
 * An absent entry has kind `absent` and no body. Anything else under our keys is not an entry, and is a miss.
 */
export interface WireEntry {
  readonly absent: boolean;
  readonly version: number;
  /** Server clock in milliseconds when the source was asked. */
  readonly loadedAt: number;
  readonly ttlMs: number;
  readonly point: TagPoint;
  readonly buckets: readonly number[];
  /** The value as JSON; a view into the reply, to be copied by whoever keeps it. */
  readonly json: Buffer;
}

const FORMAT = 'forebay1';
const NEWLINE = 10;
/** A header has at most 32 user tags and a few of our own: more is not ours. */
const MAX_HEADER_BYTES = 1024;
const HEADER = /^forebay1 (value|absent) (\d{1,16}) (\d{1,16}) (\d{1,15}) ([0-9a-z]{0,32})\.(\d{1,16}) (-|\d{1,4}(?:\.\d{1,4})*)$/;
const NO_BYTES = Buffer.alloc(0);

/** The two parts of an entry between which the storing script writes the server's clock. */
export interface EncodedEntry {
  readonly beforeClock: string;
  readonly afterClock: Buffer;
}

export function encodeEntry(entry: Omit<WireEntry, 'loadedAt'>): EncodedEntry {
  const { absent, version, ttlMs, point, buckets, json } = entry;
  const bucketText = buckets.length === 0 ? '-' : buckets.join('.');
  const header = ` ${ttlMs} ${point.generation}.${point.stamp} ${bucketText}\n`;
  return {
    beforeClock: `${FORMAT} ${absent ? 'absent' : 'value'} ${version} `,
    afterClock: Buffer.concat([Buffer.from(header, 'latin1'), absent ? NO_BYTES : json]),
  };
}

/** The entry in these bytes, or `null` if they are not one that this version can read. The body is not parsed here. */
export function decodeEntry(bytes: Buffer): WireEntry | null {
  const end = bytes.indexOf(NEWLINE);
  if (end < 0 || end > MAX_HEADER_BYTES) return null;
  const match = HEADER.exec(bytes.toString('latin1', 0, end));
  if (match === null) return null;
  const [, kind, version, loadedAt, ttlMs, generation = '', stamp, bucketText] = match;
  const absent = kind === 'absent';
  if (absent !== (bytes.length === end + 1)) return null;
  return {
    absent,
    version: Number(version),
    loadedAt: Number(loadedAt),
    ttlMs: Number(ttlMs),
    point: { generation, stamp: Number(stamp) },
    buckets: bucketText === undefined || bucketText === '-' ? [] : bucketText.split('.').map(Number),
    json: bytes.subarray(end + 1),
  };
}

/** Parses a value and freezes it all through; throws what `JSON.parse` throws. */
export function parseFrozen(json: Buffer): unknown {
  return deepFreeze(JSON.parse(json.toString()));
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
