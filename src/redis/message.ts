import type { TagChange } from '../cache/tags.ts';

/** What instances tell each other. Versioned: a message of another version is a gap, since it may have said anything. */
export interface BusMessage {
  readonly origin: string;
  readonly keys: readonly string[];
  readonly purge: boolean;
  readonly tags: TagChange | null;
}

const VERSION = 1;

export function encodeMessage(message: { origin: string; keys: readonly string[]; purge: boolean }): string {
  return JSON.stringify({ v: VERSION, o: message.origin, x: message.purge ? 1 : 0, k: message.keys });
}

/** The message in this text, or `null` if it is not one that this version understands. */
export function decodeMessage(text: string): BusMessage | null {
  try {
    const {
      v,
      o,
      x,
      k = [],
      t,
    } = JSON.parse(text) as { v: unknown; o: unknown; x?: unknown; k?: unknown; t?: { g: unknown; p: unknown; n: unknown; b: unknown } };
    if (v !== VERSION || typeof o !== 'string' || !isListOf(k, 'string')) return null;
    const purge = x === 1;
    if (t === undefined) return { origin: o, keys: k, purge, tags: null };
    const { g, p, n, b } = t;
    if (typeof g !== 'string' || typeof p !== 'number' || typeof n !== 'number' || !isListOf(b, 'number')) return null;
    return { origin: o, keys: k, purge, tags: { generation: g, previous: p, stamp: n, buckets: b } };
  } catch {
    return null;
  }
}

export function isListOf(list: unknown, type: 'string'): list is string[];
export function isListOf(list: unknown, type: 'number'): list is number[];
export function isListOf(list: unknown, type: string): boolean {
  return Array.isArray(list) && list.every((item) => typeof item === type);
}
