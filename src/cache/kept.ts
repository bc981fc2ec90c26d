import type { LoadContext, PreparedSource } from './source.ts';

/** An entry that was kept elsewhere, in a backup, and is to be put back. */
export interface KeptEntry<K> {
  readonly key: K;
  readonly version: number;
  /** `null`: what is kept is the key alone, or that there was no such record. */
  readonly json: Buffer | null;
  /** How long it may live; `null`: as the TTL policy says of a warmed entry. */
  readonly ttlMs: number | null;
}

/** What becomes of one. */
export type KeptOutcome =
  /** Put back: the source says the same version. */
  | 'restored'
  /** Loaded anew, since the source says another version. */
  | 'loaded'
  /** Something that counts is there already. */
  | 'found'
  /** The source has no such record. */
  | 'absent'
  /** Nobody could say, or it could not be stored. */
  | 'failed';

/** What a flight knows of one. */
export interface Kept {
  readonly version: number;
  readonly json: Buffer | null;
  readonly ttlMs: number | null;
  /** Whether the source has said, when it was asked last, that it is as it was. */
  isCurrent: boolean;
}

/** Asks the source for versions alone; what is missing in the answer does not exist. */
export type VersionsOf<K> = (keys: readonly K[], context: LoadContext) => Promise<ReadonlyMap<K, number>>;

export interface KeptLoad<K> {
  readonly key: K;
  readonly kept: Kept;
}

/**
 * A source that loads only what is not as it was kept: one question for the versions, and one for the records that have another. A record of the version that was kept has the content that was kept, since every change draws a
 * new one; so each answer is of a moment after this was asked, as the answers of the source itself are.
 */
export function keptSource<K>(source: PreparedSource<K>, versionsOf: VersionsOf<K> | null): PreparedSource<KeptLoad<K>> {
  const answersOf = async (loads: readonly KeptLoad<K>[], context: LoadContext): ReturnType<PreparedSource<K>['load']> => {
    for (const { kept } of loads) kept.isCurrent = false;
    const keys = loads.map(({ key }) => key);
    if (versionsOf === null) return source.load(keys, context);
    const versions = await versionsOf(keys, context);
    const answers: Awaited<ReturnType<PreparedSource<K>['load']>> = loads.map(({ key, kept }) => {
      kept.isCurrent = kept.json !== null && versions.get(key) === kept.version;
      return kept.isCurrent ? kept.json : null;
    });
    const moved = loads.flatMap(({ key, kept }, i) => (!kept.isCurrent && versions.has(key) ? [i] : []));
    if (moved.length === 0) return answers;
    const loaded = await source.load(
      moved.map((i) => keys[i] as K),
      context,
    );
    moved.forEach((i, at) => {
      answers[i] = loaded[at] ?? null;
    });
    return answers;
  };
  return { maxBatch: source.maxBatch, load: answersOf };
}
