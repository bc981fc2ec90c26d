import type { z } from 'zod';
import type { BackupDatabase, BackupHeader, EntriesHead } from './backup/format.ts';
import type { BackedUpEntry, BackedUpPopular } from './backup/lines.ts';
import { linesOf, readEntryLine, readPopularLine } from './backup/lines.ts';
import type { Frame } from './backup/reader.ts';
import { readBackup } from './backup/reader.ts';
import type { KeptEntry, KeptOutcome } from './cache/kept.ts';
import type { Pacer } from './cache/pacer.ts';
import { pause } from './cache/pacer.ts';
import type { PopularArchive, PopularStore } from './cache/popular-store.ts';
import type { RemoteTier } from './cache/remote-tier.ts';
import { Rounds } from './cache/rounds.ts';
import type { RestoreResult } from './cache/restores.ts';
import { MAX_TTL_MS } from './cache/ttl.ts';
import { systemClock } from './core/clock.ts';
import { ForebayError } from './core/errors.ts';
import type { FileId } from './files/records.ts';
import { fileId } from './files/records.ts';

/** Every number of restoring. */
export const RESTORING = Object.freeze({
  /** Entries in one round, and so in one question for versions: this process serves others between two of them. */
  batch: 250,
  /** Pauses before what failed is tried again, in ms: soon, and at last when a lease that was given too late to be heard of has ended. */
  againMs: [100, 1_000, 12_000],
  /** An entry that had less to live, in ms, gets a TTL as if it had been loaded now: its version was just looked at, and it would be gone before anybody asks. */
  leastTtlMs: 30_000,
  /** Longest wait for the database to say where its log of changes is, in ms. */
  historyMs: 10_000,
});

export interface RestoreOptions {
  /** TTLs of entries that are put back: what was left of each, less the time that has passed since, or as the policy says of a warmed one. @defaultValue 'keep' */
  readonly ttl?: 'keep' | 'new';
  /** As fast as the database answers one question after the other, and not at the pace of warming. @defaultValue false */
  readonly fast?: boolean;
  /** Looks what would be done, and changes nothing. @defaultValue false */
  readonly dryRun?: boolean;
  /** The header and some chunks of a backup: others may be missing. @defaultValue false */
  readonly partial?: boolean;
  /** Ends it between two rounds; what was done stays done. */
  readonly signal?: AbortSignal;
  /** Told after each round. */
  readonly onProgress?: (counts: RestoreCounts) => void;
}

/** Entries gone through, by what became of them. */
export interface RestoreCounts extends Readonly<Record<KeptOutcome, number>> {
  readonly entries: number;
  /** Popular keys that the table of the database did not have. */
  readonly popular: number;
}

export interface RestoreReport extends RestoreCounts {
  /** Whether versions of the backup say something of this database; if not, all was loaded anew. */
  readonly sameHistory: boolean;
}

/** A cache that can be restored. `schema`: of its records. */
export interface RestoreTarget {
  readonly name: string;
  readonly schema: z.ZodType<{ readonly id: string; readonly version: number }>;
  restore(entries: readonly KeptEntry<FileId>[]): Promise<RestoreResult>;
  compare(entries: readonly KeptEntry<FileId>[], options: { readonly signal: AbortSignal }): Promise<RestoreResult>;
}

export interface RestoreParts {
  readonly tier: RemoteTier;
  readonly targets: readonly RestoreTarget[];
  readonly pacer: Pacer;
  readonly popular: PopularStore & PopularArchive;
  readonly popularRows: number;
  /** The history of the database at this moment. */
  readonly database: (signal: AbortSignal) => Promise<BackupDatabase>;
}

type Counts = { -readonly [name in keyof RestoreCounts]: number };

/** Puts a backup back. Each chunk is checked before anything of it is used; what goes into Redis is decided by the database. */
export class BackupRestorer {
  readonly #p: RestoreParts;
  readonly #ttl: 'keep' | 'new';
  readonly #fast: boolean;
  readonly #dryRun: boolean;
  readonly #signal: AbortSignal;
  readonly #onProgress: (counts: RestoreCounts) => void;
  readonly #counts: Counts = { entries: 0, restored: 0, loaded: 0, found: 0, absent: 0, failed: 0, popular: 0 };
  readonly #rounds = new Rounds(systemClock, RESTORING.batch);

  constructor(parts: RestoreParts, options: RestoreOptions) {
    this.#p = parts;
    this.#ttl = options.ttl ?? 'keep';
    this.#fast = options.fast ?? false;
    this.#dryRun = options.dryRun ?? false;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#onProgress = options.onProgress ?? (() => {});
  }

