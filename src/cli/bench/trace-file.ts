import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { ForebayError } from '../../core/errors.ts';
import { BENCH } from '../../files/bench-records.ts';

/** Reads of a trace at most: 80 MB of memory. */
const MAX_TRACE_READS = 20_000_000;
const MAX_KEY_BYTES = 256;
const GZIP = [0x1f, 0x8b] as const;
const LINE_FEED = 10;

export interface Trace {
  /** For each read the number of its key, in the order in which keys appear first. */
  readonly reads: Int32Array;
  readonly keys: number;
  /** Whether it goes on beyond what is read at most. */
  readonly isCut: boolean;
}

/**
 * A recorded trace: text with a key in each line, or keys as 32-bit integers, big-endian, which is told by a zero byte at its beginning; either of them compressed by gzip or not. Never more than its
 * limits in memory.
 * @throws {ForebayError} `INPUT_INVALID` when it cannot be read, is damaged, is empty or has too many keys
 */
export async function readTrace(file: string, signal: AbortSignal): Promise<Trace> {
  const builder = new TraceBuilder(file);
  try {
    const head = await firstBytes(file);
    const bytes = createReadStream(file);
    const fill = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) if (!builder.add(chunk)) return;
    };
    if (head[0] === GZIP[0] && head[1] === GZIP[1]) await pipeline(bytes, createGunzip(), fill, { signal });
    else await pipeline(bytes, fill, { signal });
    return builder.end();
  } catch (error) {
    if (error instanceof ForebayError || signal.aborted) throw error;
    throw bad(file, whyUnreadable(error), error);
  }
}

async function firstBytes(file: string): Promise<Buffer> {
  for await (const chunk of createReadStream(file, { end: 1 })) return chunk as Buffer;
  return Buffer.alloc(0);
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'Z_BUF_ERROR') return 'it ends in the middle: the gzip data are not whole; copy it again';
  if (code.startsWith('Z_')) return 'its gzip data are damaged; copy it again';
  return `it cannot be read (${code === '' ? String(error) : code})`;
}

const bad = (file: string, why: string, cause?: unknown): ForebayError =>
  new ForebayError('INPUT_INVALID', `--trace=${JSON.stringify(file)}: ${why}`, {
    field: 'trace',
    ...(cause === undefined ? {} : { cause }),
  });

/** Gathers keys from pieces of a file. */
class TraceBuilder {
  readonly #file: string;
  readonly #numbers = new Map<string | number, number>();
  #reads = new Int32Array(1 << 16);
  #count = 0;
  #line = 0;
  #isText: boolean | null = null;
  #rest: Buffer = Buffer.alloc(0);
  #isCut = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** `false` when no more is wanted. */
  add(chunk: Buffer): boolean {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#isText ??= !bytes.subarray(0, 64).includes(0);
    if (this.#isText) this.#addText(bytes);
    else this.#addIntegers(bytes);
    return !this.#isCut;
  }

  end(): Trace {
    if (!this.#isCut && this.#rest.length > 0) {
      if (this.#isText === true) this.#addLine(this.#rest);
      else throw bad(this.#file, `it ends in the middle of a key: ${this.#rest.length} bytes are left over of the last 4; copy it again`);
    }
    if (this.#count === 0) throw bad(this.#file, 'it has no keys: give a file with a key in each line');
    return { reads: this.#reads.slice(0, this.#count), keys: this.#numbers.size, isCut: this.#isCut };
  }

  #addText(bytes: Buffer): void {
    let from = 0;
    for (let to = bytes.indexOf(LINE_FEED); to >= 0 && !this.#isCut; to = bytes.indexOf(LINE_FEED, from)) {
      this.#addLine(bytes.subarray(from, to));
      from = to + 1;
    }
    this.#rest = bytes.subarray(from);
    if (this.#rest.length > MAX_KEY_BYTES + 1) this.#refuse(`is longer than ${MAX_KEY_BYTES} bytes`);
  }

  #addLine(line: Buffer): void {
    this.#line += 1;
    const text = line.toString('utf8').replace(/\r$/, '');
    if (text === '') this.#refuse('is empty');
    if (Buffer.byteLength(text) > MAX_KEY_BYTES) this.#refuse(`is longer than ${MAX_KEY_BYTES} bytes`);
    if (/\p{Cc}|\ufffd/u.test(text)) this.#refuse('holds bytes that are no text');
    this.#add(text);
  }

  #refuse(what: string): never {
    throw bad(this.#file, `line ${Math.max(1, this.#line)} ${what}; each line has to be one key, as UTF-8 text`);
  }

  #addIntegers(bytes: Buffer): void {
    const whole = bytes.length - (bytes.length % 4);
    for (let at = 0; at < whole && !this.#isCut; at += 4) this.#add(bytes.readInt32BE(at));
    this.#rest = bytes.subarray(whole);
  }

  #add(key: string | number): void {
    if (this.#count === MAX_TRACE_READS) {
      this.#isCut = true;
      return;
    }
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#numbers.size;
      if (number === BENCH.maxRecords)
        throw bad(this.#file, `it has more than ${BENCH.maxRecords} different keys, of which each needs a record; cut it`);
      this.#numbers.set(key, number);
    }
    if (this.#count === this.#reads.length) {
      const larger = new Int32Array(this.#reads.length * 2);
      larger.set(this.#reads);
      this.#reads = larger;
    }
    this.#reads[this.#count] = number;
    this.#count += 1;
  }
}
