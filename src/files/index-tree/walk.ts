import type { Dirent } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { ForebayError } from '../../core/errors.ts';
import type { WalkOptions } from './options.ts';
import { absolute, isAtOrBelow, joined, parentOf, pathKey } from './path-bytes.ts';
import { Skips, failureCode, saysGone } from './skips.ts';

/** Folders outside the root that are remembered, so that each is walked once (about 100 bytes each). */
const MAX_FOLLOWED_FOLDERS = 100_000;
/** Folders that could not be read and are remembered; past it nothing is pruned. */
const MAX_UNREAD_FOLDERS = 10_000;
/** Entries read from a folder by one call. */
const ENTRIES_PER_READ = 256;

/** A file that the walk came by. */
export interface WalkedFile {
  readonly path: Buffer;
  /** Came by a symbolic link: look at its target. */
  readonly linked: boolean;
}

interface Folder {
  readonly path: Buffer;
  /** Reached by a symbolic link out of the root. */
  readonly outside: boolean;
}

/** Goes through a tree, depth first, holding the siblings of the folders on the way. */
export class Walk {
  readonly root: Buffer;
  readonly skips: Skips;
  folders = 0;
  readonly #options: WalkOptions;
  readonly #excluded: ReadonlySet<string>;
  readonly #unread = new Set<string>();
  readonly #followed = new Set<string>();
  readonly #pending: Folder[] = [];
  #realRoot: Buffer;

  constructor(root: string | Buffer, options: WalkOptions, skips: Skips) {
    this.root = absolute(root);
    this.#realRoot = this.root;
    this.#options = options;
    this.skips = skips;
    this.#excluded = new Set((options.exclude ?? []).map((given) => pathKey(absolute(given))));
  }

  /** The root without symbolic links; known once the walk began. */
  get realRoot(): Buffer {
    return this.#realRoot;
  }

  /** @throws {ForebayError} `INPUT_INVALID` when the root is not a folder that can be read. */
  async *files(): AsyncGenerator<WalkedFile, void> {
    await this.#begin();
    for (let folder = this.#pending.pop(); folder !== undefined; folder = this.#pending.pop()) {
      this.#options.signal?.throwIfAborted();
      yield* this.#entriesOf(folder);
    }
  }

  isExcluded(path: Buffer): boolean {
    return this.#excluded.size > 0 && this.#isIn(this.#excluded, path);
  }

  /** Whether the path lies in a folder that could not be read in this walk, so that nobody can say what it holds. */
  isInUnread(path: Buffer): boolean {
    if (this.#unread.size >= MAX_UNREAD_FOLDERS) return true;
    return this.#unread.size > 0 && this.#isIn(this.#unread, parentOf(path));
  }

  #isIn(set: ReadonlySet<string>, path: Buffer): boolean {
    let at = path;
    while (!set.has(pathKey(at))) {
      if (at.length === 1) return false;
      at = parentOf(at);
    }
    return true;
  }

  async #begin(): Promise<void> {
    try {
      this.#realRoot = await realpath(this.root, { encoding: 'buffer' });
      const directory = await opendir(this.root);
      await directory.close();
    } catch (thrown) {
      throw new ForebayError(
        'INPUT_INVALID',
        `"${this.root.toString()}" cannot be indexed (${failureCode(thrown)}); give a folder that exists and that this user may read`,
        { cause: thrown, field: 'root' },
      );
    }
    this.#pending.push({ path: this.root, outside: false });
  }

  async *#entriesOf(folder: Folder): AsyncGenerator<WalkedFile, void> {
    try {
      const directory = await opendir(folder.path, { encoding: 'buffer' as BufferEncoding, bufferSize: ENTRIES_PER_READ });
      this.folders += 1;
      // The types of `opendir` know text only; with this encoding the names are bytes.
      for await (const entry of directory as unknown as AsyncIterable<Dirent<Buffer>>) {
        const file = await this.#take(folder, entry);
        if (file !== undefined) yield file;
      }
    } catch (thrown) {
      if (this.#options.signal?.aborted === true) throw thrown;
      this.#unreadable(folder.path, thrown);
    }
  }

  #unreadable(path: Buffer, thrown: unknown): void {
    if (saysGone(thrown)) {
      this.skips.add(path, 'vanished', `the folder was gone when it was read (${failureCode(thrown)})`);
      return;
    }
    if (this.#unread.size < MAX_UNREAD_FOLDERS) this.#unread.add(pathKey(path));
    this.skips.add(path, 'unreadable-folder', `the folder cannot be read (${failureCode(thrown)})`);
  }

  /** A file to look at; folders go onto the pile. */
  async #take(folder: Folder, entry: Dirent<Buffer>): Promise<WalkedFile | undefined> {
    const path = joined(folder.path, entry.name);
    if (this.#excluded.has(pathKey(path))) {
      this.skips.add(path, 'excluded', 'left out by the options');
      return undefined;
    }
    if (entry.isFile()) return { path, linked: false };
    if (entry.isSymbolicLink()) return this.#options.followSymlinks === true ? this.#follow(path) : this.#skipLink(path);
    if (!entry.isDirectory()) this.skips.add(path, 'not-a-file', 'a socket, pipe or device');
    else if (!folder.outside || (await this.#firstVisit(path))) this.#pending.push({ path, outside: folder.outside });
    return undefined;
  }

  #skipLink(path: Buffer): undefined {
    this.skips.add(path, 'symlink', 'symbolic links are not followed');
  }

  async #follow(path: Buffer): Promise<WalkedFile | undefined> {
    try {
      const target = await realpath(path, { encoding: 'buffer' });
      const from = await realpath(parentOf(path), { encoding: 'buffer' });
      if (isAtOrBelow(from, target)) this.skips.add(path, 'symlink-loop', `points at ${target.toString()}, which it lies in`);
      else if (isAtOrBelow(target, this.#realRoot))
        this.skips.add(path, 'already-indexed', `points at ${target.toString()}, below the root`);
      else if (!(await stat(target)).isDirectory()) return { path, linked: true };
      else if (await this.#firstVisit(path)) this.#pending.push({ path, outside: true });
    } catch (thrown) {
      const reason = failureCode(thrown) === 'ELOOP' ? 'symlink-loop' : 'broken-symlink';
      this.skips.add(path, reason, `the symbolic link leads nowhere (${failureCode(thrown)})`);
    }
    return undefined;
  }

  /** Whether a folder outside the root was not walked before, by whatever path. */
  async #firstVisit(path: Buffer): Promise<boolean> {
    const { dev, ino } = await stat(path, { bigint: true });
    const key = `${dev}:${ino}`;
    if (this.#followed.has(key)) {
      this.skips.add(path, 'already-indexed', 'the folder was reached by another path before');
      return false;
    }
    if (this.#followed.size >= MAX_FOLLOWED_FOLDERS) {
      this.skips.add(
        path,
        'too-many-folders',
        `more than ${MAX_FOLLOWED_FOLDERS} folders were reached by symbolic links; index them by their own path`,
      );
      return false;
    }
    this.#followed.add(key);
    return true;
  }
}

/** How many files a walk would come by, symbolic links to files included: the total of a progress bar. Reads folders only. */
export async function countFiles(root: string | Buffer, options: WalkOptions = {}): Promise<number> {
  let count = 0;
  for await (const _ of new Walk(root, options, new Skips()).files()) count += 1;
  return count;
}
