import { parseDuration } from '../../core/duration.ts';
import { ForebayError } from '../../core/errors.ts';
import { BENCH } from '../../files/bench-records.ts';
import { MAX_BATCH } from '../../service/routes/schemas.ts';
import { wholeNumber } from '../whole-number.ts';

/** As commander gives them: text, or nothing. */
export interface BenchFlags {
  readonly duration?: string;
  readonly warmup?: string;
  readonly keys?: string;
  readonly skew?: string;
  readonly writes?: string;
  readonly concurrency?: string;
  readonly rate?: string;
  readonly batch?: string;
  readonly seed?: string;
  readonly trace?: string;
  readonly existing?: boolean;
  readonly yes?: boolean;
  readonly keep?: boolean;
  readonly clean?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What is to be measured. */
export interface Plan {
  /** The longest that it takes; a trace may end before. */
  readonly durationMs: number;
  /** The same load before, which is not counted. */
  readonly warmupMs: number;
  /** Of a trace: as many as it has. */
  readonly keys: number;
  readonly skew: number;
  readonly trace: string | null;
  readonly writes: number;
  readonly concurrency: number;
  readonly rate: number | null;
  readonly batch: number;
  readonly seed: number;
  readonly existing: boolean;
  readonly keep: boolean;
}

const DAY_MS = 86_400_000;
const MAX_CONCURRENCY = 4096;
const MAX_RATE = 1_000_000;
const DEFAULTS = { durationMs: 30_000, traceMs: 3_600_000, keys: 10_000, skew: 0.9, writes: 0.01, concurrency: 32 } as const;

/**
 * What a command line means.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export function planOf(flags: BenchFlags): Plan {
  const { trace = null, existing = false, keep = false } = flags;
  exclude(trace !== null && flags.keys !== undefined, 'keys', 'a trace says itself how many keys there are: leave out --keys, or --trace');
  exclude(trace !== null && flags.skew !== undefined, 'skew', 'a trace says itself what is read how often: leave out --skew, or --trace');
  exclude(existing && keep, 'keep', '--existing makes no records that could be kept: leave out one of the two');
  const writes = number('writes', flags.writes, 0, 1) ?? (existing ? 0 : DEFAULTS.writes);
  exclude(
    existing && writes > 0 && flags.yes !== true,
    'writes',
    '--writes with --existing gives new versions to records that are not its own (what they say stays): add --yes if that is meant, or leave out --writes',
  );
  return {
    durationMs: time('duration', flags.duration, 1000, DAY_MS) ?? (trace === null ? DEFAULTS.durationMs : DEFAULTS.traceMs),
    warmupMs: time('warmup', flags.warmup, 0, DAY_MS) ?? 0,
    keys: whole('keys', flags.keys, 1, BENCH.maxRecords) ?? DEFAULTS.keys,
    skew: number('skew', flags.skew, 0, 3) ?? DEFAULTS.skew,
    trace,
    writes,
    concurrency: whole('concurrency', flags.concurrency, 1, MAX_CONCURRENCY) ?? DEFAULTS.concurrency,
    rate: whole('rate', flags.rate, 1, MAX_RATE) ?? null,
    batch: whole('batch', flags.batch, 1, MAX_BATCH) ?? 1,
    seed: whole('seed', flags.seed, 0, 2 ** 32 - 1) ?? 1,
    existing,
    keep,
  };
}

function exclude(wrong: boolean, field: string, message: string): void {
  if (wrong) throw new ForebayError('INPUT_INVALID', message, { field });
}

const whole = (name: string, text: string | undefined, min: number, max: number): number | undefined =>
  text === undefined ? undefined : wholeNumber(name, text, min, max);

function number(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,3}(\.\d{1,9})?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new ForebayError(
    'INPUT_INVALID',
    `--${name}=${JSON.stringify(text.slice(0, 64))}: must be a number from ${min} to ${max}, such as 0.1`,
    { field: name },
  );
}

function time(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= min && ms <= max) return ms;
  throw new ForebayError(
    'INPUT_INVALID',
    `--${name}=${JSON.stringify(text.slice(0, 64))}: must be a duration from ${min / 1000}s to 24h, such as 30s`,
    { field: name },
  );
}
