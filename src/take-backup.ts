import { setTimeout as pause } from 'node:timers/promises';
import { checkCompression, defaultCompression } from './backup/compress.ts';
import type { BackupDatabase, Compression } from './backup/format.ts';
import type { BackedUpEntry } from './backup/lines.ts';
import { Lines } from './backup/lines.ts';
import { BackupWriter } from './backup/writer.ts';
import { decodeEntry } from './cache/entry.ts';
import type { PopularStore, RankedKey } from './cache/popular-store.ts';
import type { RemoteRead, RemoteTier } from './cache/remote-tier.ts';
import type { StoredKeys } from './cache/stored-keys.ts';
import { systemClock } from './core/clock.ts';
import { ForebayError, toForebayError } from './core/errors.ts';

/** Every number of taking a backup. */
const TAKING = Object.freeze({
  /** Longest wait for the answer of one read of Redis, in ms. Nobody's read waits for it. */
  readMs: 2_000,
  /** A Redis that does not answer, or has not followed the log, is asked again so often and for so long, in ms. */
  retryMs: 200,
  patienceMs: 30_000,
  /** At the beginning it is waited for so long only, in ms: one that is down is no news to wait for. */
  startMs: 5_000,
  /** Between two pages Redis and this process have twice as long for others as the page took, and so long at least and at most, in ms. */
  leastPauseMs: 2,
  mostPauseMs: 100,
  /** Popular keys in one question. */
  popularPage: 5_000,
});

export interface BackupOptions {
  /** @defaultValue zstd where this Node has it, else gzip */
  readonly compression?: Compression;
  /** Ends it: what was made until then says that it broke off. */
  readonly signal?: AbortSignal;
}

/** Some bytes of a backup. */
export interface Piece {
  readonly bytes: Buffer;
  /** Whether these are the last, and it is whole. */
  readonly isEnd: boolean;
}

export interface BackupParts {
  readonly tier: RemoteTier;
  readonly keys: StoredKeys | null;
  /** Names of the caches. */
  readonly caches: readonly string[];
  readonly popular: PopularStore;
  /** The history of the database at this moment. */
  readonly database: (signal: AbortSignal) => Promise<BackupDatabase>;
  readonly version: string;
}

/**
 * A backup, piece by piece: all entries of the caches that are in Redis and count, and what is popular. Needs memory for a chunk or two, whatever there is, and goes on as fast as they are taken.
 *
 * It rejects before the first piece when it cannot begin. What goes wrong later, or a signal, ends it with a piece that says so: whoever reads it knows that it is not whole.
 * @throws {ForebayError} `REDIS_UNAVAILABLE`, `INPUT_INVALID`, and what the database says
 */
export async function* takeBackup(parts: BackupParts, options: BackupOptions = {}): AsyncGenerator<Piece> {
  const { signal = new AbortController().signal } = options;
  const { tier, keys, caches, version } = parts;
  if (keys === null)
    throw new ForebayError('REDIS_UNAVAILABLE', 'there is no Redis: what is cached lies in process memory alone, and is not backed up');
  const writer = new BackupWriter(checkCompression(options.compression ?? defaultCompression()));
  signal.throwIfAborted();
  await eventually(signal, TAKING.startMs, () => (tier.state() === 'up' ? true : null));
  const { topology, keyPrefix } = keys;
  const source = { topology, keyPrefix };
  const expected = await keys.count(signal);
  const database = await parts.database(signal);
  const createdAt = new Date().toISOString();
  yield piece(writer.header({ createdAt, forebay: version, source, caches: [...caches], database, expected }));
  try {
    for await (const bytes of popularChunks(parts, writer, signal)) yield piece(bytes);
    for await (const bytes of entryChunks(tier, keys, caches, writer, signal)) yield piece(bytes);
    yield { bytes: writer.end(), isEnd: true };
  } catch (thrown) {
    yield piece(writer.failed(toForebayError(thrown, 'CLOSED', 'it was ended')));
  }
}

const piece = (bytes: Buffer): Piece => ({ bytes, isEnd: false });

