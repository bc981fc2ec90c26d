import path from 'node:path';
import { Command, Option } from 'commander';
import type { BackupEnd, BackupHeader } from '../../backup/format.ts';
import { COMPRESSIONS } from '../../backup/format.ts';
import { readBackup } from '../../backup/reader.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { ForebayError } from '../../core/errors.ts';
import type { Sink } from '../draft-file.ts';
import { openDraft, standardOutput } from '../draft-file.ts';
import { heardFrom } from '../heard-from.ts';
import type { ServiceCaller } from '../service-command.ts';
import { addServiceOrAloneFlags, withService } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import type { WorkProgress } from '../progress.ts';
import { inWords, showWork } from '../progress.ts';

interface Flags {
  readonly out: string;
  readonly compress?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
A backup has every entry that Redis holds of both caches and that counts, with its version and what is left of its TTL, and the list of what is popular. It spares a restored or new Redis the misses of
its first hours; the records themselves are safe in the database. Nobody has to wait while it is made. docs/backup.md has the format.

Examples:
  forebay backup --out cache.forebay                  from the running service at the address of the settings
  forebay backup --out cache.forebay --force          replaces the one of before when the new one is whole
  forebay backup --out - | ssh host 'cat > cache.forebay'
  forebay backup --out cache.forebay --compress gzip
  forebay backup --out cache.forebay --alone          without a running service, on the database and Redis of the settings

Exit codes: 0 it is whole and on the disk; 1 it failed, and no file was kept; 2 wrong command line, or a file that cannot be written; 130 interrupted, and no file was kept.`;

/** `forebay backup`: what Redis holds, into a file. */
export function backupCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('backup')
    .description('Write what Redis holds of both caches into a file, or to standard output.')
    .requiredOption('--out <FILE>', 'the file; - is standard output')
    .addOption(new Option('--compress <HOW>', 'how (default: zstd where the service has it, else gzip)').choices(COMPRESSIONS))
    .option('--force', 'replace the file if it is there')
    .option('--json', 'print what was written as JSON (with --out - on standard error)');
  addServiceOrAloneFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    done(await backup(command, shell));
  });
}

/** What was written. */
interface Written {
  readonly header: BackupHeader;
  readonly end: BackupEnd;
  readonly bytes: number;
}

async function backup(command: Command, shell: Shell): Promise<ExitCode> {
  const flags = command.opts<Flags>();
  const startedAt = performance.now();
  const toOutput = flags.out === '-';
  if (toOutput && shell.isOutputTerminal)
    throw new ForebayError('INPUT_INVALID', '--out - would fill your terminal with bytes: name a file, or pipe it into something', {
      field: 'out',
    });
  const file = path.resolve(shell.cwd, flags.out);
  const sink = toOutput ? standardOutput() : await openDraft(file, flags.force === true, shell);
  const progress = showWork(shell, 'backing up', 'entries');
  try {
    const written = await withService(command, shell, (service) => receive(service, flags, sink, progress, shell));
    await sink.commit();
    progress.end();
    tell(shell, flags, file, written, performance.now() - startedAt);
    return EXIT.ok;
  } catch (error) {
    progress.end();
    await sink.discard();
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  }
}

/** Takes what the service sends, piece by piece: each is checked before it is written. */
async function receive(service: ServiceCaller, { compress }: Flags, sink: Sink, progress: WorkProgress, shell: Shell): Promise<Written> {
  const response = await service.open(`/v1/backup${compress === undefined ? '' : `?compress=${compress}`}`);
  let header: BackupHeader | null = null;
  let entries = 0;
  let bytes = 0;
  try {
    for await (const frame of readBackup(heardFrom(response, service.url))) {
      if (frame.kind === 'header') header = frame.head;
      if (frame.kind === 'entries') entries += frame.head.lines;
      await sink.write(frame.encoded);
      bytes += frame.encoded.length;
      const expected = header?.expected ?? null;
      progress.update({ done: entries, share: expected === null || expected === 0 ? null : Math.min(1, entries / expected) });
      if (frame.kind === 'end' && header !== null) return { header, end: frame.head, bytes };
    }
  } catch (error) {
    if (shell.stop.aborted || !(error instanceof ForebayError) || error.code !== 'BACKUP_INVALID') throw error;
    throw whyBroken(error, service.url);
  }
  throw whyBroken(undefined, service.url);
}

const TOLD: readonly ErrorCode[] = ['CLOSED', 'DATABASE_UNAVAILABLE', 'REDIS_UNAVAILABLE', 'RIGHTS_MISSING'];

/** What the service itself said went wrong, or that it was cut off: no fault of the backup's. */
function whyBroken(error: ForebayError | undefined, { origin }: URL): ForebayError {
  const told = error?.cause as { readonly code?: unknown; readonly message?: unknown } | undefined;
  const code = TOLD.find((of) => of === told?.code);
  if (code !== undefined)
    return new ForebayError(code, `the backup broke off: ${String(told?.message)}; nothing was kept, run it again`, { cause: error });
  return new ForebayError('SERVICE_UNREACHABLE', `the service at ${origin} broke the backup off; nothing was kept, run it again`, {
    cause: error,
  });
}

function tell(shell: Shell, { out, json = false }: Flags, file: string, { header, end, bytes }: Written, tookMs: number): void {
  const say = (line: string): void => (out === '-' ? shell.note(line) : shell.out(line));
  const { entries, popular } = end;
  const total = Object.values(entries).reduce((sum, count) => sum + count, 0);
  if (json) {
    const { compression, createdAt } = header;
    return say(
      JSON.stringify({ file: out === '-' ? null : file, createdAt, compression, bytes, entries, popular, tookMs: Math.round(tookMs) }),
    );
  }
  const parts = Object.entries(entries).map(([cache, count]) => `${count} of ${cache}`);
  say(
    `${out === '-' ? 'Written' : `${file}: written`}: ${total} entries (${parts.join(', ')}) and ${popular} popular keys, ${(bytes / 1024 ** 2).toFixed(1)} MiB (${header.compression}), in ${inWords(tookMs)}.`,
  );
}
