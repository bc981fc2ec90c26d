/** What the TTL of an entry may depend on. */
export interface TtlInput {
  /** Size of the thing described (a file's bytes, say), or 0 where it has none. */
  readonly size: number;
  /** Seconds since the record last changed; `null` if the record does not say. */
  readonly ageS: number | null;
  /** Faded reads per second of this key in this process; `null` before the first read was counted. */
  readonly readsPerSecond: number | null;
  /** Whether this is the first read of the key that this process saw. */
  readonly firstRead: boolean;
}

/** Gives the TTL of an entry in milliseconds, before jitter: at most a year counts, and what is no number fails the load. */
export type TtlPolicy = (input: TtlInput) => number;

export interface AdaptiveTtlOptions {
  /** Shortest TTL. @defaultValue 60,000 */
  readonly minMs?: number;
  /** Longest TTL. @defaultValue 21,600,000 (6 h) */
  readonly maxMs?: number;
  /** Factor of the square root. @defaultValue 0.2 */
  readonly base?: number;
  /** Factor on the first read that is seen of a key. @defaultValue 0.25 */
  readonly firstRead?: number;
  /** Exponent `e` of `(1 + size / 64 KiB)^e`; 0 makes size not matter. @defaultValue -0.1 */
  readonly sizeExponent?: number;
}

/** A year: longer than any process or server is up. A TTL past it (`Infinity`, say) would not fit an entry's header. */
export const MAX_TTL_MS = 365 * 86_400_000;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Without a rate: this share of the record's age, at most an hour. */
const AGE_SHARE = 0.1;
const SIZE_UNIT_BYTES = 64 * 1024;

/**
 * `clamp(0.2 * sqrt(age / rate) * p * s, 60 s, 6 h)`: the TTL that minimises misses plus stale reads were every invalidation lost.
 *
 * Old records change seldom (the chance falls about 400-fold with age) and so may stay long; records that are read often refill once per TTL whatever it is, and so
 * lose little by a short one. `s = (1 + size / 64 KiB)^-0.1`: a stale record of a large file costs more to act on. Curves: `docs/ttl.md`.
 * Against a fixed 3,600 s on eight recorded traces: 0.90 of the database reads, 0.27 of the stale reads, 1.77 of the resident entries.
 */
export function adaptiveTtl(options: AdaptiveTtlOptions = {}): TtlPolicy {
  const { minMs = MINUTE_MS, maxMs = 6 * HOUR_MS, base = 0.2, firstRead = 0.25, sizeExponent = -0.1 } = options;
  return (input) => {
    // A date that could not be read says nothing; neither does a size that is none.
    if (input.ageS === null || Number.isNaN(input.ageS)) return clamp(HOUR_MS, minMs, maxMs);
    const ageS = Math.max(input.ageS, 0);
    const size = input.size > 0 ? input.size : 0;
    const rate = input.readsPerSecond;
    if (rate === null || rate <= 0) return clamp(Math.min(AGE_SHARE * ageS * 1000, HOUR_MS), minMs, maxMs);
    const p = input.firstRead ? firstRead : 1;
    const s = (1 + size / SIZE_UNIT_BYTES) ** sizeExponent;
    return clamp(base * Math.sqrt(ageS / rate) * p * s * 1000, minMs, maxMs);
  };
}

/** The same TTL for every entry. @param ttlMs @defaultValue 3,600,000 */
export function fixedTtl(ttlMs: number = HOUR_MS): TtlPolicy {
  return () => ttlMs;
}

/** How far apart the TTLs of entries that were stored together are spread, so that they do not expire together. */
export type Spread = 'fill' | 'warm';

/**
 * A TTL with jitter: +-10 % on ordinary fills, 0.5 to 1.5 of it on warmed or restored entries
 * (peak second after a bulk warm: 16.6 times the mean without jitter, 1.7 with). `random` is in [0, 1).
 */
export function jitter(ttlMs: number, spread: Spread, random: number): number {
  const width = spread === 'warm' ? 0.5 : 0.1;
  return Math.max(1, Math.round(ttlMs * (1 - width + 2 * width * random)));
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
