import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import type { z } from 'zod';
import { ForebayError } from '../../core/errors.ts';
import { WARMING } from '../../cache/warming.ts';
import { fileId } from '../../files/records.ts';
import { WARM_FILES } from '../../files/warm-files.ts';
import { MAX_BATCH } from '../../service/routes/schemas.ts';
import { warmGain, warmProgress } from '../../service/routes/warm-schema.ts';
import type { ServiceCaller } from '../service-command.ts';
import { addServiceOrAloneFlags, withService } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import { wholeNumber } from '../whole-number.ts';
import type { WorkProgress } from '../progress.ts';
import { inWords, showWork } from '../progress.ts';

interface Flags {
  readonly tag?: readonly string[];
  readonly where?: string;
  readonly meta?: boolean;
  readonly limit?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const MAX_LIMIT = 1_000_000_000;

type Gain = z.output<typeof warmGain>;
type Progress = z.output<typeof warmProgress>;

const EXAMPLES = `
Without ids, a tag or a condition it warms what all instances read most, by the table that they keep in the database. The service that is asked does the work, at a pace that keeps the load of the
database below three times its calm mean. What is in Redis and counts is left there, so it can be stopped and run again at any time.

A condition compares the columns id, name, path, size, mime_type, owner_id, sha256, created_at, updated_at and version by =, <>, <, <=, >, >=, like, ilike, in (…), between … and …, is null, and
'TAG' = any(tags), joined by and, or, not and parentheses. Every record is looked at, 5,000 in one statement.

Examples:
  forebay warm                                             what is popular
  forebay warm --dry-run                                   how much of it is in Redis now
  forebay warm 018f4e9a-1b2c-7d3e-8f40-123456789abc
  psql -Atc "select id from documents where …" | forebay warm -     ids from standard input, one in a line, as many as you like
  forebay warm --tag folder:/srv/a --tag owner:ann --meta  with their attributes
  forebay warm --where "size > 1000000 and mime_type like 'image/%'" --limit 10000
  forebay warm --where "updated_at > now() - interval '1 day'"
  forebay warm --alone                                     without a running service, on the database and Redis of the settings

Exit codes: 0 all that was meant was gone through; 1 it was not, or some of it could not be brought in: run it again; 2 wrong command line, condition or id; 130 interrupted.`;

/** `forebay warm`: fills the caches ahead of demand. */
export function warmCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('warm')
    .description(
      'Fill the caches ahead of demand: with what is popular, files by id, all files with a tag, or those that fulfil a condition.',
    )
    .argument('[ID...]', 'ids of files; - reads them from standard input')
    .option('--tag <TAG...>', 'tags: all files that carry one of them')
    .option('--where <CONDITION>', "a condition on files' records, as in SQL")
    .option('--meta', 'the attributes of those files too')
    .option('--limit <N>', 'files at most')
    .option('--dry-run', 'say how much there is to warm and how much of it is there, and load nothing')
    .option('--json', 'print what was gained as JSON');
  addServiceOrAloneFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async (given: string[]) => {
    done(await warm(command, shell, given));
  });
}

async function warm(command: Command, shell: Shell, given: readonly string[]): Promise<ExitCode> {
  const flags = command.opts<Flags>();
  const body = bodyOf(given, flags);
  const batches = given.length === 0 ? null : batchesOf(given, shell, body.limit);
  const progress = showWork(shell, flags.dryRun === true ? 'looking' : 'warming', 'entries');
  const sum = new Sum(progress);
  try {
    const gain = await withService(command, shell, async (service) => {
      if (batches === null) return sum.add(await ask(service, body, sum));
      const { limit: _, ...rest } = body;
      const missed = await askInParts(service, rest, batches, sum);
      await goThroughMissed(service, rest, missed, sum, shell);
      return sum.gain;
    });
    progress.end();
    tell(shell, flags, gain, whatOf(given, flags));
    return gain === null || (gain.outcome === 'done' && gain.failed === 0) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    progress.end();
    const { soFar } = sum;
    if (soFar.done > 0)
      shell.note(
        `forebay: ${shell.stop.aborted ? 'stopped' : 'broken off'} after ${counted(soFar)}; run it again: what is there is skipped`,
      );
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    progress.end();
  }
}

