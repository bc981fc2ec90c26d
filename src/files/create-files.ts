import type { Cache } from '../cache/cache-types.ts';
import type { InvalidationState } from '../cache/lookup.ts';
import { ForebayError } from '../core/errors.ts';
import type { FileCaches } from './file-caches.ts';
import type { FileReads, Files, FileTargets, ReadOptions, Written } from './files.ts';
import type { FileId } from './records.ts';
import { checkAttributes, fileId, filePatchSchema, newFileSchema, parseInput, tagSchema } from './records.ts';
import type { FileStore } from './store.ts';

/** Errors that say that nothing was written. After any other one nobody knows, so the caches forget as after a write. */
const NOTHING_WRITTEN = new Set(['FILE_EXISTS', 'INPUT_INVALID', 'NOT_FOUND', 'VERSION_MISMATCH']);

/** File records through the two caches; writes go to the store, and every cache forgets before they resolve. */
export function createFiles(store: FileStore, caches: FileCaches): Files {
  const invalidateIds = async (ids: readonly FileId[]): Promise<InvalidationState> =>
    both(await Promise.all([caches.info.invalidate({ keys: ids }), caches.meta.invalidate({ keys: ids })]));

  async function written<R extends { readonly id: FileId; readonly version: number }>(
    id: FileId | null,
    write: () => Promise<R>,
  ): Promise<Written<R>> {
    try {
      const record = await write();
      return { record, version: record.version, invalidation: await invalidateIds([record.id]) };
    } catch (error) {
      if (id !== null && !(error instanceof ForebayError && NOTHING_WRITTEN.has(error.code))) await invalidateIds([id]);
      throw error;
    }
  }

  const forget = async (how: 'invalidate' | 'purge', targets: FileTargets) => {
    const keys = (targets.ids ?? []).map(fileId);
    const tags = (targets.tags ?? []).map((tag) => parseInput(tagSchema, tag));
    const all = targets.all ?? false;
    // Both caches share one table of tags, so that telling one of a tag or of everything reaches the other's entries in Redis and elsewhere; here each forgets for itself.
    const states = await Promise.all([caches.info[how]({ keys, tags, all }), caches.meta[how]({ keys, all })]);
    return { invalidation: both(states) };
  };

  return {
    ...reads(caches.info),
    meta: {
      ...reads(caches.meta),
      put: async (text, attributes, condition) => {
        const id = fileId(text);
        const checked = checkAttributes(attributes);
        return written(id, () => store.putMeta(id, checked, condition));
      },
    },
    create: async (file) => {
      const checked = parseInput(newFileSchema, file);
      return written(checked.id ?? null, () => store.create(checked));
    },
    update: async (text, patch, condition) => {
      const id = fileId(text);
      const checked = parseInput(filePatchSchema, patch);
      return written(id, () => store.update(id, checked, condition));
    },
    delete: async (text, condition) => {
      const id = fileId(text);
      try {
        const file = await store.delete(id, condition);
        return { existed: file !== null, invalidation: await invalidateIds([id]) };
      } catch (error) {
        if (!(error instanceof ForebayError && NOTHING_WRITTEN.has(error.code))) await invalidateIds([id]);
        throw error;
      }
    },
    invalidate: (targets) => forget('invalidate', targets),
    purge: (targets) => forget('purge', targets),
    warm: async (ids, options) => {
      const { present, absent, failed } = await caches.info.warm(ids.map(fileId), options);
      return { loaded: present, absent, failed };
    },
  };
}

function reads<R>(cache: Cache<FileId, R>): FileReads<R> {
  return {
    get: async (id, options) => cache.get(fileId(id), options),
    lookup: async (id, options) => cache.lookup(fileId(id), options),
    lookupMany: async (ids, options) => cache.lookupMany(ids.map(fileId), options),
    getMany: async (ids: readonly string[], options?: ReadOptions) => {
      const found = await cache.getMany(ids.map(fileId), options);
      return new Map(ids.map((id) => [id, found.get(fileId(id)) ?? null]));
    },
    peek: (id) => cache.peek(fileId(id)),
    inspect: async (id) => cache.inspect(fileId(id)),
  };
}

function both(states: readonly InvalidationState[]): InvalidationState {
  return states.every((state) => state === 'applied') ? 'applied' : 'queued';
}
