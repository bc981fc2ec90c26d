import type { SampledEntry } from './auditor.ts';
import type { Hot } from './hot.ts';
import type { Inspection } from './inspect.ts';
import type { KeptEntry } from './kept.ts';
import type { InvalidationState, Lookup } from './lookup.ts';
import type { PopularKey } from './popular.ts';
import type { RestoreResult } from './restores.ts';
import type { ReuseCounts } from './reuse-histogram.ts';
import type { CacheStats } from './stats.ts';

export interface LookupOptions {
  /** Ends this caller's wait, by a rejection with the signal's reason; the load goes on while others wait for it. */
  readonly signal?: AbortSignal;
  /** For this call instead of the cache's bound, in ms, from 0 to that bound; 0 asks the source. @defaultValue the cache's `maxStalenessMs` */
  readonly maxStalenessMs?: number;
  /**
   * The answer has this version or a newer one, or the source was asked for it after the call began and has no newer; a whole number. What a write said of its version is read back so, by whoever
   * was told. @defaultValue 0
   */
  readonly minVersion?: number;
}

export interface SetOptions {
  /** Instead of the TTL policy's, in ms; 1 to 31,536,000,000 (a year). */
  readonly ttlMs?: number;
}

/** What everyone has to forget: any mix of the three. */
export interface Invalidation<K> {
  readonly keys?: readonly K[];
  readonly tags?: readonly string[];
  /** Everything of every cache on the same remote tier. */
  readonly all?: boolean;
}

export interface WarmOptions {
  /** Ends the wait, by a rejection with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Loads only what can be stored in the remote tier, whatever process memory holds; what cannot counts as failed. @defaultValue false */
  readonly storedOnly?: boolean;
}

export interface WarmResult {
  /** Keys that are now in the tiers with a value, that are known to be absent, and that nobody could say. */
  readonly present: number;
  readonly absent: number;
  readonly failed: number;
  /** Of those present, the ones that the source was asked for. */
  readonly loaded: number;
}

/** What a cache tells of its own accord. Listeners are called in the course of the work: they have to be quick; what they throw is dropped. */
export interface CacheEvents {
  /** Keys (as text) that were forgotten here, by this process or by another. */
  invalidated: [
    { readonly keys: readonly string[]; readonly tags: readonly string[]; readonly all: boolean; readonly by: 'self' | 'other' },
  ];
  /** An entry made room for another. */
  evicted: [{ readonly key: string }];
  /** A period of counting ended: the keys (as text) read at least twice in it, in no order, and some of those read once, for more (see `PopularKeys`). */
  popular: [{ readonly keys: readonly PopularKey[] }];
  /** The source failed for a key. */
  loadFailed: [{ readonly key: string; readonly error: Error }];
  /** Messages may have been missed: the local tier was emptied. */
  gap: [];
}

export interface CacheReuse {
  /** Of all reads. */
  readonly local: ReuseCounts;
  /** Of reads that process memory did not answer; of all caches that share a sampler (`remoteReuse`). */
  readonly remote: ReuseCounts;
}

