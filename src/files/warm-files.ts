import type { Pacer } from '../cache/pacer.ts';
import { pause } from '../cache/pacer.ts';
import type { WarmOutcome } from '../cache/warming.ts';
import type { Clock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import type { Condition } from './condition/condition.ts';
import type { FileCaches } from './file-caches.ts';
import type { FileFinder } from './finder.ts';
import type { FileId } from './records.ts';

/** Every number of warming what somebody named. */
export const WARM_FILES = Object.freeze({
  /** Files in one round, and so in one call of the database. */
  batch: 500,
  /** Records that one statement looks at to find those that are meant: 5 to 10 ms of Postgres. */
  page: 5000,
  /** Tries of a round of which something failed: a lease that is held, or a Redis that is slow for a moment. */
  tries: 3,
  /** Pause before the second try, in ms; doubles for the third. */
  backOffMs: 200,
  /** Rounds in a row of which everything failed, after which it gives up. */
  maxBadRounds: 3,
});

/** How far a warming is. An entry is a file's record, or its attributes. */
export interface WarmedSoFar {
  /** Entries gone through. */
  readonly done: number;
  /** Of those: loaded from the database; found in the tiers; known to be absent; not brought in. A dry run loads nothing: what is not there is `missing`. */
  readonly loaded: number;
  readonly found: number;
  readonly absent: number;
  readonly failed: number;
  readonly missing: number;
  /** Share of the way, from 0 to 1; `null` while nobody knows. */
  readonly share: number | null;
}

export interface WarmFilesParts {
  readonly caches: FileCaches;
  readonly finder: FileFinder;
  readonly pacer: Pacer;
  readonly clock: Clock;
}

export interface WarmFilesOptions {
  /** Files at most. */
  readonly limit: number;
  /** Their attributes too. */
  readonly meta: boolean;
  /** Looks only whether they are there. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WarmedSoFar) => void;
}

type Counts = { -readonly [N in keyof WarmedSoFar]: WarmedSoFar[N] };

export const nothingWarmed = (): Counts => ({ done: 0, loaded: 0, found: 0, absent: 0, failed: 0, missing: 0, share: null });

/** A round of what is meant, and how far it leads. */
interface Round {
  readonly ids: readonly FileId[];
  readonly share: number | null;
}

/**
 * Brings files into the tiers, a round at a time, at the pace of the pacer. Run again it skips what is there. Resolves with what was done, whether it came to the end or not.
 * @throws {ForebayError} `INPUT_INVALID` for a condition with a value that the database does not take
 */
export async function warmFiles(
  parts: WarmFilesParts,
  what: { readonly ids: readonly FileId[] } | { readonly condition: Condition },
  options: WarmFilesOptions,
): Promise<{ readonly outcome: WarmOutcome; readonly counts: WarmedSoFar; readonly error: unknown }> {
  const counts = nothingWarmed();
  const { signal, limit } = options;
  let left = limit;
  let bad = 0;
  try {
    for await (const { ids, share } of 'ids' in what ? roundsOf(what.ids) : roundsBy(parts, what.condition, signal)) {
      const batch = ids.slice(0, left);
      left -= batch.length;
      const failed = batch.length === 0 ? 0 : await bring(parts, batch, counts, options);
      counts.share = share;
      options.onProgress({ ...counts });
      bad = failed > 0 && failed >= batch.length ? bad + 1 : 0;
      if (bad >= WARM_FILES.maxBadRounds) return { outcome: 'failed', counts, error: null };
      if (left <= 0) break;
    }
  } catch (error) {
    if (error instanceof ForebayError && error.code === 'INPUT_INVALID') throw error;
    return { outcome: signal.aborted ? 'stopped' : 'failed', counts, error };
  }
  return { outcome: 'done', counts: { ...counts, share: 1 }, error: null };
}

function* roundsOf(ids: readonly FileId[]): Generator<Round> {
  for (let at = 0; at < ids.length; at += WARM_FILES.batch)
    yield { ids: ids.slice(at, at + WARM_FILES.batch), share: Math.min(1, (at + WARM_FILES.batch) / ids.length) };
}

/** Walks all records, a page at a time, and gives those that are meant. Each page is load of the database as what is warmed is. */
async function* roundsBy({ finder, pacer, clock }: WarmFilesParts, condition: Condition, signal: AbortSignal): AsyncGenerator<Round> {
  const about = await finder.about({ signal });
  let seen = 0;
  for (let after: FileId | null = null; ;) {
    await pacer.turn(signal);
    const startedAt = clock.now();
    let page;
    try {
      page = await finder.find(condition, { after, rows: WARM_FILES.page, signal });
    } finally {
      pacer.note(clock.now() - startedAt, 1, 1);
    }
    seen += page.seen;
    // Statistics are of yesterday: a walk is not at its end before it is.
    const share = about === null ? null : Math.min(0.99, seen / about);
    for (const round of roundsOf(page.ids)) yield { ids: round.ids, share };
    if (page.ids.length === 0) yield { ids: [], share };
    if (page.last === null) return;
    after = page.last;
  }
}

/** One round. Gives how many of its entries failed in the end. */
async function bring(parts: WarmFilesParts, ids: readonly FileId[], counts: Counts, options: WarmFilesOptions): Promise<number> {
  const { caches, pacer, clock } = parts;
  const { signal, dryRun, meta } = options;
  const targets = meta ? [caches.info, caches.meta] : [caches.info];
  const size = ids.length * targets.length;
  if (dryRun) {
    const stored = await Promise.all(targets.map((target) => target.isStored(ids, { signal })));
    const found = stored.flat().filter(Boolean).length;
    counts.done += size;
    counts.found += found;
    counts.missing += size - found;
    return 0;
  }
  let loaded = 0;
  for (let tries = 1; ; tries += 1) {
    await pacer.turn(signal);
    const results = await Promise.all(targets.map((target) => target.warm(ids, { storedOnly: true })));
    const sum = (pick: (result: (typeof results)[number]) => number): number => results.reduce((total, result) => total + pick(result), 0);
    loaded += sum((result) => result.loaded);
    const failed = sum((result) => result.failed);
    if (failed === 0 || tries === WARM_FILES.tries || signal.aborted) {
      const absent = sum((result) => result.absent);
      counts.done += size;
      counts.loaded += loaded;
      counts.absent += absent;
      counts.failed += failed;
      // What an earlier try loaded was found by the next.
      counts.found += Math.max(0, size - loaded - absent - failed);
      return failed;
    }
    await pause(clock, WARM_FILES.backOffMs * 2 ** (tries - 1), signal);
  }
}
