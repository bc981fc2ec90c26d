import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import { systemChance } from '../core/random.ts';
import type { VersionsOf } from './kept.ts';
import { noRemoteTier } from './no-remote-tier.ts';
import type { EvictionPolicy } from './local-tier.ts';
import type { LoadPacer } from './pacer.ts';
import { noPacer } from './pacer.ts';
import type { Recorder } from './recorder.ts';
import { HistogramRecorder } from './recorder.ts';
import type { RemoteTier } from './remote-tier.ts';
import { ReuseSampler } from './reuse-sampler.ts';
import type { Source } from './source.ts';
import type { Tracer } from './tracer.ts';
import type { TtlPolicy } from './ttl.ts';
import { adaptiveTtl } from './ttl.ts';

/** What a value says of itself; every field may be left out. */
export interface ValueTraits {
  /** Version of the record; a whole number of at least 0. @defaultValue 0 */
  readonly version?: number;
  /** Tags by which the entry can be invalidated; at most 64. @defaultValue none */
  readonly tags?: readonly string[];
  /** Size of the thing that the record describes, in bytes, for the TTL. @defaultValue 0 */
  readonly size?: number;
  /** When the record last changed, in milliseconds since the epoch, for the TTL. @defaultValue unknown */
  readonly changedAt?: number;
}

export interface CacheOptions<K, V> {
  /** Names the cache in keys (`name:{key}`), metrics and logs: 1 to 64 of `a-z 0-9 : _ -`, unique among the caches on one Redis. */
  readonly name: string;
  /** Where records come from when no tier has them. */
  readonly source: Source<K, V>;
  /** The shared tier; it is not closed with the cache. @defaultValue none: one process, its memory only */
  readonly remote?: RemoteTier;
  /** The key as text; has to tell different keys apart. @defaultValue String */
  readonly keyText?: (key: K) => string;
  /** Versions of records without the records, where the source can tell them for less: what is restored from a backup is held against them. @defaultValue none: what is restored is loaded anew */
  readonly versions?: VersionsOf<K> | null;
  /** Version, tags, size and age of a value. @defaultValue none of them */
  readonly describe?: (value: V) => ValueTraits;

  /** Most entries in process memory. @defaultValue 50,000 */
  readonly maxEntries?: number;
  /** Most bytes in process memory, keys and bookkeeping included. @defaultValue 134,217,728 (128 MiB) */
  readonly maxBytes?: number;
  /** How the local tier makes room. @defaultValue 's3fifo' */
  readonly policy?: EvictionPolicy;
  /** Values whose JSON is larger are served and not stored. @defaultValue 1,048,576 */
  readonly maxEntryBytes?: number;

  /** How long an entry may be served unless something changes. @defaultValue adaptiveTtl() */
  readonly ttl?: TtlPolicy;
  /** How long it is remembered that a record does not exist, in ms. @defaultValue 30,000 */
  readonly absentTtlMs?: number;
  /** Most absent entries in process memory. @defaultValue 10,000 */
  readonly maxAbsentEntries?: number;
  /** How long past its TTL an entry is kept, to be served stale when the source is slow or fails; within `maxStalenessMs`, which holds all the same. @defaultValue 30,000 */
  readonly graceMs?: number;
  /**
   * When the source fails, a value that may be staler than `maxStalenessMs` by at most so much may be served, and is marked stale, in ms. Never one that was invalidated or purged, as far as is
   * known, nor an absence. 0 = never. @defaultValue 0
   */
  readonly staleIfErrorMs?: number;
  /** An entry in the last such share of its TTL is served and refreshed in the background; 0 = never. @defaultValue 0.1 */
  readonly refreshAhead?: number;

  /** A local entry is served only while it is proven that all invalidations up to so long ago were heard of, in ms; at least 100. @defaultValue 1,000 */
  readonly maxStalenessMs?: number;
  /** Longest wait for the remote tier in one read, in ms. @defaultValue 50 */
  readonly budgetMs?: number;
  /** Permission to fill lasts so long, in ms; has to exceed `hardTimeoutMs`, or slow loads are not stored. @defaultValue 12,000 */
  readonly leaseMs?: number;
  /** Wait for another instance's fill, in ms; 0 = load at once. @defaultValue 200 */
  readonly leaseWaitMs?: number;
  /** First pause between looks at the tier while waiting for a fill, in ms; doubles up to eightfold. @defaultValue 5 */
  readonly leasePollMs?: number;

  /** With an expired entry at hand, wait so long for the source and then serve it, in ms. @defaultValue 100 */
  readonly softTimeoutMs?: number;
  /** Wait so long for the source and then fail with `LOAD_TIMEOUT`, in ms. @defaultValue 10,000 */
  readonly hardTimeoutMs?: number;
  /** Calls of the source under way at once. @defaultValue 16 */
  readonly maxConcurrentLoads?: number;
  /** Keys waiting for one of those; more fail with `OVERLOADED`. @defaultValue 10,000 */
  readonly maxQueuedLoads?: number;
  /** Most keys in one call of `loadMany`. @defaultValue 500 */
  readonly maxBatch?: number;
  /** Callers that may wait for one load; more fail with `OVERLOADED`. @defaultValue 10,000 */
  readonly maxWaiters?: number;

