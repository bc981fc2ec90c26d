import { createReadStream } from 'node:fs';
import { Command, Option } from 'commander';
import { readBackup } from '../../backup/reader.ts';
import type { RestoreAnswer } from '../../service/routes/backup.ts';
import { restoreCounts, restoreReport } from '../../service/routes/backup.ts';
import type { CheckedBackup } from '../checked-backup.ts';
import { checkBackup } from '../checked-backup.ts';
import type { ServiceCaller } from '../service-command.ts';
import { addServiceOrAloneFlags, withService } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import type { WorkProgress } from '../progress.ts';
import { inWords, showWork } from '../progress.ts';

interface Flags {
  readonly ttl: 'keep' | 'new';
  readonly fast?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
All of the file is checked before anything is written. Then the database is asked for the version of each record: what still has the one in the backup is put back, what has another one is loaded anew, and what
is gone is left out, so nothing older than the database comes back. What Redis has already is left. It may be stopped and run again at any time, and goes on where it was. A backup of one server can be
restored into a Cluster, and the other way round.

Examples:
  forebay restore cache.forebay
  forebay restore cache.forebay --dry-run            checks the file, and says what would be done
  ssh host cat cache.forebay | forebay restore -     kept in the folder for temporary files until it is checked and done
  forebay restore cache.forebay --fast               as fast as the database answers: for one that nobody uses yet
  forebay restore cache.forebay --ttl new            entries live as if they had been loaded now
  forebay restore cache.forebay --alone              without a running service, on the database and Redis of the settings

Exit codes: 0 all of it was gone through; 1 it was not, or some entries could not be stored: run it again; 2 wrong command line, or a file that is missing, damaged or none; 130 interrupted.`;

/** `forebay restore`: a backup, back into Redis. */
export function restoreCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('restore')
    .description('Put a backup back into Redis, each entry by what the database says of its version.')
    .argument('<FILE>', 'the backup; - is standard input')
    .addOption(
      new Option('--ttl <HOW>', 'how long entries live: keep = what was left less the time since, new = as if loaded now')
        .choices(['keep', 'new'])
        .default('keep'),
    )
    .option('--fast', 'as fast as the database answers, not at the pace of warming')
    .option('--dry-run', 'check the file, say what would be done, and change nothing')
    .option('--json', 'print what was done as JSON');
  addServiceOrAloneFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async (file: string) => {
    done(await restore(command, shell, file));
  });
}

async function restore(command: Command, shell: Shell, file: string): Promise<ExitCode> {
  const flags = command.opts<Flags>();
  const startedAt = performance.now();
  const sum = new Sum();
  let checked: CheckedBackup | null = null;
  let progress: WorkProgress | null = null;
  try {
    checked = await checkBackup(file, shell);
    const { path, entries: total } = checked;
    const shown = showWork(shell, flags.dryRun === true ? 'looking' : 'restoring', 'entries');
    progress = shown;
    await withService(command, shell, (service) =>
      send(
        service,
        path,
        flags,
        (part) => {
          sum.show(part);
          show(shown, sum.counts, total);
        },
        sum,
      ),
    );
    shown.end();
    tell(shell, flags, sum, total, performance.now() - startedAt);
    return sum.counts.failed === 0 ? EXIT.ok : EXIT.failed;
  } catch (error) {
    progress?.end();
    if (sum.counts.entries > 0 && flags.dryRun !== true)
      shell.note(
        `forebay: ${shell.stop.aborted ? 'stopped' : 'broken off'} after ${sum.counts.entries} entries; run it again: what is there is left`,
      );
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    progress?.end();
    await checked?.remove();
  }
}

/** Chunk by chunk, each with the header, so that no request is long or large and each may be sent again. */
async function send(
  service: ServiceCaller,
  path: string,
  { ttl, fast, dryRun }: Flags,
  onProgress: (part: Counts) => void,
  sum: Sum,
): Promise<void> {
  const query = new URLSearchParams({ ttl, ...(fast === true ? { fast: 'true' } : {}), ...(dryRun === true ? { dryRun: 'true' } : {}) });
  const schemas = { progress: restoreCounts, result: restoreReport };
  let header: Buffer | null = null;
  for await (const frame of readBackup(createReadStream(path))) {
    if (frame.kind === 'header') header = frame.encoded;
    if (frame.kind === 'header' || frame.kind === 'end' || header === null) continue;
    const stream = ReadableStream.from([header, frame.encoded]);
    sum.add(await service.follow(`/v1/restore?${query.toString()}`, schemas, { stream, onProgress }));
  }
}

type Counts = Omit<RestoreAnswer, 'sameHistory'>;

const NONE: Counts = Object.freeze({ entries: 0, restored: 0, loaded: 0, found: 0, absent: 0, failed: 0, popular: 0 });

/** What was done by the chunks so far, and by the one that is under way. */
class Sum {
  #done: Counts = NONE;
  #part: Counts = NONE;
  sameHistory = true;

  get counts(): Counts {
    return plus(this.#done, this.#part);
  }

  show(part: Counts): void {
    this.#part = part;
  }

  add({ sameHistory, ...counts }: RestoreAnswer): void {
    this.sameHistory &&= sameHistory;
    this.#done = plus(this.#done, counts);
    this.#part = NONE;
  }
}

function plus(a: Counts, b: Counts): Counts {
  return Object.fromEntries(
    Object.keys(NONE).map((name) => [name, a[name as keyof Counts] + b[name as keyof Counts]]),
  ) as unknown as Counts;
}

function show(progress: WorkProgress, { entries, loaded, failed }: Counts, total: number): void {
  const note = [...(loaded > 0 ? [`${loaded} loaded anew`] : []), ...(failed > 0 ? [`${failed} failed`] : [])].join(', ');
  progress.update({ done: entries, share: total === 0 ? null : Math.min(1, entries / total), ...(note === '' ? {} : { note }) });
}

function tell(shell: Shell, { json = false, dryRun = false }: Flags, { counts, sameHistory }: Sum, total: number, tookMs: number): void {
  if (json) return shell.out(JSON.stringify({ ...counts, total, sameHistory, dryRun, tookMs: Math.round(tookMs) }));
  const { restored, loaded, found, absent, failed, popular, entries } = counts;
  const would = dryRun ? 'would be ' : '';
  shell.out(
    `${dryRun ? 'The backup is whole. ' : ''}Of ${entries} entries ${restored} ${would}put back as they were, ${loaded} ${would}loaded anew, ${found} ${dryRun ? 'are' : 'were'} there, ${absent} ${dryRun ? 'are' : 'were'} of no file any more; ${failed} failed. ${dryRun ? 'It' : `${popular} popular keys were new. It`} took ${inWords(tookMs)}.`,
  );
  if (!sameHistory)
    shell.note(
      'forebay: the database is not the one of the backup, or was restored or failed over since: versions say nothing then, so everything is loaded anew',
    );
  if (failed > 0) shell.note('forebay: some entries could not be stored in Redis; run it again: what is there is left');
}
