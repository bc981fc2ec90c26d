import { ForebayError } from '../core/errors.ts';
import { damaged, notOne } from './damage.ts';
import type { BackupEnd, BackupHeader, EntriesHead, FrameHead, PopularHead } from './format.ts';
import { FORMAT, frameSchema, LIMITS, MAGIC } from './format.ts';
import { SUM_LENGTH, sumOf } from './sum.ts';

/** A piece of a backup whose checksum was right. `encoded`: as it lay in the file; of the header, with the line that says what this is. */
export type Frame =
  | { readonly kind: 'header'; readonly head: BackupHeader; readonly encoded: Buffer }
  | { readonly kind: 'entries'; readonly head: EntriesHead; readonly payload: Buffer; readonly encoded: Buffer }
  | { readonly kind: 'popular'; readonly head: PopularHead; readonly payload: Buffer; readonly encoded: Buffer }
  | { readonly kind: 'end'; readonly head: BackupEnd; readonly encoded: Buffer };

export interface ReadOptions {
  /** The header and some chunks of a backup, in which others and the end may be missing. @defaultValue false */
  readonly partial?: boolean;
}

const NEWLINE = 10;
const NO_BYTES = Buffer.alloc(0);
const FIRST_LINE = Buffer.from(`${MAGIC} ${FORMAT}\n`);

/**
 * The pieces of a backup, in order, each checked before it is given: the header first, and at last the end, which has to say what came before it. Needs memory for one piece, whatever the bytes are.
 * @throws {ForebayError} `BACKUP_INVALID` for what is none, of another format, damaged or cut off; and what the backup itself says went wrong when it was made
 */
export async function* readBackup(source: AsyncIterable<Uint8Array>, { partial = false }: ReadOptions = {}): AsyncGenerator<Frame> {
  const bytes = new ByteReader(source);
  try {
    checkFormat(await bytes.line(MAGIC.length + 8, () => notOne('this is no backup of Forebay')));
    yield* framesOf(bytes, partial);
  } finally {
    await bytes.close();
  }
}

async function* framesOf(bytes: ByteReader, partial: boolean): AsyncGenerator<Frame> {
  const counts: Counts = { file: '', n: 0, entries: {}, popular: 0 };
  for (;;) {
    if (await bytes.isAtEnd()) {
      if (partial && counts.n > 0) return;
      throw notOne('the backup ends early: it was cut off, or is still being written; nothing of it was used');
    }
    const frame = await readFrame(bytes, counts.n);
    const { head } = frame;
    if (counts.file === '' && head.kind !== 'header') throw damaged('it does not begin with its header');
    if (counts.file !== '' && head.kind === 'header') throw damaged('it has a second header');
    if (counts.file !== '' && head.file !== counts.file) throw damaged(`chunk ${head.n} is of another backup`);
    if (!partial && head.n !== counts.n) throw damaged(`chunk ${counts.n} is missing`);
    count(counts, head);
    if (head.kind === 'end' && !partial) checkEnd(head, counts);
    if (head.kind === 'end' && !(await bytes.isAtEnd())) throw damaged('something follows its end');
    yield frame;
    if (head.kind === 'end') return;
  }
}

interface Counts {
  file: string;
  n: number;
  readonly entries: Record<string, number>;
  popular: number;
}

function checkFormat(first: Buffer): void {
  const [magic, format = ''] = first.toString('latin1').split(' ');
  if (magic !== MAGIC || !/^\d{1,6}$/.test(format)) throw notOne('this is no backup of Forebay');
  if (Number(format) !== FORMAT)
    throw notOne(
      `this backup has the format ${format}, and this version reads ${FORMAT}: use the version of Forebay that wrote it, or a later one`,
    );
}

function count(counts: Counts, head: FrameHead): void {
  counts.file = head.file;
  counts.n += 1;
  if (head.kind === 'entries') counts.entries[head.cache] = (counts.entries[head.cache] ?? 0) + head.lines;
  if (head.kind === 'popular') counts.popular += head.lines;
}

