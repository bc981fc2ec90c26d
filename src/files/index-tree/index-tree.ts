import { ForebayError } from '../../core/errors.ts';
import type { FileId } from '../records.ts';
import { LIMITS, newFileSchema, parseInput } from '../records.ts';
import type { IndexedFile } from '../store.ts';
import { inBatches, mapBounded } from './bounded.ts';
import type { DescribeOptions } from './describe.ts';
import { describe } from './describe.ts';
import type { IndexOptions, IndexProgress, IndexReport } from './options.ts';
import { Skips } from './skips.ts';
import { goneRecords } from './sweep.ts';
import type { WalkedFile } from './walk.ts';
import { Walk } from './walk.ts';

const DEFAULT_BATCH_SIZE = 1_000;
const MAX_BATCH_SIZE = 5_000;
/** Files looked at (and hashed) at a time. */
const CONCURRENCY = 16;
/** Files between two calls of `onProgress` within a batch. */
const PROGRESS_EVERY = 250;

function checked(options: IndexOptions): { batchSize: number; tags: readonly string[] } {
  const batchSize = options.batchSize ?? DEFAULT_BATCH_SIZE;
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > MAX_BATCH_SIZE) {
    throw new ForebayError('INPUT_INVALID', `batchSize is ${batchSize}; give a whole number from 1 to ${MAX_BATCH_SIZE}`, {
      field: 'batchSize',
    });
  }
  const { tags, ownerId } = newFileSchema.shape;
  if (options.ownerId !== undefined) parseInput(ownerId, options.ownerId);
  if ((options.tags?.length ?? 0) > LIMITS.tags) {
    throw new ForebayError('INPUT_INVALID', `${options.tags?.length} tags were given; a file has at most ${LIMITS.tags}`, {
      field: 'tags',
    });
  }
  return { batchSize, tags: parseInput(tags, options.tags ?? []) };
}

/** One run over a tree: walks the next batch while the last one is written, so two are in memory. */
class IndexRun {
  readonly #options: IndexOptions;
  readonly #describing: DescribeOptions;
  readonly #batchSize: number;
  readonly #skips: Skips;
  readonly #walk: Walk;
  readonly #counts = { discovered: 0, files: 0, bytes: 0, inserted: 0, changed: 0, unchanged: 0, pruned: 0, gone: 0 };

  constructor(root: string | Buffer, options: IndexOptions) {
    const { batchSize, tags } = checked(options);
    this.#options = options;
    this.#batchSize = batchSize;
    this.#describing = { hash: options.hash ?? false, tags, ownerId: options.ownerId, signal: options.signal };
    this.#skips = new Skips(options.onSkipped);
    this.#walk = new Walk(root, options, this.#skips);
  }

  async run(): Promise<IndexReport> {
    const startedAt = performance.now();
    await this.#writeAll();
    await this.#sweep();
    const { skipped: _, ...progress } = this.#progress();
    return Object.freeze({
      ...progress,
      pruned: this.#counts.pruned,
      gone: this.#counts.gone,
      skipped: this.#skips.listed,
      skippedByReason: this.#skips.counts,
      elapsedMs: performance.now() - startedAt,
    });
  }

  async #writeAll(): Promise<void> {
    let writing = Promise.resolve();
    try {
      for await (const walked of inBatches(this.#walk.files(), this.#batchSize)) {
        const files = await this.#describeAll(walked);
        await writing;
        this.#options.signal?.throwIfAborted();
        writing = this.#write(files);
        // Awaited with the next batch; until then it must not count as unhandled.
        writing.catch(() => {});
      }
    } finally {
      await writing;
    }
  }

  async #describeAll(walked: readonly WalkedFile[]): Promise<IndexedFile[]> {
    const described = await mapBounded(walked, CONCURRENCY, async (file) => {
      const result = await describe(file, this.#describing);
      this.#counts.discovered += 1;
      if (this.#counts.discovered % PROGRESS_EVERY === 0) this.#tell();
      if (!('reason' in result)) return result;
      this.#skips.add(file.path, result.reason, result.detail);
      return undefined;
    });
    return described.filter((file) => file !== undefined);
  }

  async #write(files: readonly IndexedFile[]): Promise<void> {
    const { inserted, changed, unchanged } = await this.#options.store.upsertIndexed(files, this.#call());
    const counts = this.#counts;
    counts.files += files.length;
    counts.bytes += files.reduce((sum, file) => sum + file.size, 0);
    counts.inserted += inserted.length;
    counts.changed += changed.length;
    counts.unchanged += unchanged;
    await this.#changed([...inserted, ...changed]);
    this.#tell();
  }

  /** Counts records without a file, and deletes them if asked to. */
  async #sweep(): Promise<void> {
    const { store, signal, followSymlinks = false } = this.#options;
    for await (const ids of goneRecords({ store, walk: this.#walk, followSymlinks, concurrency: CONCURRENCY, signal })) {
      if (this.#options.prune !== true) {
        this.#counts.gone += ids.length;
        continue;
      }
      const deleted = await store.deleteMany(ids, this.#call());
      this.#counts.pruned += deleted.length;
      await this.#changed(deleted);
    }
    this.#tell();
  }

  async #changed(ids: readonly FileId[]): Promise<void> {
    if (ids.length > 0) await this.#options.onChanged?.(ids);
  }

  #call(): { signal?: AbortSignal } {
    return this.#options.signal === undefined ? {} : { signal: this.#options.signal };
  }

  #progress(): IndexProgress {
    const { discovered, files, bytes, inserted, changed, unchanged } = this.#counts;
    return { discovered, files, bytes, folders: this.#walk.folders, inserted, changed, unchanged, skipped: this.#skips.total };
  }

  #tell(): void {
    this.#options.onProgress?.(this.#progress());
  }
}

/**
 * Makes and updates the records of all regular files below a folder. A second run writes only what changed; see `FileBulkStore.upsertIndexed`.
 * Whatever cannot be recorded is skipped and reported.
 *
 * @throws {ForebayError} `INPUT_INVALID` for a root that cannot be read or options that are wrong, `DATABASE_UNAVAILABLE`; the signal's reason when stopped.
 */
export async function indexTree(root: string | Buffer, options: IndexOptions): Promise<IndexReport> {
  return new IndexRun(root, options).run();
}
