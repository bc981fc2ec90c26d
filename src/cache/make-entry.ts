import { ForebayError } from '../core/errors.ts';
import type { EncodedEntry } from './entry.ts';
import { decodeEntry, encodeEntry, parseFrozen } from './entry.ts';
import type { FlightKind } from './flights.ts';
import type { LocalEntry } from './local-entry.ts';
import { entryBytes } from './local-entry.ts';
import type { ResolvedOptions, ValueTraits } from './options.ts';
import { PopularKeys } from './popular.ts';
import type { PopularKey } from './popular.ts';
import { ReadRate } from './read-rate.ts';
import type { ReuseSampler } from './reuse-sampler.ts';
import type { TagPoint } from './tags.ts';
import { tagBuckets, UNKNOWN_POINT } from './tags.ts';
import { jitter, MAX_TTL_MS } from './ttl.ts';

const NO_BYTES = Buffer.alloc(0);
/** A value may have so many tags; more is an error of the `describe` function, not something to cut. */
const MAX_TAGS = 64;

/** The popular set: counts of one period, handed over when it ends. */
const POPULAR_PERIOD = { periodMs: 10_000, maxReads: 10_000, maxKeys: 10_000, onceAMinute: 2_000 };
/** Keys of the last period that are kept to be asked for. */
const MAX_POPULAR = 1000;

export interface FromSource {
  readonly key: string;
  readonly hash: number;
  /** `null`: the record does not exist. */
  readonly json: Buffer | null;
  /** Monotonic ms at which the source was asked. */
  readonly askedAt: number;
  readonly asOf: number;
  /** Tag point taken before the source was asked. */
  readonly point: TagPoint;
  readonly spread: FlightKind;
  /** Instead of the policy's TTL. */
  readonly ttlMs?: number;
}

export type Made<V> = { readonly ok: true; readonly entry: LocalEntry<V> } | { readonly ok: false; readonly error: ForebayError };

/** Turns what the source or the remote tier gave into entries, chooses their TTL, and counts reads for that. */
export class EntryMaker<K, V> {
  readonly #o: ResolvedOptions<K, V>;
  readonly #rate: ReadRate;
  readonly #popular: PopularKeys;
  readonly #reuse: ReuseSampler;
  #lastPeriod: readonly PopularKey[] = [];

