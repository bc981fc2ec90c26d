import { randomBytes } from 'node:crypto';
import type { ForebayError } from '../core/errors.ts';
import { compress } from './compress.ts';
import type { BackupHeader, Compression, FrameHead } from './format.ts';
import { FORMAT, MAGIC } from './format.ts';
import type { Lines } from './lines.ts';
import { sumOf } from './sum.ts';

/** What a header says besides what the writer knows. */
export type HeaderFacts = Omit<BackupHeader, 'kind' | 'file' | 'n' | 'bytes' | 'compression'>;

type NewHead = FrameHead extends infer H ? (H extends FrameHead ? Omit<H, 'file' | 'n' | 'bytes'> : never) : never;

const NO_BYTES = Buffer.alloc(0);

/** Makes the bytes of one backup, piece by piece, in order: the header first, the end last. Counts what goes in. */
export class BackupWriter {
  readonly #compression: Compression;
  readonly #file = randomBytes(8).toString('hex');
  readonly #entries: Record<string, number> = {};
  #popular = 0;
  #n = 0;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  header(facts: HeaderFacts): Buffer {
    for (const cache of facts.caches) this.#entries[cache] = 0;
    const first = Buffer.from(`${MAGIC} ${FORMAT}\n`);
    return Buffer.concat([first, this.#frame({ kind: 'header', ...facts, compression: this.#compression }, NO_BYTES)]);
  }

  /** `at`: when they were read, in ms since 1970. */
  async entries(cache: string, lines: Lines, at: number): Promise<Buffer> {
    const { text, lines: count } = lines.take();
    this.#entries[cache] = (this.#entries[cache] ?? 0) + count;
    const payload = await compress(this.#compression, text);
    return this.#frame({ kind: 'entries', cache, at, raw: text.length, lines: count }, payload);
  }

  async popular(lines: Lines): Promise<Buffer> {
    const { text, lines: count } = lines.take();
    this.#popular += count;
    return this.#frame({ kind: 'popular', raw: text.length, lines: count }, await compress(this.#compression, text));
  }

  end(): Buffer {
    return this.#frame({ kind: 'end', entries: this.#entries, popular: this.#popular }, NO_BYTES);
  }

  failed({ code, message }: ForebayError): Buffer {
    return this.#frame({ kind: 'failed', code, message: message.slice(0, 500) }, NO_BYTES);
  }

  #frame(head: NewHead, payload: Buffer): Buffer {
    const text = Buffer.from(JSON.stringify({ ...head, file: this.#file, n: this.#n, bytes: payload.length }));
    this.#n += 1;
    return Buffer.concat([Buffer.from(`${sumOf(text, payload)} `), text, Buffer.from('\n'), payload]);
  }
}
