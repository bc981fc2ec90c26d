/** What was amiss. */
export const RECOVERY_CAUSES = ['redis_away', 'redis_isolated', 'redis_empty', 'node_away', 'database_away'] as const;
export type RecoveryCause = (typeof RECOVERY_CAUSES)[number];

/**
 * Where a recovery is. *outage*: something does not answer, or is kept from being asked. *verifying*: it answers again, and is not believed before it has followed all changes. *warming*: what was lost is loaded again.
 * *paced*: calls of the database are still held back. *over*: all traffic is as before.
 */
export const RECOVERY_PHASES = ['outage', 'verifying', 'warming', 'paced', 'over'] as const;
export type RecoveryPhase = (typeof RECOVERY_PHASES)[number];

/** How Redis came to be believed again: changes that it had missed were applied to it; it had to begin anew, and nothing that it held before counts; it had missed nothing, or another instance brought it what it had. */
export type Verified = 'replayed' | 'anew' | 'level';
/** Whether what is popular was loaded: by this process; by another one; not, since nothing was lost; not, since warming is switched off; it failed. */
export type Warmed = 'here' | 'elsewhere' | 'not_needed' | 'off' | 'failed';

/** One recovery, from the moment in which something was seen amiss. Times are in ms since the Unix epoch; `…AfterMs` since the beginning, `null` until it is so. */
export interface Recovery {
  /** 1 for the first since the start of the process. */
  readonly number: number;
  readonly causes: readonly RecoveryCause[];
  readonly phase: RecoveryPhase;
  readonly beganAt: number;
  /** Times that something was amiss: more than one when it came back before all was over. */
  readonly outages: number;
  readonly reachedAfterMs: number | null;
  readonly verifiedAfterMs: number | null;
  readonly verified: Verified | null;
  /** Entries of the log, each of one change or of several, that this process applied to Redis until then. */
  readonly replayed: number;
  readonly warmedAfterMs: number | null;
  readonly warmed: Warmed | null;
  /** Entries that this process loaded to warm, and those that it found. */
  readonly loaded: number;
  readonly found: number;
  readonly tookMs: number | null;
}

const CAUSES: Readonly<Record<RecoveryCause, string>> = Object.freeze({
  redis_away: 'Redis does not answer',
  redis_isolated: 'Redis is isolated by hand',
  redis_empty: 'Redis came back empty, or had to begin anew',
  node_away: 'a node of the Cluster does not answer',
  database_away: 'the database does not answer',
});

const VERIFIED: Readonly<Record<Verified, (replayed: number) => string>> = Object.freeze({
  replayed: (replayed) => `${replayed} ${replayed === 1 ? 'entry' : 'entries'} of the log replayed into Redis`,
  anew: () => 'Redis began anew: nothing that it held before counts',
  level: () => 'nothing was left to replay',
});

const WARMED: Readonly<Record<Warmed, (loaded: number, found: number) => string>> = Object.freeze({
  here: (loaded, found) => `${loaded} popular entries loaded, ${found} found`,
  elsewhere: () => 'another instance warms',
  not_needed: () => 'nothing was lost, nothing to warm',
  off: () => 'warming is switched off',
  failed: () => 'warming failed: caches fill by what is asked for',
});

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** `Redis does not answer` */
export const causesInWords = (causes: readonly RecoveryCause[]): string => causes.map((cause) => CAUSES[cause]).join('; ');

/** The steps that were reached, each as a line for people. */
export function stepsInWords(recovery: Recovery): string[] {
  const { reachedAfterMs, verifiedAfterMs, verified, replayed, warmedAfterMs, warmed, loaded, found, tookMs } = recovery;
  return [
    `outage: ${causesInWords(recovery.causes)}`,
    ...(reachedAfterMs === null ? [] : [`reached after ${seconds(reachedAfterMs)}`]),
    ...(verifiedAfterMs === null || verified === null
      ? []
      : [`verified after ${seconds(verifiedAfterMs)}: ${VERIFIED[verified](replayed)}`]),
    ...(warmedAfterMs === null || warmed === null ? [] : [`warm after ${seconds(warmedAfterMs)}: ${WARMED[warmed](loaded, found)}`]),
    ...(tookMs === null ? [] : [`all traffic back after ${seconds(tookMs)}`]),
  ];
}
