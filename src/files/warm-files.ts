import type { Pacer } from '../cache/pacer.ts';
import { pause } from '../cache/pacer.ts';
import { Rounds } from '../cache/rounds.ts';
import type { WarmResult } from '../cache/cache-types.ts';
import type { WarmOutcome } from '../cache/warming.ts';
import { WARMING } from '../cache/warming.ts';
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
  /** Times that files are gone through, but for the first only those of rounds of which something failed; of files by id once, since whoever named them has them still. */
  passes: 3,
  /** Files kept for another pass at most: 10 MB or so. What fails beyond them has failed. */
  maxMissed: 100_000,
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

/** Some of what is meant, and how far it leads. */
interface Stretch {
  readonly ids: readonly FileId[];
  readonly share: number | null;
}

export interface FilesWarmed {
  readonly outcome: WarmOutcome;
  readonly counts: WarmedSoFar;
  /** Files of rounds of which something failed, and which are not among the counts but for what was loaded: worth another pass, when leases that were lost have ended. */
  readonly missed: readonly FileId[];
  readonly error: unknown;
}

/**
 * Brings files into the tiers, a round at a time, at the pace of the pacer. Run again it skips what is there. Resolves with what was done, whether it came to the end or not.
 * @throws {ForebayError} `INPUT_INVALID` for a condition with a value that the database does not take
 */
export async function warmFiles(
  parts: WarmFilesParts,
  what: { readonly ids: readonly FileId[] } | { readonly condition: Condition },
  options: WarmFilesOptions,
): Promise<FilesWarmed> {
  const course = new WarmFilesCourse(parts, options);
  const { signal } = options;
  try {
    const isWhole =
      'ids' in what
        ? await course.goThrough([{ ids: what.ids, share: 1 }], false)
        : await course.passes(stretchesBy(parts, what.condition, signal));
    return { ...course.state, outcome: isWhole ? 'done' : 'failed', error: null };
  } catch (error) {
    if (error instanceof ForebayError && error.code === 'INPUT_INVALID') throw error;
    return { ...course.state, outcome: signal.aborted ? 'stopped' : 'failed', error };
  }
}

/** Walks all records, a page at a time, and gives those that are meant. Each page is load of the database as what is warmed is. */
async function* stretchesBy({ finder, pacer, clock }: WarmFilesParts, condition: Condition, signal: AbortSignal): AsyncGenerator<Stretch> {
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
    yield { ids: page.ids, share: about === null ? null : Math.min(0.99, seen / about) };
    if (page.last === null) return;
    after = page.last;
  }
}

/** One warming, from the first file to the last. */
class WarmFilesCourse {
  readonly #p: WarmFilesParts;
  readonly #o: WarmFilesOptions;
  readonly #targets: readonly (FileCaches['info'] | FileCaches['meta'])[];
  readonly #counts = nothingWarmed();
  #missed: FileId[] = [];
  #left: number;
  readonly #rounds: Rounds;

  constructor(parts: WarmFilesParts, options: WarmFilesOptions) {
    this.#p = parts;
    this.#o = options;
    this.#left = options.limit;
    this.#rounds = new Rounds(parts.clock, WARM_FILES.batch);
    this.#targets = options.meta ? [parts.caches.info, parts.caches.meta] : [parts.caches.info];
  }

  get state(): Pick<FilesWarmed, 'counts' | 'missed'> {
    return { counts: { ...this.#counts }, missed: this.#missed };
  }

  /** Goes through what comes, and then through the rounds of which something failed. Gives whether it came to the end. */
  async passes(stretches: AsyncIterable<Stretch>): Promise<boolean> {
    if (!(await this.goThrough(stretches, false))) return false;
    for (let pass = 2; pass <= WARM_FILES.passes && this.#missed.length > 0; pass += 1) {
      // A lease that was given, but not in time to be heard of, has to end first.
      await pause(this.#p.clock, WARMING.betweenPassesMs, this.#o.signal);
      const ids = this.#missed;
      this.#missed = [];
      this.#left = ids.length;
      if (!(await this.goThrough([{ ids, share: 0.99 }], pass === WARM_FILES.passes))) return false;
    }
    this.#counts.share = 1;
    return true;
  }

  /** `isLast`: what fails has failed. Gives whether it came to the end. */
  async goThrough(stretches: Iterable<Stretch> | AsyncIterable<Stretch>, isLast: boolean): Promise<boolean> {
    for await (const { ids, share } of stretches) {
      const before = this.#counts.share ?? 0;
      for (let at = 0; at < ids.length && this.#left > 0;) {
        const batch = ids.slice(at, at + Math.min(this.#rounds.size, this.#left));
        at += batch.length;
        this.#left -= batch.length;
        const goesOn = await this.#round(batch, isLast);
        this.#counts.share = share === null ? null : before + (share - before) * (at / ids.length);
        this.#o.onProgress({ ...this.#counts });
        if (!goesOn) return false;
      }
      if (ids.length === 0) this.#o.onProgress({ ...this.#counts, share });
      this.#counts.share = share;
      if (this.#left <= 0) break;
    }
    return true;
  }

  /** Gives whether to go on. */
  async #round(batch: readonly FileId[], isLast: boolean): Promise<boolean> {
    const { pacer } = this.#p;
    const { signal, dryRun } = this.#o;
    const counts = this.#counts;
    const entries = batch.length * this.#targets.length;
    if (dryRun) {
      const stored = await Promise.all(this.#targets.map((target) => target.isStored(batch, { signal })));
      const found = stored.flat().filter(Boolean).length;
      counts.done += entries;
      counts.found += found;
      counts.missing += entries - found;
      return true;
    }
    await pacer.turn(signal);
    const { loaded, absent, failed } = await this.#bring(batch);
    counts.loaded += loaded;
    const mayTryAgain = failed > 0 && this.#missed.length + batch.length <= WARM_FILES.maxMissed;
    if (mayTryAgain) this.#missed.push(...batch);
    if (!mayTryAgain || isLast) {
      counts.done += entries;
      counts.absent += absent;
      counts.failed += failed;
    }
    // The rest was there, but for what an earlier pass loaded that was then gone through again.
    counts.found = Math.max(0, counts.done - counts.loaded - counts.absent - counts.failed);
    return this.#rounds.judge(failed, entries, signal);
  }

  async #bring(batch: readonly FileId[]): Promise<Pick<WarmResult, 'loaded' | 'absent' | 'failed'>> {
    const results = await Promise.all(this.#targets.map((target) => target.warm(batch, { storedOnly: true })));
    const sum = { loaded: 0, absent: 0, failed: 0 };
    for (const { loaded, absent, failed } of results) {
      sum.loaded += loaded;
      sum.absent += absent;
      sum.failed += failed;
    }
    return sum;
  }
}