/** What is asked of the service, without the ids. */
function bodyOf(given: readonly string[], { tag, where, meta, limit, dryRun }: Flags): { readonly limit?: number } {
  if ([given.length > 0, tag !== undefined, where !== undefined].filter(Boolean).length > 1)
    throw new ForebayError('INPUT_INVALID', 'give ids, --tag or --where: one of the three, or none for what is popular', {
      field: 'where',
    });
  if (meta === true && given.length === 0 && tag === undefined && where === undefined)
    throw new ForebayError('INPUT_INVALID', 'what is popular has its attributes among it: leave out --meta', { field: 'meta' });
  return {
    ...(tag === undefined ? {} : { tags: tag }),
    ...(where === undefined ? {} : { where }),
    ...(meta === true ? { meta } : {}),
    ...(dryRun === true ? { dryRun } : {}),
    ...(limit === undefined ? {} : { limit: wholeNumber('limit', limit, 0, MAX_LIMIT) }),
  };
}

const ask = (service: ServiceCaller, body: object, sum: Sum): Promise<Gain> =>
  service.follow('/v1/cache/warm', { progress: warmProgress, result: warmGain }, { body, onProgress: (part) => sum.show(part) });

/** Asks for one part after the other. Gives the files that are worth another pass. */
async function askInParts(
  service: ServiceCaller,
  body: object,
  parts: AsyncIterable<readonly string[]> | Iterable<readonly string[]>,
  sum: Sum,
): Promise<string[]> {
  const missed: string[] = [];
  for await (const ids of parts) {
    const gain = await ask(service, { ...body, ids }, sum);
    sum.add(gain);
    if (missed.length + gain.missed.length <= WARM_FILES.maxMissed) missed.push(...gain.missed);
    else sum.fail(gain.missed.length);
    if (gain.outcome !== 'done') break;
  }
  return missed;
}

/** Files of which something failed, mostly for leases that were given and not in time heard of: once more when those have ended. What fails then has failed. */
async function goThroughMissed(service: ServiceCaller, body: object, missed: readonly string[], sum: Sum, shell: Shell): Promise<void> {
  let left = missed;
  for (let pass = 2; pass <= WARM_FILES.passes && left.length > 0 && sum.gain?.outcome === 'done'; pass += 1) {
    await setTimeout(WARMING.betweenPassesMs, undefined, { signal: shell.stop });
    const parts = Array.from({ length: Math.ceil(left.length / MAX_BATCH) }, (_, at) => left.slice(at * MAX_BATCH, (at + 1) * MAX_BATCH));
    left = await askInParts(service, body, parts, sum);
  }
  sum.fail(left.length);
}

