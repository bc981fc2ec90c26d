import { expect } from 'vitest';
import type { LogEntry } from '../../src/cache/change-log.ts';
import { encodeEntry } from '../../src/cache/entry.ts';
import type { ApplyReply, LogPart, LogStore } from '../../src/cache/log-store.ts';
import { LogTags } from '../../src/cache/log-tags.ts';
import type { RemoteWorld, StoreOptions } from './remote-tier.world.ts';

export const EPOCH = 'e1';
export const KEY = 'f:{1}';
/** Where the contract's stores keep the log. */
export const TABLE = 'forebay:log';
export const HEAD = 'forebay:log:at';

export type Told = { epoch: string; entry: LogEntry } | 'gap' | 'unreadable' | 'behind' | 'wake' | 'up';

/** A store with the place in the log of the process that uses it, and what it told. */
export interface Follows {
  readonly store: LogStore;
  /** All parts of the store at once. */
  readonly whole: LogPart;
  readonly tags: LogTags;
  /** Where this process is; the tests move it. */
  position: { epoch: string; number: number };
  readonly told: Told[];
  /** Each time that it was told that the store began anew: whether by its own hand. */
  readonly anew: boolean[];
}

/** A process that begins to follow the log at `number`. */
export async function follow(world: RemoteWorld, number: number, options: StoreOptions & { epoch?: string } = {}): Promise<Follows> {
  const { epoch = EPOCH, ...storeOptions } = options;
  const tags = new LogTags();
  tags.begin(epoch, number);
  const store = await world.openStore(tags, storeOptions);
  const process: Follows = { store, whole: wholeOf(store), tags, position: { epoch, number }, told: [], anew: [] };
  store.listen(
    {
      onEntry: (from, entry) => process.told.push({ epoch: from, entry }),
      onGap: () => process.told.push('gap'),
      onUnreadable: () => process.told.push('unreadable'),
      onBehind: () => process.told.push('behind'),
      onWake: () => process.told.push('wake'),
      onAnew: (mine) => process.anew.push(mine),
      onUp: () => process.told.push('up'),
    },
    () => process.position,
  );
  return process;
}

/** The parts of a store as one: what it says only if all of them do, and where the last of them is. */
function wholeOf(store: LogStore): LogPart {
  const least = (fences: readonly number[]): number => Math.min(...fences);
  return {
    apply: async (...args): Promise<ApplyReply> => {
      const replies = await Promise.all(store.parts().map((part) => part.apply(...args)));
      const behind = replies.filter((reply) => reply.outcome === 'behind');
      const ahead = replies.filter((reply) => reply.outcome === 'ahead');
      if (replies.some(({ outcome }) => outcome === 'unavailable')) return { outcome: 'unavailable' };
      if (behind.length > 0) return { outcome: 'behind', fence: least(behind.map(({ fence }) => fence)) };
      return ahead.length === replies.length ? { outcome: 'ahead', fence: least(ahead.map(({ fence }) => fence)) } : { outcome: 'applied' };
    },
    fence: async (...args) => {
      const fences = await Promise.all(store.parts().map((part) => part.fence(...args)));
      if (fences.includes(null)) return null;
      // A read makes the table of one part anew.
      const known = fences.filter((fence) => typeof fence === 'number');
      return known.length === 0 ? 'none' : least(known);
    },
    restart: async (...args) => (await Promise.all(store.parts().map((part) => part.restart(...args)))).every(Boolean),
    state: () => store.state(),
  };
}

export const soon = (): number => performance.now() + 2000;

export function logEntry(number: number, more: Partial<LogEntry> = {}): LogEntry {
  return { number, keys: [], buckets: [], all: false, purge: false, ...more };
}

export async function apply({ whole }: Follows, ...entries: readonly LogEntry[]): Promise<void> {
  for (const entry of entries) expect(await whole.apply(EPOCH, entry, soon())).toEqual({ outcome: 'applied' });
}

/** A value that was loaded when its loader had followed the log up to `stamp`. */
export function loaded(body: string, stamp: number, { buckets = [] as readonly number[], epoch = EPOCH } = {}) {
  const json = Buffer.from(body);
  const entry = encodeEntry({ absent: false, version: 1, ttlMs: 60_000, point: { generation: epoch, stamp }, buckets, json });
  return { entry, expireMs: 60_000, loadedAgoMs: 0 };
}

export const lease = (more: Partial<{ leaseMs: number; replace: boolean; deadline: number }> = {}) => ({
  leaseMs: 5000,
  replace: false,
  deadline: soon(),
  ...more,
});

export async function fill({ store }: Follows, payload: ReturnType<typeof loaded>, key = KEY): Promise<void> {
  expect(await store.acquire(key, 'loader', lease({ replace: true }))).toEqual({ outcome: 'granted' });
  expect(await store.fill(key, 'loader', payload)).toBe('stored');
}

/** The body of the value, `null` for a miss, or why the store does not say. */
export async function bodyOf({ store }: Follows, key = KEY): Promise<string | null> {
  const read = await store.read(key, soon());
  if (read.outcome === 'unavailable') return read.reason;
  return read.outcome === 'miss' ? null : (read.bytes.toString().split('\n')[1] ?? '');
}

export async function elapsed(work: Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work;
  return performance.now() - from;
}
