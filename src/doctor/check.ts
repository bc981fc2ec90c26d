import type { BreakerState } from '../cache/breaker-types.ts';
import type { Lookup } from '../cache/lookup.ts';
import type { FollowerStats } from '../cache/follower-types.ts';
import type { Clock } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import type { FileInfo } from '../files/records.ts';
import type { Database } from '../postgres/database.ts';
import type { RedisCheckup } from '../redis/checkup.ts';
import type { RedisServer } from '../redis/server-address.ts';
import type { LoopMeasured } from './loop-measure.ts';
import type { RateSampler } from './clock-rate.ts';
import type { CheckGroup, Finding } from './report.ts';

/** Numbers that checks compare with. */
export interface DoctorLimits {
  /** One check, in ms; that of the loop has more. */
  readonly checkMs: number;
  readonly loopMs: number;
  /** All of it: what is not done by then is skipped. */
  readonly totalMs: number;
  /** Changes whose way is timed. */
  readonly rounds: number;
  /** A transaction that is open for longer holds back what vacuum may remove, in ms. Log entries are kept as long. */
  readonly longTransactionMs: number;
  /** Rows of a doctor that were not touched for so long belong to one that was killed, in ms. */
  readonly leftoverMs: number;
  /** The rate of two clocks is compared over at least so long, in ms; 0: it is not compared. */
  readonly clockMs: number;
}

export const DEFAULT_LIMITS: DoctorLimits = Object.freeze({
  // Longer than a connection to an address that nobody answers may take.
  checkMs: 6_000,
  loopMs: 20_000,
  totalMs: 60_000,
  rounds: 5,
  longTransactionMs: 300_000,
  leftoverMs: 60_000,
  clockMs: 1_500,
});

/** What of the configuration is checked, and checked against. */
export interface DoctorSettings {
  readonly keyPrefix: string;
  readonly maxStalenessMs: number;
  readonly redisBudgetMs: number;
  readonly relay: 'always' | 'never';
  /** `null`: the adaptive one. */
  readonly fixedTtlMs: number | null;
  /** Of the pool of one process. */
  readonly databaseConnections: number;
  /** Whether a start brings the schema up to date, and so needs the rights to do so. */
  readonly migrates: boolean;
  /** Connections whose certificates nobody checks, in words. */
  readonly unverifiedTls: readonly string[];
}

/** One cache as processes have it, to look through. */
export interface ProbeInstance {
  lookup(id: string): Promise<Lookup<FileInfo>>;
  /** Whether Redis holds an entry of this id that counts. */
  isShared(id: string): Promise<boolean>;
  stats(): FollowerStats;
  /** Local monotonic ms: all that was committed before is known there. */
  asOf(): number;
  close(): Promise<void>;
}

/** The process that serves, as it knows itself. */
export interface RunningInstance extends Pick<ProbeInstance, 'asOf'> {
  /** Of its breaker of Redis, with the reason of its last change; `null` without Redis. */
  breaker(): { readonly state: BreakerState; readonly reason: string } | null;
}

/** What is looked at. Each is opened by the check that says whether it can be. */
export interface DoctorTargets {
  readonly settings: DoctorSettings;
  openDatabase(): Promise<Database>;
  /** `null`: there is none. @throws what stands in the way */
  findRedis(): Promise<string | RedisServer | null>;
  /** Opens a cache of its own beside those of all processes. */
  openInstance(database: Database, redis: string | RedisServer | null, relay: 'always' | 'never'): Promise<ProbeInstance>;
  /** The caches of this very process, if it serves; they are its own to close. */
  readonly running: RunningInstance | null;
}

/** What checks share: each that opens or measures something leaves it here for those after it. */
export interface World {
  readonly targets: DoctorTargets;
  readonly settings: DoctorSettings;
  readonly limits: DoctorLimits;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly dryRun: boolean;
  database: Database | null;
  /** As the settings say, whether it can be reached or not; `null` when they want none, and before it was found. */
  redisServer: string | RedisServer | null;
  /** `null`: there is none, or it cannot be reached. */
  redis: RedisCheckup | null;
  /** Redis had the history of another database when it was looked at first. */
  foreignHistory: readonly string[];
  rate: RateSampler | null;
  loop: LoopMeasured | null;
  /** Closed at the end, the last one first. */
  readonly closing: (() => Promise<void> | void)[];
}

/** Findings without a reason of their own have that of their check. */
export type Findings = readonly (Omit<Finding, 'why'> & { readonly why?: string })[];

export type Outcome =
  | {
      readonly status: 'done';
      /** What was measured. */
      readonly said: string;
      readonly findings?: Findings;
      /** What builds on this check cannot be made. @defaultValue whether an error was found */
      readonly blocks?: boolean;
    }
  /** There is nothing to check, or nobody may. What builds on it is made all the same. */
  | { readonly status: 'skipped'; readonly said: string };

export interface Check {
  /** `database.reach` */
  readonly name: `${CheckGroup}.${string}`;
  /** For the documentation: what is looked at, after "whether". */
  readonly asks: string;
  /** For the documentation, and for findings that have no reason of their own. */
  readonly why: string;
  /** For the documentation: what mends what it finds. Also the advice when it fails or hangs itself. */
  readonly mends: string;
  /** Better advice when it fails itself, if what it failed by tells. */
  readonly mendsFor?: (what: string, world: World) => string | null;
  /** Checks without which this one cannot be made. */
  readonly needs?: readonly Check['name'][];
  /** Left out in a dry run. */
  readonly writes?: boolean;
  readonly limitMs?: (limits: DoctorLimits) => number;
  run(world: World, signal: AbortSignal): Promise<Outcome>;
}

export const done = (said: string, findings: Findings = []): Outcome => ({ status: 'done', said, findings });
export const skipped = (said: string): Outcome => ({ status: 'skipped', said });

/** The database, for checks that need `database.reach`. */
export function databaseOf({ database }: World): Database {
  if (database === null) throw new Error('the database was not opened');
  return database;
}

/** Redis, for checks that need `redis.reach`; `null` when the settings want none. */
export const redisOf = ({ redis }: World): RedisCheckup | null => redis;

export const NO_REDIS = skipped('the settings want no Redis');

/** For lists in sentences. */
export const count = (number: number, of: string): string => `${number} ${of}${number === 1 ? '' : 's'}`;
export const ms = (value: number): string => `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ms`;