/** Ids, as many at a time as one question may hold; of standard input no more is kept in memory than that. */
async function* batchesOf(given: readonly string[], shell: Shell, limit = Number.MAX_SAFE_INTEGER): AsyncGenerator<readonly string[]> {
  let batch: string[] = [];
  let left = limit;
  for await (const id of idsOf(given, shell)) {
    if (left <= 0) break;
    left -= 1;
    batch.push(id);
    if (batch.length < MAX_BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* idsOf(given: readonly string[], shell: Shell): AsyncGenerator<string> {
  // Before anything is done.
  const named = given.filter((text) => text !== '-').map(fileId);
  yield* named;
  if (!given.includes('-')) return;
  let number = 0;
  for await (const line of shell.inputLines()) {
    number += 1;
    const text = line.trim();
    if (text === '') continue;
    try {
      yield fileId(text);
    } catch (error) {
      throw new ForebayError(
        'INPUT_INVALID',
        `line ${number} of standard input: ${(error as Error).message}; the lines before it are done or were about to be: mend it and run it again`,
        {
          field: `line ${number}`,
          cause: error,
        },
      );
    }
  }
}

/** What several answers come to. */
class Sum {
  readonly #progress: WorkProgress;
  #parts = 0;
  /** Of the answer that is under way. */
  #part: Progress | null = null;
  /** When the first part began, monotonic ms. */
  #startedAt: number | null = null;
  /** Time of calls of the database, times 1,000. */
  #callMs = 0;
  gain: Gain | null = null;

  constructor(progress: WorkProgress) {
    this.#progress = progress;
  }

  get soFar(): Progress {
    return this.#part === null ? (this.gain ?? NOTHING) : this.gain === null ? this.#part : added(this.gain, this.#part);
  }

  /** Files that were given up. */
  fail(files: number): void {
    if (this.gain !== null) this.gain = { ...this.gain, done: this.gain.done + files, failed: this.gain.failed + files };
  }

  show(part: Progress): void {
    this.#part = part;
    const { done, share, failed } = this.soFar;
    // Of ids that come in parts nobody knows how many there will be.
    this.#progress.update({ done, share: this.#parts > 0 ? null : share, ...(failed === 0 ? {} : { note: `${failed} failed` }) });
  }

  add(part: Gain): Gain {
    const { gain } = this;
    const now = performance.now();
    this.#part = null;
    this.#startedAt ??= now - part.tookMs;
    this.#callMs += part.load * part.tookMs;
    this.#parts += 1;
    if (gain === null) return (this.gain = part);
    // The pauses between parts too.
    const tookMs = Math.round(now - this.#startedAt);
    this.gain = { ...part, ...added(gain, part), tookMs, load: this.#callMs / tookMs };
    return this.gain;
  }
}

const NOTHING: Progress = { done: 0, loaded: 0, found: 0, absent: 0, failed: 0, missing: 0, share: null };

function added(a: Progress, b: Progress): Progress {
  const sum = {
    done: a.done + b.done,
    loaded: a.loaded + b.loaded,
    absent: a.absent + b.absent,
    failed: a.failed + b.failed,
    missing: a.missing + b.missing,
  };
  // What was loaded in one pass was found by the next.
  return { ...sum, found: Math.max(0, sum.done - sum.loaded - sum.absent - sum.failed - sum.missing), share: b.share };
}

type What = 'popular' | 'ids' | 'files';

const whatOf = (given: readonly string[], { tag, where }: Flags): What =>
  given.length > 0 ? 'ids' : tag !== undefined || where !== undefined ? 'files' : 'popular';

function tell(shell: Shell, { json = false, dryRun = false }: Flags, gain: Gain | null, what: What): void {
  if (json) return shell.out(JSON.stringify(gain ?? { ...NOTHING, outcome: 'done', dryRun }));
  if (gain === null || gain.done === 0) shell.out(nothing(gain, what));
  else for (const line of dryRun ? described(gain, what) : gained(gain, what)) shell.out(line);
  const advice = ADVICE[gain?.outcome ?? 'done'];
  if (advice !== '') shell.note(`forebay: ${advice}`);
}

const ADVICE: Readonly<Record<Gain['outcome'], string>> = Object.freeze({
  done: '',
  elsewhere: 'another instance warms what is popular at this moment; see the log of the others, and run it again when it has ended',
  no_remote: 'Redis cannot be asked, so nothing more was loaded; forebay status says why, and run again it skips what is there',
  failed: 'Redis or the database did not answer any more; forebay status says why, and run again it skips what is there',
  stopped: 'it was stopped; run it again: what is there is skipped',
});

function nothing(gain: Gain | null, what: What): string {
  if (gain !== null && gain.outcome !== 'done') return 'Nothing was warmed.';
  if (what === 'popular') return 'Nothing is popular yet: instances write down what is read most once a minute.';
  return what === 'ids' ? 'There were no ids: nothing to warm.' : 'No file is meant by that: nothing to warm.';
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const place = ({ tier }: Gain): string => (tier === 'redis' ? 'Redis' : 'the memory of the service');

function described(gain: Gain, what: What): string[] {
  const of = what === 'popular' ? 'of what is popular' : 'of them';
  const reads = gain.readsFound === null ? '' : `; they answer ${percent(gain.readsFound)} of its reads`;
  return [
    `${gain.done} entries would be warmed: ${gain.found} are in ${place(gain)} (${percent(gain.found / gain.done)} ${of}${reads}), ${gain.missing} would be loaded.`,
  ];
}

function gained(gain: Gain, what: What): string[] {
  const there = gain.found + gain.loaded;
  const exist = Math.max(1, gain.done - gain.absent);
  const of = what === 'popular' ? 'of what is popular' : 'of them';
  const calm = gain.calmLoad === null ? 'its calm mean is not known yet' : `its calm mean is ${gain.calmLoad.toFixed(0)}`;
  return [
    `${counted(gain)}, in ${inWords(gain.tookMs)}.`,
    `${percent(there / exist)} ${of} ${there === 1 ? 'is' : 'are'} in ${place(gain)} now; before, it was ${percent(gain.found / exist)}. The next reads of ${gain.loaded} entries do not ask the database.`,
    `The service loaded its database by ${gain.load.toFixed(0)} ms of calls a second meanwhile; ${calm}.`,
  ];
}

const counted = ({ done, loaded, found, absent, failed }: Progress): string =>
  `${done} entries: ${loaded} loaded, ${found} found${absent === 0 ? '' : `, ${absent} absent`}, ${failed} failed`;
