import type { Compression, EntriesHead, PopularHead } from './format.ts';
import { LIMITS } from './format.ts';
import { damaged } from './damage.ts';
import { decompress } from './compress.ts';

/** An entry as a backup has it. */
export interface BackedUpEntry {
  readonly key: string;
  readonly version: number;
  /** At the moment of the chunk; what is not above 0 had expired. */
  readonly ttlLeftMs: number;
  /** The record as JSON; `null`: there was none, and that was cached. */
  readonly json: Buffer | null;
}

/** A key that was read often. `heat`: as the database keeps it. */
export interface BackedUpPopular {
  readonly cache: string;
  readonly key: string;
  readonly heat: number;
}

/** Keys that need no escape. */
const KEY = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
const HEAD = /^\["([\x20\x21\x23-\x5b\x5d-\x7e]{1,256})",(\d{1,16}),(-?\d{1,16}),/;
/** Longer than any such head. */
const HEAD_BYTES = 320;
const NEWLINE = 10;
const END = ']'.charCodeAt(0);
const NULL = Buffer.from('null');

/**
 * Lines that wait for their chunk to be full, in one piece of memory that is used again for the next: a small Buffer for each would pin a page of Node's pool whenever something that is kept, an entry of a cache say, lies on the
 * same page. What was taken is gone with the next line that is added.
 */
export class Lines {
  readonly #bytes = Buffer.allocUnsafeSlow(LIMITS.rawBytes);
  #used = 0;
  #lines = 0;

  get size(): number {
    return this.#lines;
  }

  get isFull(): boolean {
    return this.#lines >= LIMITS.chunkLines || this.#used >= LIMITS.chunkBytes;
  }

  /** `["id",17,3600000,{"id":…}]`: each line is JSON by itself. `false`: its key or size is none of ours, and it is left out. */
  addEntry({ key, version, ttlLeftMs, json }: BackedUpEntry): boolean {
    if (!KEY.test(key) || (json?.length ?? 0) + HEAD_BYTES > LIMITS.lineBytes || json?.includes(NEWLINE) === true) return false;
    this.#used += this.#bytes.write(`["${key}",${version},${Math.round(ttlLeftMs)},${json === null ? 'null' : ''}`, this.#used, 'latin1');
    if (json !== null) this.#used += json.copy(this.#bytes, this.#used);
    this.#used += this.#bytes.write(']\n', this.#used, 'latin1');
    this.#lines += 1;
    return true;
  }

  addPopular({ cache, key, heat }: BackedUpPopular): void {
    this.#used += this.#bytes.write(`${JSON.stringify([cache, key, heat])}\n`, this.#used);
    this.#lines += 1;
  }

  take(): { readonly text: Buffer; readonly lines: number } {
    const taken = { text: this.#bytes.subarray(0, this.#used), lines: this.#lines };
    this.#used = 0;
    this.#lines = 0;
    return taken;
  }
}

/** The lines of a chunk. @throws {ForebayError} `BACKUP_INVALID` */
export async function linesOf(
  { n, raw, lines }: Pick<EntriesHead | PopularHead, 'n' | 'raw' | 'lines'>,
  payload: Buffer,
  how: Compression,
): Promise<Buffer[]> {
  let text: Buffer;
  try {
    text = await decompress(how, payload, raw);
  } catch (cause) {
    throw damaged(`chunk ${n} cannot be unpacked`, cause);
  }
  if (text.length !== raw) throw damaged(`chunk ${n} has ${text.length} bytes, not ${raw}`);
  const found: Buffer[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(NEWLINE, at);
    if (end < 0) throw damaged(`chunk ${n} ends within a line`);
    found.push(text.subarray(at, end));
    at = end + 1;
  }
  if (found.length !== lines) throw damaged(`chunk ${n} has ${found.length} lines, not ${lines}`);
  return found;
}

/** @throws {ForebayError} `BACKUP_INVALID` */
export function readEntryLine(line: Buffer): BackedUpEntry {
  const match = HEAD.exec(line.toString('latin1', 0, HEAD_BYTES));
  if (match === null || line.at(-1) !== END) throw damaged('an entry is none');
  const [head, key = '', version, ttlLeftMs] = match;
  const json = line.subarray(head.length, -1);
  return { key, version: Number(version), ttlLeftMs: Number(ttlLeftMs), json: json.equals(NULL) ? null : json };
}

/** @throws {ForebayError} `BACKUP_INVALID` */
export function readPopularLine(line: Buffer): BackedUpPopular {
  try {
    const [cache, key, heat] = JSON.parse(line.toString()) as unknown[];
    if (typeof cache === 'string' && typeof key === 'string' && typeof heat === 'number' && Number.isFinite(heat))
      return { cache, key, heat };
  } catch (cause) {
    throw damaged('a popular key is none', cause);
  }
  throw damaged('a popular key is none');
}
