import type { LogEntry } from '../cache/change-log.ts';
import type { LogStoreListener } from '../cache/log-store.ts';
import { isListOf } from './message.ts';

/** What is said on the log's channel. Versioned: what cannot be understood may have said anything. */
export type LogMessage =
  | { readonly kind: 'entry'; readonly epoch: string; readonly entry: LogEntry }
  /** Something waits in the log, and whoever says so has no relay. */
  | { readonly kind: 'wake' }
  /** The table was made anew: nothing that was stored before counts. */
  | { readonly kind: 'anew'; readonly origin: string };

const VERSION = 2;

export const WAKE_MESSAGE = JSON.stringify({ v: VERSION, w: 1 });
/** Versions that know none of it take it for a wake-up, which costs them one look at the log. */
export function encodeAnewMessage(origin: string): string {
  return JSON.stringify({ v: VERSION, w: 1, m: origin });
}

export function encodeEntryMessage(epoch: string, { number, keys, buckets, all, purge }: LogEntry): string {
  return JSON.stringify({ v: VERSION, e: epoch, n: number, k: keys, b: buckets, a: all ? 1 : 0, x: purge ? 1 : 0 });
}

/** The message in this text, or `null` if it is not one that this version understands. */
function decodeLogMessage(text: string): LogMessage | null {
  try {
    const { v, w, m, e, n, k, b, a, x } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (v !== VERSION) return null;
    if (w === 1) return typeof m === 'string' ? { kind: 'anew', origin: m } : { kind: 'wake' };
    if (typeof e !== 'string' || !Number.isSafeInteger(n) || !isListOf(k, 'string') || !isListOf(b, 'number')) return null;
    return { kind: 'entry', epoch: e, entry: { number: n as number, keys: k, buckets: b, all: a === 1, purge: x === 1 } };
  } catch {
    return null;
  }
}

/** Tells the listener what a message says. `origin`: ours, whose own messages are no news. */
export function hearLogMessage(text: string, listener: LogStoreListener | null, origin: string): void {
  const message = decodeLogMessage(text);
  if (message === null) listener?.onUnreadable();
  else if (message.kind === 'wake') listener?.onWake();
  else if (message.kind === 'entry') listener?.onEntry(message.epoch, message.entry);
  else if (message.origin !== origin) listener?.onAnew(false);
}