/** A two-tier cache. `K` is the key, `V` a value that JSON can hold. */
export interface Cache<K, V> extends AsyncDisposable {
  readonly name: string;
  /**
   * Waits until the remote tier was reached or the first try failed, at most `timeoutMs` (1,000 by default), so that the first look-ups find it. Optional: a cache serves from the moment it is made.
   */
  start(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** The value, or `null` when the record does not exist. @throws {ForebayError} `LOAD_FAILED`, `LOAD_TIMEOUT`, `OVERLOADED`, `SOURCE_SHAPE`, `CLOSED`, `INPUT_INVALID` for limits that are none, or what the source threw if it was a ForebayError. */
  get(key: K, options?: LookupOptions): Promise<V | null>;
  /** As `get`, for many keys, in the order asked. @throws {ForebayError} of the first key that failed. */
  getMany(keys: readonly K[], options?: LookupOptions): Promise<Map<K, V | null>>;
  /** The whole story of one key. Rejects only when `signal` aborts, or with `INPUT_INVALID` for limits that are none. */
  lookup(key: K, options?: LookupOptions): Promise<Lookup<V>>;
  /** As `lookup`, for many keys, in the order asked; they share remote reads and calls of the source. */
  lookupMany(keys: readonly K[], options?: LookupOptions): Promise<Lookup<V>[]>;
  /** Process memory only, without I/O or a promise: `undefined` when it does not know, `null` when it knows that there is none. */
  peek(key: K): V | null | undefined;
  /**
   * Stores a value everywhere, for records that have no source of truth elsewhere; with one, change that and `invalidate`. Two sets of one key at once leave one of the two values, the same for everyone.
   * @throws {ForebayError} `SOURCE_SHAPE` when it is not JSON, `VALUE_TOO_LARGE` over `maxEntryBytes`, `INPUT_INVALID` for a TTL that is none.
   */
  set(key: K, value: V, options?: SetOptions): Promise<InvalidationState>;
  /** Everyone forgets. Resolves when it was applied, or says that it is queued. */
  invalidate(targets: Invalidation<K>): Promise<InvalidationState>;
  /** As `invalidate`, and no load that is under way may answer those who ask from now on or serve as a stale answer to those who wait. */
  purge(targets: Invalidation<K>): Promise<InvalidationState>;
  /**
   * The source holds a committed change of these keys that its own log of changes tells of: this process forgets them at once; resolves when everyone has (`applied`), or says that it is queued.
   */
  settle(keys: readonly K[]): Promise<InvalidationState>;
  /** What is known of a key, without loading or touching anything. */
  inspect(key: K): Promise<Inspection>;
  /** Brings keys into both tiers, 500 at a time, with their TTLs spread widely so that they do not expire together. Nothing of it counts as a read. */
  warm(keys: readonly K[], options?: WarmOptions): Promise<WarmResult>;
  /** Whether each of these keys is in the remote tier with an entry that would be served now; without a remote tier, in process memory. Loads and counts nothing; what cannot be asked is not there. */
  isStored(keys: readonly K[], options?: Pick<WarmOptions, 'signal'>): Promise<readonly boolean[]>;
  /**
   * Puts entries that were kept elsewhere back into the remote tier, all at once, so give it some hundreds at a time: those whose version the source still says (`versions`) as they were kept, others loaded anew. Never anything older
   * than the source. Nothing of it counts as a read, or goes into process memory. Never rejects.
   */
  restore(entries: readonly KeptEntry<K>[]): Promise<RestoreResult>;
  /** What `restore` would do at this moment. Rejects when the source does not answer. */
  compare(entries: readonly KeptEntry<K>[], options: { readonly signal: AbortSignal }): Promise<RestoreResult>;
  stats(): CacheStats;
  /** Up to `most` entries of process memory, picked at random, each of which would be served now; nothing of it counts as a read. */
  sample(most: number): readonly SampledEntry[];
  /** The entry of this key, as text, if it would be served from process memory now; does not count as a read. */
  holds(key: string): SampledEntry | undefined;
  /** The keys read most here in the last full period (10 s, or 10,000 reads if that is sooner), most read first; at most 1,000. A key that was read once may stand for the others of its kind, as four reads. */
  popular(): readonly PopularKey[];
  /** The keys and tags read most here since the start, at most `limit` of each, most read first. Bounded: what has less than a 500th of all reads may be missing. */
  hot(limit: number): Hot;
  /** How far apart reads of the same entry lay since the start, from which the hit ratio of tiers of other sizes follows. */
  reuse(): CacheReuse;
  on<E extends keyof CacheEvents>(event: E, listener: (...args: CacheEvents[E]) => void): void;
  off<E extends keyof CacheEvents>(event: E, listener: (...args: CacheEvents[E]) => void): void;
  /** Resolves when no load, fill or refresh is under way. */
  idle(): Promise<void>;
  /** Refuses new look-ups, calls off loads under way, and empties process memory. Idempotent. Does not close the remote tier. */
  close(): Promise<void>;
}
