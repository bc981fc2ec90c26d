import type { ForebayError } from '../core/errors.ts';

/** Where an answer came from, nearest first. */
export type Tier = 'local' | 'remote' | 'source';

/** A value with all that is known of it. Frozen; shared by everyone who asks for the key. */
export interface Found<V> {
  readonly value: V;
  /** The value as JSON in UTF-8, as it travels: serve it without serialising. Not to be written to. */
  readonly json: Buffer;
  /** Version of the record, if the cache was given a way to read it from the value; else 0. */
  readonly version: number;
  /** Milliseconds since the source was asked for this value. */
  readonly ageMs: number;
  /** Milliseconds until the entry expires; negative once it did. */
  readonly ttlLeftMs: number;
}

/** A tier answered, within the entry's lifetime. */
export interface Hit<V> extends Found<V> {
  readonly outcome: 'hit';
  readonly tier: 'local' | 'remote';
}

/** A tier answered with an entry that is past its time, because the source was slow or away and the options allow it. */
export interface StaleHit<V> extends Found<V> {
  readonly outcome: 'stale';
  readonly tier: 'local' | 'remote';
  /** Milliseconds since the moment up to which the value is known to have been current. */
  readonly asOfAgeMs: number;
  /** Whether only `staleIfErrorMs` allowed it: the source failed, and `asOfAgeMs` may be more than `maxStalenessMs`. */
  readonly ifError: boolean;
}

/** No tier could answer; the source did. */
export interface Loaded<V> extends Found<V> {
  readonly outcome: 'loaded';
  readonly tier: 'source';
  /** Whether this caller shared a load that another had begun. */
  readonly joined: boolean;
  /** Whether the value was put into the remote tier. */
  readonly stored: boolean;
}

/** The record does not exist, said by `tier`. */
export interface Absent {
  readonly outcome: 'absent';
  readonly tier: Tier;
  readonly ageMs: number;
  readonly ttlLeftMs: number;
}

/** Nobody could say: the source failed, timed out or was overloaded. */
export interface Unavailable {
  readonly outcome: 'unavailable';
  readonly error: ForebayError;
}

/** The whole story of one look-up. */
export type Lookup<V> = Hit<V> | StaleHit<V> | Loaded<V> | Absent | Unavailable;

/** Whether an invalidation reached everything it must reach, or waits for Redis to return. */
export type InvalidationState = 'applied' | 'queued';
