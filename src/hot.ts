import type { FileCaches } from './files/file-caches.ts';

/** What is read most by this process. Names records and tags: not for whoever may not read them. */
export interface Hot {
  /** In the last full period: ten seconds, or 10,000 reads of a cache if that is sooner; each read at least twice. Most read first. */
  readonly keys: readonly { readonly id: string; readonly cache: 'info' | 'meta'; readonly reads: number }[];
  /** Since the start, by an estimate. Most read first. */
  readonly tags: readonly { readonly tag: string; readonly reads: number }[];
}

const KINDS = ['info', 'meta'] as const;

export function hotOf(caches: FileCaches, limit: number): Hot {
  const keys = KINDS.flatMap((cache) =>
    caches[cache]
      .popular()
      .slice(0, limit)
      .map(({ key, reads }) => ({ id: key, cache, reads })),
  );
  const tags = caches.info.hot(limit).tags.map(({ key, reads }) => ({ tag: key, reads }));
  return { keys: keys.toSorted((a, b) => b.reads - a.reads).slice(0, limit), tags };
}