  /** `onPopular`: told of the counts of each period. */
  constructor(options: ResolvedOptions<K, V>, reuse: ReuseSampler, onPopular: (keys: readonly PopularKey[]) => void) {
    this.#o = options;
    this.#reuse = reuse;
    const now = options.clock.now();
    this.#rate = new ReadRate(options.readRateHalfLifeMs, now);
    this.#popular = new PopularKeys({
      ...POPULAR_PERIOD,
      now,
      handOver: (keys) => {
        this.#lastPeriod = keys.toSorted((a, b) => b.reads - a.reads).slice(0, MAX_POPULAR);
        onPopular(keys);
      },
    });
  }

  /** Counts one read of a key; `served`: whether process memory answers it. */
  noteRead(text: string, hash: number, now: number, served: boolean): void {
    if (hash < this.#reuse.threshold) this.#reuse.read(hash, now, served);
    this.#rate.add(hash, now);
    this.#popular.add(text, now);
  }

  /** The keys read in the period that has not ended. */
  counted(): PopularKey[] {
    return this.#popular.counted();
  }

  /** The keys read most in the last full period, most read first. */
  popular(): readonly PopularKey[] {
    return this.#lastPeriod;
  }

  fromSource(from: FromSource): Made<V> {
    const { key, hash, json, askedAt, asOf, point } = from;
    if (json === null) {
      const ttlMs = from.ttlMs ?? jitter(this.#o.absentTtlMs, 'fill', this.#o.random());
      return {
        ok: true,
        entry: this.#entry({
          key,
          hash,
          absent: true,
          value: null,
          json: NO_BYTES,
          version: 0,
          loadedAt: askedAt,
          ttlMs,
          asOf,
          point,
          buckets: [],
        }),
      };
    }
    try {
      // The value is read back from its JSON, so that it has the same shape and is as frozen whichever tier answers.
      const value = parseFrozen(json) as V;
      const traits = checkTraits(this.#o.describe(value));
      const ttlMs = from.ttlMs ?? this.#ttl(hash, traits, from.spread);
      const version = traits.version ?? 0;
      return {
        ok: true,
        entry: this.#entry({
          key,
          hash,
          absent: false,
          value,
          json,
          version,
          loadedAt: askedAt,
          ttlMs,
          asOf,
          point,
          buckets: tagBuckets(traits.tags ?? []),
        }),
      };
    } catch (cause) {
      return {
        ok: false,
        error: new ForebayError('SOURCE_SHAPE', `the value of "${key}" could not be described: ${String(cause)}`, { cause }),
      };
    }
  }

  /** The entry in bytes from the remote tier, or `null` if they are not one. `readAt`: monotonic ms before the read was sent. */
  fromRemote(
    key: string,
    hash: number,
    read: { readonly bytes: Buffer; readonly serverNow: number; readonly asOf?: number },
    readAt: number,
  ): LocalEntry<V> | null {
    const wire = decodeEntry(read.bytes);
    if (wire === null) return null;
    try {
      // Copied, since the reply is a view into a chunk of the socket's that would be kept alive whole.
      const json = wire.absent ? NO_BYTES : ownCopy(wire.json);
      const value = wire.absent ? null : (parseFrozen(json) as V);
      const ageMs = Math.max(0, read.serverNow - wire.loadedAt);
      const { absent, version, ttlMs, point, buckets } = wire;
      return this.#entry({
        key,
        hash,
        absent,
        value,
        json,
        version,
        loadedAt: readAt - ageMs,
        ttlMs,
        asOf: read.asOf ?? readAt,
        point,
        buckets,
      });
    } catch {
      return null;
    }
  }

  /** An entry as the remote tier stores it. */
  toRemote(entry: LocalEntry<V>): { entry: EncodedEntry; expireMs: number; loadedAgoMs: number } {
    const { absent, version, point, buckets, json } = entry;
    const ttlMs = Math.max(1, Math.round(entry.expiresAt - entry.loadedAt));
    const loadedAgoMs = Math.max(0, Math.round(this.#o.clock.now() - entry.loadedAt));
    return {
      entry: encodeEntry({ absent, version, ttlMs, point, buckets, json }),
      expireMs: Math.max(1, ttlMs + (absent ? 0 : Math.max(this.#o.graceMs, this.#o.staleIfErrorMs)) - loadedAgoMs),
      loadedAgoMs,
    };
  }

  /** Tags of an entry, for people. */
  tagsOf(entry: LocalEntry<V>): readonly string[] {
    return entry.absent ? [] : (this.#o.describe(entry.value as V).tags ?? []);
  }

  #ttl(hash: number, traits: ValueTraits, kind: FlightKind): number {
    const now = this.#o.clock.now();
    const reads = this.#rate.count(hash);
    const ttlMs: unknown = this.#o.ttl({
      size: traits.size ?? 0,
      ageS: traits.changedAt === undefined ? null : (this.#o.clock.wallNow() - traits.changedAt) / 1000,
      readsPerSecond: reads === 0 ? null : this.#rate.perSecond(hash, now),
      firstRead: reads <= 1,
    });
    if (typeof ttlMs !== 'number' || Number.isNaN(ttlMs))
      throw new TypeError(`ttl gave ${String(ttlMs)}, which is no number of milliseconds`);
    const chosenMs = jitter(Math.min(ttlMs, MAX_TTL_MS), kind === 'warm' ? 'warm' : 'fill', this.#o.random());
    this.#o.recorder.ttl(chosenMs);
    return chosenMs;
  }

  #entry(
    parts: Omit<LocalEntry<V>, 'bytes' | 'expiresAt' | 'refreshAt' | 'used'> & { readonly key: string; readonly ttlMs: number },
  ): LocalEntry<V> {
    const { key, ttlMs, ...entry } = parts;
    const expiresAt = entry.loadedAt + ttlMs;
    return {
      ...entry,
      point: entry.point.generation === '' ? UNKNOWN_POINT : entry.point,
      expiresAt,
      used: false,
      refreshAt: entry.absent ? Number.POSITIVE_INFINITY : expiresAt - ttlMs * this.#o.refreshAhead,
      bytes: entryBytes(key, entry.value, entry.json, entry.buckets),
    };
  }
}

/** In memory of its own: a small Buffer lies on a page of 8 KiB of Node's pool, among others that are long gone, and would keep it alive whole. Costs a microsecond more than such a page. */
function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

function checkTraits(traits: ValueTraits): ValueTraits {
  const { version = 0, tags = [] } = traits;
  if (!Number.isSafeInteger(version) || version < 0) throw new TypeError(`version ${String(version)} is not a whole number of at least 0`);
  if (tags.length > MAX_TAGS) throw new RangeError(`${tags.length} tags are more than ${MAX_TAGS}`);
  return traits;
}
