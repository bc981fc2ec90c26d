import type { Cache } from '../cache/cache-types.ts';
import type { InvalidationState } from '../cache/lookup.ts';
import type { WarmReport, WarmRunOptions } from '../cache/warming.ts';
import { ForebayError } from '../core/errors.ts';
import type { FileCaches } from './file-caches.ts';
import type { FileReads, Files, FileTargets, ReadOptions, Written } from './files.ts';
import type { FileId } from './records.ts';
import { fileId, parseInput, tagSchema } from './records.ts';
import { both, changesOf, nothingWritten, settle, settleUnknown } from './settling.ts';
import type { FileStore } from './store.ts';
import { transact } from './transactions.ts';
import type { FileWrite } from './writes.ts';
import { creation, deletion, metaPut, update } from './writes.ts';

/** Warms with what is popular. */
export type WarmPopular = (options: WarmRunOptions) => Promise<WarmReport>;

/** File records through the two caches; writes go to the store, and every cache forgets before they resolve. */
export function createFiles(store: FileStore, caches: FileCaches, warmPopular: WarmPopular): Files {
  async function commit<R>(write: FileWrite<R>): Promise<{ readonly result: R; readonly invalidation: InvalidationState }> {
    const changes = changesOf(write);
    let result: R;
    try {
      result = await write.on(store);
    } catch (error) {
      if (!nothingWritten(error)) await settleUnknown(caches, changes);
      throw error;
    }
    return { result, invalidation: await settle(caches, changes) };
  }

  async function written<R extends { readonly version: number }>(write: FileWrite<R>): Promise<Written<R>> {
    const { result, invalidation } = await commit(write);
    return { record: result, version: result.version, invalidation };
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
      put: async (id, attributes, condition) => written(metaPut(id, attributes, condition)),
    },
    create: async (file) => written(creation(file)),
    update: async (id, patch, condition) => written(update(id, patch, condition)),
    delete: async (id, condition) => {
      const { result, invalidation } = await commit(deletion(id, condition));
      return { existed: result !== null, invalidation };
    },
    transaction: (work, options) => transact(store, caches, work, options),
    settle: async (texts) => {
      const ids = texts.map(fileId);
      return { invalidation: await settle(caches, { info: new Set(ids), meta: new Set(ids), others: false }) };
    },
    invalidate: (targets) => forget('invalidate', targets),
    purge: (targets) => forget('purge', targets),
    warm: warming(caches, warmPopular),
  };
}

type WarmedIds = Promise<{ readonly loaded: number; readonly absent: number; readonly failed: number }>;

function warming(caches: FileCaches, warmPopular: WarmPopular): Files['warm'] {
  const warmIds = async (ids: readonly string[], options: Pick<ReadOptions, 'signal'> = {}): WarmedIds => {
    const { present, absent, failed } = await caches.info.warm(ids.map(fileId), options);
    return { loaded: present, absent, failed };
  };
  function warm(ids: readonly string[], options?: Pick<ReadOptions, 'signal'>): WarmedIds;
  function warm(options?: WarmRunOptions): Promise<WarmReport>;
  async function warm(what: readonly string[] | WarmRunOptions = {}, options?: Pick<ReadOptions, 'signal'>): Promise<unknown> {
    if (isList(what)) return warmIds(what, options);
    const { limit } = what;
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw new ForebayError('INPUT_INVALID', `limit = ${String(limit)}: has to be a whole number of at least 0`, { field: 'limit' });
    }
    return warmPopular(what);
  }
  return warm;
}

function isList(what: readonly string[] | WarmRunOptions): what is readonly string[] {
  return Array.isArray(what);
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
