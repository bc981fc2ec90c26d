import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import nodePath from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readBackup } from '../backup/reader.ts';
import { ForebayError } from '../core/errors.ts';
import type { Shell } from './shell.ts';
import { showWork } from './progress.ts';

/** A file that is a whole backup. */
export interface CheckedBackup {
  readonly path: string;
  /** Entries in it. */
  readonly entries: number;
  /** Removes it if it was but a copy of standard input. */
  remove(): Promise<void>;
}

/**
 * Reads all of a backup before anything of it is used; what comes on standard input is kept in a temporary file meanwhile.
 * @throws {ForebayError} `BACKUP_INVALID`; `INPUT_INVALID` when there is no such file; `OUTPUT_FAILED` when standard input cannot be kept
 */
export async function checkBackup(file: string, shell: Shell): Promise<CheckedBackup> {
  if (file !== '-') {
    const path = nodePath.resolve(shell.cwd, file);
    const bytes = await sizeOf(path);
    return { path, entries: await check(path, bytes, shell), remove: () => Promise.resolve() };
  }
  const folder = await mkdtemp(nodePath.join(tmpdir(), 'forebay-restore-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const path = nodePath.join(folder, 'backup');
  try {
    await keep(path, shell);
    return { path, entries: await check(path, (await stat(path)).size, shell), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function keep(path: string, shell: Shell): Promise<void> {
  try {
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }), { signal: shell.stop });
  } catch (cause) {
    shell.stop.throwIfAborted();
    throw new ForebayError(
      'OUTPUT_FAILED',
      `standard input could not be kept in ${nodePath.dirname(path)}: ${String(cause)}; make room there, or set TMPDIR`,
      {
        cause,
      },
    );
  }
}

async function check(path: string, bytes: number, shell: Shell): Promise<number> {
  const progress = showWork(shell, 'checking', 'entries');
  let entries = 0;
  let read = 0;
  try {
    for await (const frame of readBackup(createReadStream(path, { signal: shell.stop }))) {
      read += frame.encoded.length;
      if (frame.kind === 'entries') entries += frame.head.lines;
      progress.update({ done: entries, share: bytes === 0 ? null : Math.min(1, read / bytes) });
    }
    return entries;
  } catch (error) {
    shell.stop.throwIfAborted();
    if (error instanceof ForebayError) throw error;
    throw notReadable(path, `cannot be read (${codeOf(error)})`);
  } finally {
    progress.end();
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
  } catch (error) {
    const code = codeOf(error);
    throw notReadable(path, code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`);
  }
  throw notReadable(path, 'is no file');
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));

const notReadable = (path: string, why: string): ForebayError =>
  new ForebayError('INPUT_INVALID', `${JSON.stringify(path)}: ${why}; name a backup, or - for standard input`, { field: 'file' });
