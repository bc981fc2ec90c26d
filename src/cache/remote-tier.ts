import type { EncodedEntry } from './entry.ts';
import type { TagStamps } from './tags.ts';

/** What the remote tier says about one key. Never an exception: a tier that fails is `unavailable`. */
export type RemoteRead =
  | {
      readonly outcome: 'found';
      /** The bytes as stored. */
      readonly bytes: Buffer;
      /** The server's clock at the read, in milliseconds; only to be compared with `loadedAt` of what it stored. */
      readonly serverNow: number;
      /** All commits up to this local time are in it. @defaultValue the time of the read */
      readonly asOf?: number;
    }
  | { readonly outcome: 'miss' }
  | { readonly outcome: 'unavailable'; readonly reason: UnavailableReason };

/** Why the remote tier did not answer; a closed set, since it labels metrics. `breaker`: it was not asked, since too many calls before had failed, or since somebody said so. */
export type UnavailableReason = 'off' | 'disconnected' | 'breaker' | 'budget' | 'overload' | 'unverified' | 'error' | 'closed';

/** Permission to fill a key. */
export type LeaseReply =
  | { readonly outcome: 'granted' }
  | { readonly outcome: 'held' }
  | { readonly outcome: 'found'; readonly bytes: Buffer; readonly serverNow: number; readonly asOf?: number }
  | { readonly outcome: 'unavailable'; readonly reason: UnavailableReason };

export type FillReply = 'stored' | 'refused' | 'unavailable';

/** Something that everyone has to forget. */
export interface RemoteInvalidation {
  /** Full names of keys. */
  readonly keys: readonly string[];
  /** Tag buckets. */
  readonly buckets: readonly number[];
  /** The tags that the buckets stand for, for a tier that keeps names. */
  readonly tags?: readonly string[];
  /** The source's own log of changes tells of it already: it need only be waited for. */
  readonly logged?: boolean;
  /** Everything of every cache that shares the tag table. */
  readonly all: boolean;
  /** Whether it may not be served as a stale answer either. */
  readonly purge: boolean;
}

/** What a remote tier tells its caches of their own accord. */
export interface RemoteListener {
  /** Someone (this process not included) invalidated these keys, by full name. */
  onInvalidated(keys: readonly string[], purge: boolean): void;
  /** Tag stamps changed by someone else: flights under way may be of such a record. */
  onTagsChanged(purge: boolean): void;
  /** Nothing that was kept or begun before counts: messages may have been missed, or everything was invalidated or purged. */
  onGap(cause: 'missed' | 'invalidated' | 'purged'): void;
}

/** Who holds the lease of a key. */
export interface LeaseHolder {
  readonly holder: string;
  readonly leftMs: number;
}

/**
 * The tier that instances share, with the bus that tells them of each other's invalidations. The engine knows only this face; Redis is behind it.
 *
 * Reads of one turn of the event loop travel together. No call waits longer than its budget, none rejects, and none is queued while there is no connection.
 */
export interface RemoteTier {
  /** This process's copy of the tag stamps, kept level by this tier: every answered read has brought it up to date first. */
  readonly tags: TagStamps;
  /** Resolves when the first try to reach the tier has come to an end, good or bad. */
  readonly opened: Promise<void>;
  /** Reads one key. `deadline`: monotonic ms after which the answer is not waited for. */
  read(key: string, deadline: number): Promise<RemoteRead>;
  /**
   * Asks for the lease of a key. With `replace` the value that may be there is known to be of no use; without it a value that has come meanwhile is handed over instead.
   */
  acquire(key: string, token: string, options: { leaseMs: number; replace: boolean; deadline: number }): Promise<LeaseReply>;
  /** Stores an entry if the lease is still this token's, and gives the lease back. `null` only gives it back. `loadedAgoMs`: how long ago the source was asked. */
  fill(key: string, token: string, fill: { entry: EncodedEntry; expireMs: number; loadedAgoMs: number } | null): Promise<FillReply>;
  /** Stores an entry whoever holds the lease, which is taken away, and tells the others. */
  put(key: string, put: { entry: EncodedEntry; expireMs: number }): Promise<'applied' | 'queued'>;
  /**
   * Deletes values and leases and tells the others; `queued` when it could not be confirmed: the tier is then not read by this process until it was.
   */
  invalidate(change: RemoteInvalidation): Promise<'applied' | 'queued'>;
  /** Lease of a key, for people. */
  holder(key: string): Promise<LeaseHolder | null>;
  /** Local monotonic time up to which all invalidations that were sent are known to have been heard of here; `now` while there is nobody else to hear of. */
  asOf(now: number): number;
  listen(listener: RemoteListener): void;
  /** Whether it can be asked right now. */
  state(): 'off' | 'up' | 'down';
  close(): Promise<void>;
}