  /** @throws {ForebayError} `BACKUP_INVALID`, `REDIS_UNAVAILABLE`, `DATABASE_UNAVAILABLE`, and the signal's reason */
  async restore(source: AsyncIterable<Uint8Array>, partial: boolean): Promise<RestoreReport> {
    const { tier } = this.#p;
    if (tier.state() === 'off') throw new ForebayError('REDIS_UNAVAILABLE', 'there is no Redis to restore into');
    let header: BackupHeader | null = null;
    let sameHistory = false;
    for await (const frame of readBackup(source, { partial })) {
      this.#signal.throwIfAborted();
      if (frame.kind === 'header') {
        header = frame.head;
        sameHistory = isSameHistory(header.database, await this.#p.database(this.#signal));
      } else if (header !== null) await this.#take(frame, header, sameHistory);
    }
    return { ...this.#counts, sameHistory };
  }

  async #take(frame: Exclude<Frame, { kind: 'header' }>, { compression }: BackupHeader, sameHistory: boolean): Promise<void> {
    if (frame.kind === 'end') return;
    const lines = await linesOf(frame.head, frame.payload, compression);
    if (frame.kind === 'popular') return this.#mergePopular(lines.map(readPopularLine));
    const target = this.#p.targets.find(({ name }) => name === frame.head.cache);
    if (target === undefined)
      throw new ForebayError('BACKUP_INVALID', `the backup has entries of a cache "${frame.head.cache}", which there is not here`);
    await this.#putBack(target, this.#keptOf(lines.map(readEntryLine), frame.head, target, sameHistory));
  }

  /** What of the entries may be put back as it is: what is no record by the rules of this version is but a key. */
  #keptOf(entries: readonly BackedUpEntry[], { at }: EntriesHead, { schema }: RestoreTarget, sameHistory: boolean): KeptEntry<FileId>[] {
    const passedMs = Math.max(0, systemClock.wallNow() - at);
    const unique = new Map(entries.map((entry) => [entry.key, entry]));
    return [...unique.values()].flatMap(({ key, version, ttlLeftMs, json }) => {
      const id = idOf(key);
      if (id === null) return [];
      const isRecord = json !== null && sameHistory && isRecordOf(schema, json, id, version);
      const leftMs = Math.min(ttlLeftMs - passedMs, MAX_TTL_MS);
      return [
        { key: id, version, json: isRecord ? json : null, ttlMs: this.#ttl === 'keep' && leftMs >= RESTORING.leastTtlMs ? leftMs : null },
      ];
    });
  }

  async #putBack(target: RestoreTarget, entries: readonly KeptEntry<FileId>[]): Promise<void> {
    let left = entries;
    for (const againMs of [...RESTORING.againMs, null]) {
      left = await this.#goThrough(target, left, againMs === null);
      if (left.length === 0 || againMs === null) return;
      await pause(systemClock, againMs, this.#signal);
    }
  }

  /** Goes through entries once; gives those that failed, unless it is for the last time. */
  async #goThrough(target: RestoreTarget, entries: readonly KeptEntry<FileId>[], isLast: boolean): Promise<KeptEntry<FileId>[]> {
    const failed: KeptEntry<FileId>[] = [];
    for (let at = 0; at < entries.length;) {
      this.#signal.throwIfAborted();
      if (!this.#fast) await this.#p.pacer.turn(this.#signal);
      const batch = entries.slice(at, at + this.#rounds.size);
      at += batch.length;
      const result = await (this.#dryRun ? target.compare(batch, { signal: this.#signal }) : target.restore(batch));
      let bad = 0;
      result.outcomes.forEach((outcome, i) => {
        if (outcome === 'failed') bad += 1;
        if (outcome === 'failed' && !isLast) {
          failed.push(batch[i] as KeptEntry<FileId>);
          return;
        }
        this.#counts.entries += 1;
        this.#counts[outcome] += 1;
      });
      this.#onProgress({ ...this.#counts });
      if (!(await this.#rounds.judge(bad, batch.length, this.#signal))) throw whyNothingGoes(this.#p.tier, result.error);
    }
    return failed;
  }

  async #mergePopular(popular: readonly BackedUpPopular[]): Promise<void> {
    if (this.#dryRun) return;
    const names = new Set(this.#p.targets.map(({ name }) => name));
    const known = popular.filter(({ cache, key }) => names.has(cache) && idOf(key) !== null);
    // Of one that came twice, since it cooled down meanwhile, the first was hotter.
    const unique = new Map(known.toReversed().map((key) => [`${key.cache} ${key.key}`, key]));
    if (unique.size === 0) return;
    if (!this.#fast) await this.#p.pacer.turn(this.#signal);
    const startedAt = systemClock.now();
    const added = await this.#p.popular.merge([...unique.values()], { signal: this.#signal });
    this.#p.pacer.note(systemClock.now() - startedAt, 1, 1);
    this.#counts.popular += added;
    if (added > 0) await this.#p.popular.trim(this.#p.popularRows, { signal: this.#signal });
  }
}

/**
 * Whether a version says now what it said when the backup was made. A database that was restored to an earlier state, or lost its last commits in a fail-over, gives versions a second time: its log of changes then has a
 * new epoch, or is not as far as it was, or Postgres has begun another timeline.
 */
function isSameHistory(then: BackupDatabase, now: BackupDatabase): boolean {
  return then.epoch !== '' && then.epoch === now.epoch && then.number <= now.number && then.timeline === now.timeline;
}

function isRecordOf(schema: RestoreTarget['schema'], json: Buffer, id: string, version: number): boolean {
  try {
    const { success, data } = schema.safeParse(JSON.parse(json.toString()));
    return success && data.id === id && data.version === version;
  } catch {
    return false;
  }
}

function idOf(key: string): FileId | null {
  try {
    return fileId(key);
  } catch {
    return null;
  }
}

function whyNothingGoes(tier: RemoteTier, error: ForebayError | null): ForebayError {
  const isAway = tier.state() !== 'up';
  if (!isAway && error !== null && error.code !== 'OVERLOADED') return error;
  const why = isAway ? 'Redis does not answer' : 'Redis takes nothing, or too slowly';
  return new ForebayError('REDIS_UNAVAILABLE', `${why}: what was restored stays, run it again`, { cause: error });
}
