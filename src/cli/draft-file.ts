import { rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { ForebayError } from '../core/errors.ts';
import type { Shell } from './shell.ts';

/** Where the bytes of a backup go. */
export interface Sink {
  /** @throws {ForebayError} `OUTPUT_FAILED` */
  write(bytes: Uint8Array): Promise<void>;
  /** All of it is there. @throws {ForebayError} `OUTPUT_FAILED` */
  commit(): Promise<void>;
  /** It is not to be. Idempotent, and nothing after `commit`. */
  discard(): Promise<void>;
}

/**
 * A file that is written under another name in its folder and gets its own when it is whole and on the disk: whoever looks has the one of before or all of the new one. It is readable by its owner alone.
 * @throws {ForebayError} `INPUT_INVALID` when it cannot be, `OUTPUT_FAILED`
 */
export async function openDraft(file: string, force: boolean, shell: Shell): Promise<Sink> {
  await checkTarget(file, force);
  await removeLeftovers(file);
  const draft = draftOf(file, process.pid);
  let handle: FileHandle;
  try {
    handle = await open(draft, 'wx', 0o600);
  } catch (error) {
    throw unwritable(file, error);
  }
  const takeOff = shell.endAtOnce(() => rmSync(draft, { force: true }));
  let state: 'open' | 'ended' = 'open';
  const discard = async (): Promise<void> => {
    if (state === 'ended') return;
    state = 'ended';
    await handle.close().catch(() => {});
    await rm(draft, { force: true });
    takeOff();
  };
  const failing = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      await discard();
      throw error instanceof ForebayError ? error : failedToWrite(file, error);
    }
  };
  return {
    write: (bytes) =>
      failing(async () => {
        for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
      }),
    commit: () =>
      failing(async () => {
        await handle.sync();
        await handle.close();
        await checkTarget(file, force);
        await rename(draft, file);
        state = 'ended';
        takeOff();
        await syncFolder(path.dirname(file));
      }),
    discard,
  };
}

/** Standard output. What reads it has to see by the end of the backup whether it is whole. */
export function standardOutput(): Sink {
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) =>
          error === null || error === undefined ? resolve() : reject(failedToWrite('standard output', error)),
        );
      }),
    commit: () => Promise.resolve(),
    discard: () => Promise.resolve(),
  };
}

/** Of this host's processes only: a folder may be shared. */
const draftOf = (file: string, pid: number | string): string =>
  path.join(path.dirname(file), `.${path.basename(file)}.${hostname()}.${pid}.part`);

/** What processes left that were killed while they wrote to this file. */
async function removeLeftovers(file: string): Promise<void> {
  const [before = '', after = ''] = path.basename(draftOf(file, '\0')).split('\0');
  const names = await readdir(path.dirname(file)).catch(() => []);
  for (const name of names) {
    const pid = name.startsWith(before) && name.endsWith(after) ? name.slice(before.length, name.length - after.length) : '';
    if (/^\d{1,10}$/.test(pid) && !isAlive(Number(pid))) await rm(path.join(path.dirname(file), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function checkTarget(file: string, force: boolean): Promise<void> {
  const found = await stat(file).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw unwritable(file, error);
  });
  if (found === null) return;
  if (!found.isFile())
    throw new ForebayError('INPUT_INVALID', `--out=${JSON.stringify(file)}: is no file; name one, or use --out - for standard output`, {
      field: 'out',
    });
  if (!force)
    throw new ForebayError(
      'INPUT_INVALID',
      `--out=${JSON.stringify(file)}: is there already; name another file, or add --force to replace it`,
      { field: 'out' },
    );
}

/** So that the new name is on the disk too. Some file systems cannot. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));

function unwritable(file: string, cause: unknown): ForebayError {
  return new ForebayError(
    'INPUT_INVALID',
    `--out=${JSON.stringify(file)}: cannot be written (${codeOf(cause)}); name a file in a folder that is there and may be written to`,
    { field: 'out', cause },
  );
}

const WHY: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room, or name a file elsewhere',
  EDQUOT: 'the quota is used up; make room, or name a file elsewhere',
  EFBIG: 'it became larger than files may be here (ulimit -f)',
  EPIPE: 'whoever read it has ended',
};

function failedToWrite(file: string, cause: unknown): ForebayError {
  const code = codeOf(cause);
  return new ForebayError('OUTPUT_FAILED', `${file} could not be written: ${WHY[code] ?? code} (${code}); nothing was kept`, { cause });
}