  /** After how long a read counts half in the read rate, in ms. @defaultValue 21,600,000 (6 h) */
  readonly readRateHalfLifeMs?: number;
  /** @defaultValue the system's */
  readonly clock?: Clock;
  /** A number in [0, 1), for jitter. @defaultValue the system's */
  readonly random?: () => number;
  /** Text that nobody else draws, for lease tokens. @defaultValue the system's */
  readonly uniqueId?: () => string;
  /** Paces calls of the source while the remote tier is away or fills again; may be shared by caches of one source. @defaultValue none: nothing is held back */
  readonly pacer?: LoadPacer;
  /** Samples the reads that come to the remote tier, for its miss-ratio curve; one for all caches on it. @defaultValue one of this cache's own */
  readonly remoteReuse?: ReuseSampler;
  /** Is told how long reads took, for `stats().latency`; `noRecorder` counts nothing. @defaultValue one of this cache's own */
  readonly recorder?: Recorder;
  /** Is told of reads that process memory does not answer, as spans. @defaultValue none */
  readonly tracer?: Tracer | null;
}

export type ResolvedOptions<K, V> = Readonly<Required<CacheOptions<K, V>>>;

/** Limits of the numbers: [least, most, default]. What is counted has to be whole; times and shares need not be. */
const NUMBERS = {
  maxEntries: [0, 50_000_000, 50_000],
  maxBytes: [0, 1024 ** 4, 128 * 1024 ** 2],
  maxEntryBytes: [1, 512 * 1024 ** 2, 1024 ** 2],
  absentTtlMs: [0, 86_400_000, 30_000],
  maxAbsentEntries: [0, 50_000_000, 10_000],
  graceMs: [0, 86_400_000, 30_000],
  staleIfErrorMs: [0, 86_400_000, 0],
  refreshAhead: [0, 0.9, 0.1],
  maxStalenessMs: [100, 86_400_000, 1000],
  budgetMs: [1, 60_000, 50],
  leaseMs: [10, 600_000, 12_000],
  leaseWaitMs: [0, 60_000, 200],
  leasePollMs: [1, 1000, 5],
  softTimeoutMs: [1, 600_000, 100],
  hardTimeoutMs: [1, 600_000, 10_000],
  maxConcurrentLoads: [1, 10_000, 16],
  maxQueuedLoads: [1, 10_000_000, 10_000],
  maxBatch: [1, 10_000, 500],
  maxWaiters: [1, 10_000_000, 10_000],
  readRateHalfLifeMs: [1000, 30 * 86_400_000, 21_600_000],
} as const;

const FUNCTIONS = ['keyText', 'describe', 'ttl', 'random', 'uniqueId'] as const;
const OTHERS = new Set([
  'name',
  'source',
  'remote',
  'keyText',
  'versions',
  'describe',
  'policy',
  'ttl',
  'clock',
  'random',
  'uniqueId',
  'pacer',
  'remoteReuse',
  'recorder',
  'tracer',
]);

/** Checks the bound by itself, for what has no cache. @throws {ForebayError} `CONFIG_INVALID` */
export const checkMaxStaleness = (value: unknown): void => void numberOf('maxStalenessMs', value);

/**
 * Checks options and fills in the defaults.
 * @throws {ForebayError} `CONFIG_INVALID`, naming the option, its value and the rule; an unknown option is an error too.
 */
export function resolveOptions<K, V>(options: CacheOptions<K, V>): ResolvedOptions<K, V> {
  const given = options as unknown as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(NUMBERS, name) && !OTHERS.has(name)) throw invalid(name, given[name], 'is not an option of createCache');
  }
  if (typeof options.name !== 'string' || !/^[a-z0-9:_-]{1,64}$/.test(options.name)) {
    throw invalid('name', options.name, 'has to be 1 to 64 of a-z 0-9 : _ -');
  }
  if (options.policy !== undefined && options.policy !== 's3fifo' && options.policy !== 'lru') {
    throw invalid('policy', options.policy, "has to be 's3fifo' or 'lru'");
  }
  for (const name of FUNCTIONS) {
    if (given[name] !== undefined && typeof given[name] !== 'function') throw invalid(name, given[name], 'has to be a function');
  }
  const numbers = Object.fromEntries(
    (Object.keys(NUMBERS) as (keyof typeof NUMBERS)[]).map((name) => [name, numberOf(name, given[name])]),
  ) as Record<keyof typeof NUMBERS, number>;
  return Object.freeze({
    remote: noRemoteTier({ alone: true }),
    keyText: String,
    versions: null,
    describe: () => ({}),
    policy: 's3fifo' as const,
    ttl: adaptiveTtl(),
    clock: systemClock,
    random: () => systemChance.random(),
    uniqueId: () => systemChance.uniqueId(),
    pacer: noPacer,
    remoteReuse: new ReuseSampler(),
    recorder: new HistogramRecorder(),
    tracer: null,
    ...definedOf(options),
    ...numbers,
  });
}

function definedOf<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function numberOf(name: keyof typeof NUMBERS, given: unknown): number {
  const [least, most, byDefault] = NUMBERS[name];
  const value = given ?? byDefault;
  const isCount = !name.endsWith('Ms') && name !== 'refreshAhead';
  if (typeof value !== 'number' || !(value >= least && value <= most) || (isCount && !Number.isInteger(value))) {
    throw invalid(name, value, `has to be a ${isCount ? 'whole ' : ''}number from ${least} to ${most}`);
  }
  return value;
}

function invalid(name: string, value: unknown, rule: string): ForebayError {
  return new ForebayError('CONFIG_INVALID', `${name} = ${String(value).slice(0, 80)}: ${rule}`, { field: name });
}
