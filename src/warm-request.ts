import type { Pacer } from './cache/pacer.ts';
import { pause } from './cache/pacer.ts';
import { PopularList } from './cache/popular-list.ts';
import type { PopularStore } from './cache/popular-store.ts';
import type { WarmOutcome } from './cache/warming.ts';
import { systemClock } from './core/clock.ts';
import { ForebayError } from './core/errors.ts';
import type { Condition } from './files/condition/condition.ts';
import { anyOf } from './files/condition/condition.ts';
import { parseCondition } from './files/condition/parse.ts';
import type { FileCaches } from './files/file-caches.ts';
import { withTag } from './files/file-tags.ts';
import type { FileFinder } from './files/finder.ts';
import type { FileId } from './files/records.ts';
import { fileId, parseInput, tagSchema } from './files/records.ts';
import type { WarmedSoFar } from './files/warm-files.ts';
import { nothingWarmed, WARM_FILES, warmFiles } from './files/warm-files.ts';
import type { WarmStart } from './warm-start.ts';

/** What to bring into the tiers: one of `ids`, `tags` and `where`, or without any what all instances read most. */
export interface WarmRequest {
  readonly ids?: readonly string[];
  /** Files that carry one of them, as `invalidate` means it. */
  readonly tags?: readonly string[];
  /** A condition as in SQL's `where`, over the columns of a record; docs/warming.md lists what it may hold. */
  readonly where?: string;
  /** The attributes of files that are named so, too. What is popular has its attributes among it. @defaultValue false */
  readonly meta?: boolean;
  /** Files at most; of what is popular, entries. @defaultValue no limit */
  readonly limit?: number;
  /** Load nothing: say what would be warmed, and how much of it is there already. @defaultValue false */
  readonly dryRun?: boolean;
  /** Ends it; it then resolves with what was done so far. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WarmedSoFar) => void;
}

/** What a warming gained. */
export interface WarmGain extends WarmedSoFar {
  readonly outcome: WarmOutcome;
  readonly dryRun: boolean;
  /** What is filled: `memory` of this process without Redis. */
  readonly tier: 'redis' | 'memory';
  /** Of the reads that are known of what is popular, the share that what was found answers, from 0 to 1; of a dry run of it alone, else `null`. */
  readonly readsFound: number | null;
  /** Of files named by id: those of rounds of which something failed, which are not counted yet; ask for them again in twelve seconds, when leases that were lost have ended. Else none. */
  readonly missed: readonly string[];
  readonly tookMs: number;
  /** The load of the database by this process meanwhile, all of it, and its calm mean (`null` while it is not known), in ms of calls a second. */
  readonly load: number;
  readonly calmLoad: number | null;
}

export interface WarmRequestParts {
  readonly caches: FileCaches;
  readonly finder: FileFinder;
  readonly popular: PopularStore;
  readonly warmth: Pick<WarmStart, 'run' | 'pacer'>;
  readonly remoteState: () => 'off' | 'up' | 'down';
  /** An operator has taken Redis out of use. */
  readonly isIsolated: () => boolean;
}

/** A Redis that is away for a moment, or whose breaker has just opened, is waited for so long, in ms. */
const WAIT_MS = 10_000;
const LOOK_MS = 100;

type Done = Pick<WarmGain, 'outcome' | 'readsFound'> & { readonly counts: WarmedSoFar; readonly missed?: readonly string[] };

/**
 * Warms what is asked for, paced.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export async function warm(parts: WarmRequestParts, request: WarmRequest): Promise<WarmGain> {
  const { pacer } = parts.warmth;
  const what = whatOf(request);
  const startedAt = systemClock.now();
  const busyBefore = pacer.counts.busyMs;
  await whenUp(parts, request.signal);
  const state = parts.remoteState();
  const done: Done =
    state === 'down' ? { outcome: 'no_remote', counts: nothingWarmed(), readsFound: null } : await work(parts, what, request);
  const tookMs = Math.max(1, Math.round(systemClock.now() - startedAt));
  return {
    ...done.counts,
    outcome: done.outcome,
    readsFound: done.readsFound,
    missed: done.missed ?? [],
    dryRun: request.dryRun === true,
    tier: state === 'off' ? 'memory' : 'redis',
    tookMs,
    load: ((pacer.counts.busyMs - busyBefore) * 1000) / tookMs,
    calmLoad: pacer.calmMean,
  };
}

async function whenUp({ remoteState, isIsolated }: WarmRequestParts, signal = new AbortController().signal): Promise<void> {
  const giveUpAt = systemClock.now() + WAIT_MS;
  while (remoteState() === 'down' && !isIsolated() && !signal.aborted && systemClock.now() < giveUpAt)
    await pause(systemClock, LOOK_MS, signal).catch(() => {});
}

type What = { readonly ids: readonly FileId[] } | { readonly condition: Condition } | 'popular';

function whatOf({ ids, tags, where, limit, meta }: WarmRequest): What {
  if ([ids, tags, where].filter((one) => one !== undefined).length > 1)
    throw new ForebayError('INPUT_INVALID', 'give ids, tags or a condition: one of the three, or none for what is popular', {
      field: 'where',
    });
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0))
    throw new ForebayError('INPUT_INVALID', `limit = ${String(limit)}: has to be a whole number of at least 0`, { field: 'limit' });
  if (ids !== undefined) return { ids: ids.map(fileId) };
  if (tags !== undefined) return { condition: anyOf(tags.map((tag) => withTag(parseInput(tagSchema, tag)))) };
  if (where !== undefined) return { condition: parseCondition(where) };
  if (meta !== undefined)
    throw new ForebayError('INPUT_INVALID', 'what is popular has its attributes among it: leave out "meta"', { field: 'meta' });
  return 'popular';
}

async function work(parts: WarmRequestParts, what: What, request: WarmRequest): Promise<Done> {
  const { caches, finder, warmth } = parts;
  const { limit = Number.MAX_SAFE_INTEGER, meta = false, dryRun = false, onProgress = () => {} } = request;
  const signal = request.signal ?? new AbortController().signal;
  if (what !== 'popular') {
    const options = { limit, meta, dryRun, signal, onProgress };
    const { outcome, counts, missed, error } = await warmFiles({ caches, finder, pacer: warmth.pacer, clock: systemClock }, what, options);
    // Nothing was done at all: what kept it from being done says more than a row of zeros.
    if (outcome === 'failed' && error !== null && counts.done === 0) throw error;
    return { outcome, counts, readsFound: null, ...('ids' in what ? { missed } : {}) };
  }
  if (dryRun) return lookAtPopular(parts, warmth.pacer, { limit, signal, onProgress });
  const report = await warmth.run({
    ...(request.limit === undefined ? {} : { limit }),
    signal,
    onProgress: ({ popular, ...counts }) => onProgress({ ...counts, missing: 0, share: popular === 0 ? null : counts.done / popular }),
  });
  const { outcome, popular, loaded, found, absent, failed } = report;
  const done = loaded + found + absent + failed;
  return {
    outcome,
    readsFound: null,
    counts: { done, loaded, found, absent, failed, missing: 0, share: popular === 0 ? 1 : done / popular },
  };
}

/** How much of what is popular is there. */
async function lookAtPopular(
  { caches, popular }: WarmRequestParts,
  pacer: Pacer,
  {
    limit,
    signal,
    onProgress,
  }: { readonly limit: number; readonly signal: AbortSignal; readonly onProgress: (progress: WarmedSoFar) => void },
): Promise<Done> {
  const targets = [caches.info, caches.meta] as const;
  const names = targets.map(({ name }) => name);
  const counts = nothingWarmed();
  // Heat is a binary logarithm: weights are taken in relation to the first.
  const reads = { all: 0, found: 0 };
  let hottest: number | null = null;
  const list = new PopularList({ store: popular, caches: names, limit, pacer, clock: systemClock, signal });
  for (;;) {
    const page = await list.take(WARM_FILES.page);
    if (page.length === 0) break;
    hottest ??= page[0]?.heat ?? 0;
    for (const target of targets) {
      const keys = page.filter(({ cache, key }) => cache === target.name && isId(key));
      const stored = await target.isStored(
        keys.map(({ key }) => fileId(key)),
        { signal },
      );
      for (const [at, { heat }] of keys.entries()) {
        const weight = 2 ** (heat - hottest);
        reads.all += weight;
        if (stored[at] === true) reads.found += weight;
      }
      const found = stored.filter(Boolean).length;
      counts.found += found;
      counts.missing += keys.length - found;
    }
    counts.done += page.length;
    counts.share = Math.min(1, counts.done / Math.max(1, list.size));
    onProgress({ ...counts });
  }
  return { outcome: 'done', counts: { ...counts, share: 1 }, readsFound: reads.all === 0 ? null : reads.found / reads.all };
}

function isId(key: string): key is FileId {
  try {
    fileId(key);
    return true;
  } catch {
    return false;
  }
}
