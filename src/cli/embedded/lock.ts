import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { identityOf, isRunning, type ProcessIdentity } from './process-identity.ts';

/** Who holds a lock. The nonce tells two locks of one process apart. */
interface Holder extends ProcessIdentity {
  readonly nonce: string;
}

/** Either the lock, or who has it. */
export type LockAttempt = { readonly state: 'held'; release(): void } | { readonly state: 'taken'; readonly pid: number };

/** Two starters may trip over each other a few times; more than this many and something else is wrong. */
const MAX_ATTEMPTS = 100;

/**
 * Takes the lock file at `path` for this process, also from a holder that no longer runs.
 *
 * The file appears whole or not at all: it is written beside, then linked to its place, which fails when the place is taken.
 * The hard part is a lock that a killed process left. Two starters A and B both find it, and with "remove it, then make my own":
 *   1. A reads the dead holder X.   2. B reads X.   3. A removes the file and makes its own.   4. B removes the file, which is A's now, and makes its own.
 * So whoever wants to replace X must first hold the lock `path.X`, and look again whether X is still there: after step 3, B gets `path.X` too
 * (A is done with it), looks, finds A, and is told so. `path.X` is taken by this same function, so a starter killed while holding it is no obstacle either.
 */
export function takeLock(path: string): LockAttempt {
  const self = identityOf(process.pid);
  if (self === null) throw new Error('the system does not tell when this process began');
  const me: Holder = { ...self, nonce: randomBytes(6).toString('hex') };
  const taken = take(path, me);
  if (taken !== null) return { state: 'taken', pid: taken.pid };
  return {
    state: 'held',
    release: () => {
      if (readHolder(path)?.nonce === me.nonce) rmSync(path, { force: true });
    },
  };
}

/** `null` when `me` holds it now, else who does. */
function take(path: string, me: Holder): Holder | null {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    if (linkHolder(path, me)) return null;
    const holder = readHolder(path);
    if (holder === null) continue;
    if (isRunning(holder)) return holder;

    const claim = `${path}.${holder.nonce}`;
    const rival = take(claim, me);
    if (rival !== null) return rival;
    try {
      if (readHolder(path)?.nonce === holder.nonce) {
        renameSync(writeAside(path, me), path);
        return null;
      }
    } finally {
      rmSync(claim, { force: true });
    }
  }
  throw new Error(`the lock ${path} changed hands ${MAX_ATTEMPTS} times while this process tried to take it`);
}

function writeAside(path: string, me: Holder): string {
  const aside = `${path}.${me.nonce}.new`;
  writeFileSync(aside, JSON.stringify(me));
  return aside;
}

function linkHolder(path: string, me: Holder): boolean {
  const aside = writeAside(path, me);
  try {
    linkSync(aside, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function readHolder(path: string): Holder | null {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { pid, startedAt, nonce } = JSON.parse(text) as Partial<Holder>;
    if (Number.isInteger(pid) && typeof startedAt === 'string' && /^[0-9a-f]+$/.test(nonce ?? ''))
      return { pid, startedAt, nonce } as Holder;
  } catch {
    // Not ours, or damaged by a full disk: nobody that runs holds it.
  }
  return { pid: 0, startedAt: '', nonce: 'damaged' };
}
