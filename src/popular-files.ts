import type { FileCaches } from './files/file-caches.ts';

/** A file that is read often now. Its id is all that it takes to read it: not for whoever may not. */
export interface PopularFile {
  readonly id: string;
  readonly cache: 'info' | 'meta';
  /** In the last full period of counting: ten seconds, or 10,000 reads of the cache if that is sooner. At least 2. */
  readonly reads: number;
}

/** Of both caches, most read first. */
export function popularFiles(caches: FileCaches, limit: number): readonly PopularFile[] {
  return (['info', 'meta'] as const)
    .flatMap((cache) =>
      caches[cache]
        .popular()
        .slice(0, limit)
        .map(({ key, reads }): PopularFile => ({ id: key, cache, reads })),
    )
    .toSorted((a, b) => b.reads - a.reads)
    .slice(0, limit);
}
