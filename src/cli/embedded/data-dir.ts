import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ForebayError, toForebayError } from '../../core/errors.ts';
import { takeLock } from './lock.ts';

/** A data folder that this process alone uses until it closes it. */
export interface DataDir extends Disposable {
  readonly path: string;
  /** The private Redis' folder. */
  readonly redisDir: string;
  /**
   * Whether the last process that used the folder left a Redis snapshot that agrees with the database.
   * True at most once for each orderly stop: any opening of the folder takes the mark away, whatever it does afterwards.
   */
  readonly snapshotAgrees: boolean;
  /** Notes, as the last thing before the end, that the snapshot and the database agree. */
  markSnapshot(): void;
  /** Gives the folder free. Idempotent. */
  close(): void;
}

/**
 * Opens (and makes, if need be) a data folder under a lock.
 *
 * @throws {ForebayError} `DATA_DIR_IN_USE` when a running process has it, `CONFIG_INVALID` when the folder cannot be made or written.
 */
export function openDataDir(dir: string): DataDir {
  const at = path.resolve(dir);
  const lock = lockFolder(at);
  if (lock.state === 'taken') {
    throw new ForebayError(
      'DATA_DIR_IN_USE',
      `the data folder ${at} is in use by process ${lock.pid}; stop that one, or give another folder with --data DIR`,
      { field: 'data' },
    );
  }
  const mark = path.join(at, 'redis', 'agrees-with-database');
  const snapshotAgrees = existsSync(mark);
  rmSync(mark, { force: true });
  const close = (): void => lock.release();
  return {
    path: at,
    redisDir: path.join(at, 'redis'),
    snapshotAgrees,
    markSnapshot: () => writeFileSync(mark, ''),
    close,
    [Symbol.dispose]: close,
  };
}

function lockFolder(at: string): ReturnType<typeof takeLock> {
  try {
    // Records tell names of private files: the folder is for its owner alone.
    mkdirSync(path.join(at, 'redis'), { recursive: true, mode: 0o700 });
    return takeLock(path.join(at, 'lock'));
  } catch (error) {
    throw toForebayError(error, 'CONFIG_INVALID', `the data folder ${at} cannot be used; give another one with --data DIR`);
  }
}
