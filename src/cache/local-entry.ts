import type { Sized } from './local-tier.ts';
import type { TagPoint } from './tags.ts';

/** An entry in process memory. Times are monotonic milliseconds of this process. */
export interface LocalEntry<V> extends Sized {
  readonly absent: boolean;
  /** Frozen; `null` in an absent entry. */
  readonly value: V | null;
  readonly json: Buffer;
  readonly version: number;
  readonly hash: number;
  /** When the source was asked. */
  readonly loadedAt: number;
  readonly expiresAt: number;
  /** From here on a read also refreshes; pushed back when one begins. */
  refreshAt: number;
  /** Whether a read was answered from it since it came into process memory. */
  used: boolean;
  /** All commits up to here are in it. */
  readonly asOf: number;
  readonly point: TagPoint;
  readonly buckets: readonly number[];
}

/** Whether and how an entry may be served at this moment. */
export type Verdict = 'fresh' | 'stale' | 'expired' | 'unproven' | 'tag';

/** V8's costs on 64 bits without pointer compression, in bytes; `test/unit/cache/memory.test.ts` holds the sum to within 20 % of the heap's growth. */
const POINTER = 8;
const OBJECT = 24;
const ARRAY = 48;
const STRING = 16;
const BOXED_NUMBER = 16;
/** The entry object with its boxed times, the Buffer with its ArrayBuffer and backing store, and the slot in the tier's map and arrays. */
const ENTRY_OVERHEAD = 450;

/** Bytes of heap that an entry with this value takes. */
export function entryBytes(key: string, value: unknown, json: Buffer, buckets: readonly number[]): number {
  return ENTRY_OVERHEAD + stringBytes(key) + valueBytes(value) + json.length + (buckets.length > 0 ? ARRAY + buckets.length * POINTER : 0);
}

function valueBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return stringBytes(value);
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 0 : BOXED_NUMBER;
    case 'object': {
      if (value === null) return 0;
      if (Array.isArray(value)) return value.reduce<number>((sum, part) => sum + POINTER + valueBytes(part), ARRAY);
      let sum = OBJECT;
      for (const part of Object.values(value)) sum += POINTER + valueBytes(part);
      return sum;
    }
    default:
      return 0;
  }
}

/** One byte a character if all are Latin-1, else two. V8 knows at once that a text of one-byte characters cannot match (0.8 us for 1 MB); one that does is searched up to its first wide character. */
function stringBytes(text: string): number {
  const wide = /[\u0100-\uffff]/.test(text);
  return STRING + Math.ceil((wide ? text.length * 2 : text.length) / POINTER) * POINTER;
}