async function* popularChunks({ popular, caches }: BackupParts, writer: BackupWriter, signal: AbortSignal): AsyncGenerator<Buffer> {
  const lines = new Lines();
  let last: RankedKey | null = null;
  do {
    const page: readonly RankedKey[] = await popular.top(caches, TAKING.popularPage, last, { signal });
    last = page.length < TAKING.popularPage ? null : (page.at(-1) ?? null);
    for (const key of page) {
      lines.addPopular(key);
      if (lines.isFull) yield await writer.popular(lines);
    }
  } while (last !== null);
  if (lines.size > 0) yield await writer.popular(lines);
}

/** Lines of one cache that wait for their chunk to be full. `at`: when the first of them was read. */
interface Waiting {
  readonly lines: Lines;
  at: number;
}

async function* entryChunks(
  tier: RemoteTier,
  keys: StoredKeys,
  caches: readonly string[],
  writer: BackupWriter,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const waiting = new Map<string, Waiting>(caches.map((name) => [name, { lines: new Lines(), at: 0 }]));
  for await (const page of keys.pages(commonStart(caches), signal)) {
    const startedAt = performance.now();
    for (const [cache, names] of byCache(page, caches)) {
      const into = waiting.get(cache) as Waiting;
      for (const entry of await readEntries(tier, cache, names, signal)) {
        if (into.lines.size === 0) into.at = Date.now();
        into.lines.addEntry(entry);
        if (into.lines.isFull) yield await writer.entries(cache, into.lines, into.at);
      }
    }
    const tookMs = performance.now() - startedAt;
    await pause(Math.min(Math.max(2 * tookMs, TAKING.leastPauseMs), TAKING.mostPauseMs), undefined, { signal });
  }
  for (const [cache, { lines, at }] of waiting) if (lines.size > 0) yield await writer.entries(cache, lines, at);
}

/** Entries that count: what was invalidated, has expired or is none of ours is left out. */
async function readEntries(tier: RemoteTier, cache: string, names: readonly string[], signal: AbortSignal): Promise<BackedUpEntry[]> {
  const reads = await Promise.all(names.map((name) => readPatiently(tier, name, signal)));
  return reads.flatMap((read, i) => {
    const name = names[i] as string;
    const entry = read.outcome === 'found' ? decodeEntry(read.bytes) : null;
    if (read.outcome !== 'found' || entry === null || !tier.tags.isGood(entry.point, entry.buckets)) return [];
    const ttlLeftMs = entry.loadedAt + entry.ttlMs - read.serverNow;
    if (ttlLeftMs <= 0) return [];
    const { version, absent, json } = entry;
    return [{ key: name.slice(cache.length + 2, -1), version, ttlLeftMs, json: absent ? null : json }];
  });
}

function readPatiently(tier: RemoteTier, name: string, signal: AbortSignal): Promise<RemoteRead> {
  return eventually(signal, TAKING.patienceMs, async () => {
    const read = await tier.read(name, systemClock.now() + TAKING.readMs);
    return read.outcome === 'unavailable' ? null : read;
  });
}

/** Asks Redis until it answers. @throws {ForebayError} `REDIS_UNAVAILABLE` */
async function eventually<T>(signal: AbortSignal, patienceMs: number, ask: () => T | null | Promise<T | null>): Promise<T> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() >= giveUpAt)
      throw new ForebayError(
        'REDIS_UNAVAILABLE',
        `Redis did not answer for ${patienceMs / 1000} s, or has not followed the changes of the database for so long; try again when it does`,
      );
    await pause(TAKING.retryMs, undefined, { signal });
  }
}

/** Full names of keys by their cache: values alone, no leases. */
function byCache(names: readonly string[], caches: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of new Set(names)) {
    const cache = name.endsWith('}') ? caches.find((of) => name.startsWith(`${of}:{`)) : undefined;
    if (cache === undefined) continue;
    const some = found.get(cache) ?? [];
    some.push(name);
    found.set(cache, some);
  }
  return found;
}

function commonStart([first = '', ...others]: readonly string[]): string {
  let length = first.length;
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}
