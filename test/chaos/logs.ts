import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** One read, as its process saw it. Times are `sharedNow`. */
export interface ReadNote {
  readonly key: number;
  /** Version, or one of `ABSENT` and `FAILED`. */
  readonly version: number;
  readonly mark: number;
  readonly beganAt: number;
  readonly endedAt: number;
}

export const ABSENT = -1;
export const FAILED = -2;

/** A step of one write. */
export type WriteNote =
  | {
      readonly step: 'begun';
      readonly write: number;
      readonly key: number;
      readonly kind: 'update' | 'create' | 'delete';
      readonly at: number;
      readonly told?: 'tag';
      /** Of a delete: the version that it deletes. */ readonly version?: number;
    }
  /** The database said that it is committed. */
  | { readonly step: 'committed'; readonly write: number; readonly at: number }
  | { readonly step: 'done'; readonly write: number; readonly at: number; readonly version: number }
  | { readonly step: 'rolledBack'; readonly write: number; readonly at: number }
  /** Nobody knows whether it was committed. */
  | { readonly step: 'failed'; readonly write: number; readonly at: number; readonly reason: string };

const FIELDS = 5;
const BYTES = FIELDS * 8;
const FLUSH_AT = 200;

/** Reads of one process, in the order of their ends; 40 bytes each, written to a file in small batches so that memory stays bounded and a killed process loses little. */
export class ReadLog {
  readonly #file: number;
  readonly #batch = new Float64Array(FLUSH_AT * FIELDS);
  #held = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  add({ key, version, mark, beganAt, endedAt }: ReadNote): void {
    this.#batch.set([key, version, mark, beganAt, endedAt], this.#held * FIELDS);
    this.#held += 1;
    if (this.#held === FLUSH_AT) this.flush();
  }

  flush(): void {
    if (this.#held > 0) writeSync(this.#file, new Uint8Array(this.#batch.buffer, 0, this.#held * BYTES));
    this.#held = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

/** The reads of a log, one at a time. A record that was cut off by a kill is left out. */
export function* readsOf(path: string): Generator<ReadNote> {
  const bytes = readFileSync(path);
  const count = Math.floor(bytes.length / BYTES);
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + count * BYTES));
  for (let at = 0; at < numbers.length; at += FIELDS) {
    const [key = 0, version = 0, mark = 0, beganAt = 0, endedAt = 0] = numbers.subarray(at, at + FIELDS);
    yield { key, version, mark, beganAt, endedAt };
  }
}

/** Writes of one process. Each step is in the file before the process goes on: it may be killed at any moment. */
export class WriteLog {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  add(note: WriteNote): void {
    writeSync(this.#file, `${JSON.stringify(note)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function writesOf(path: string): WriteNote[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as WriteNote);
}