function checkEnd({ entries, popular }: BackupEnd, counts: Counts): void {
  const caches = new Set([...Object.keys(entries), ...Object.keys(counts.entries)]);
  const isWhole = popular === counts.popular && [...caches].every((cache) => (entries[cache] ?? 0) === (counts.entries[cache] ?? 0));
  if (!isWhole) throw damaged('its end names other numbers of entries than there are');
}

async function readFrame(bytes: ByteReader, n: number): Promise<Frame> {
  const from = bytes.taken;
  const line = await bytes.line(LIMITS.headBytes, () => damaged(`chunk ${n} does not begin as one does`));
  const text = line.subarray(SUM_LENGTH + 1);
  const stored = lengthIn(text);
  if (stored === null || line[SUM_LENGTH] !== 0x20) throw damaged(`chunk ${n} does not begin as one does, ${from} bytes in`);
  const payload = stored === 0 ? NO_BYTES : await bytes.take(stored);
  if (sumOf(text, payload) !== line.toString('latin1', 0, SUM_LENGTH))
    throw damaged(`the checksum of chunk ${n} is wrong, ${from} to ${bytes.taken} bytes in`);
  const read = frameSchema.safeParse(parsed(text));
  if (!read.success)
    throw notOne(`chunk ${n} is of a kind that this version does not know: use the version of Forebay that wrote it, or a later one`);
  const head = read.data;
  if (head.kind === 'failed') {
    const { code, message } = head;
    throw new ForebayError('BACKUP_INVALID', `the backup broke off when it was made: ${code}: ${message}`, { cause: { code, message } });
  }
  const before = head.kind === 'header' ? FIRST_LINE : NO_BYTES;
  const encoded = Buffer.concat([before, line, Buffer.from('\n'), payload]);
  switch (head.kind) {
    case 'header':
    case 'end':
      return { kind: head.kind, head, encoded } as Frame;
    default:
      return { kind: head.kind, head, payload, encoded } as Frame;
  }
}

/** Before anything is believed of what a chunk says, its checksum is looked at; only its length has to be known for that. */
function lengthIn(text: Buffer): number | null {
  const value: unknown = parsed(text);
  if (typeof value !== 'object' || value === null || !('bytes' in value)) return null;
  const { bytes } = value;
  return typeof bytes === 'number' && Number.isInteger(bytes) && bytes >= 0 && bytes <= LIMITS.rawBytes ? bytes : null;
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return null;
  }
}

/** Bytes as they come, taken by line or by number. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = NO_BYTES;
  #ended = false;
  /** Bytes taken so far. */
  taken = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#ended) await this.#more();
    return this.#rest.length === 0;
  }

  /** Up to the next end of a line, without it. */
  async line(most: number, tooLong: () => ForebayError): Promise<Buffer> {
    for (;;) {
      const end = this.#rest.indexOf(NEWLINE);
      if (end >= 0 && end <= most) {
        const line = Buffer.from(this.#rest.subarray(0, end));
        this.#rest = this.#rest.subarray(end + 1);
        this.taken += end + 1;
        return line;
      }
      if (this.#rest.length > most || end > most) throw tooLong();
      if (this.#ended) throw this.taken === 0 ? tooLong() : cutOff();
      await this.#more();
    }
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#rest.length === 0) {
        if (this.#ended) throw cutOff();
        await this.#more();
        continue;
      }
      const part = this.#rest.subarray(0, missing);
      parts.push(part);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
    }
    this.taken += length;
    return Buffer.concat(parts);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#source.next();
    if (done === true) this.#ended = true;
    else this.#rest = this.#rest.length === 0 ? asBuffer(value) : Buffer.concat([this.#rest, value]);
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const cutOff = (): ForebayError => notOne('the backup ends early: it was cut off, or is still being written; nothing of it was used');
