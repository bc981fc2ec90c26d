/** The limits of records that `forebay bench` makes, in one place. */
export const BENCH = Object.freeze({
  /** Who owns them, and the folders that they lie in: nothing else is ever removed. */
  owner: 'forebay-bench',
  recordsBelow: '/forebay-bench/',
  runsBelow: '/forebay-bench-runs/',
  maxRecords: 1_000_000,
  /** Records made or removed by one call. */
  maxBatch: 1000,
  /** A run tells that it lives this often, in ms. */
  beatEveryMs: 2_000,
  /** A run that has not told it for so long, by the database's clock, is taken for dead, in ms. */
  deadAfterMs: 10_000,
});

/** A run that has records. */
export interface BenchRun {
  readonly run: string;
  /** Since it last told that it lives, by the database's clock. */
  readonly ageMs: number;
  /** It ended, and its records were to stay. */
  readonly kept: boolean;
}

/**
 * Records of `forebay bench`. Each run has a marker, a record too, that it touches while it lives: the marker is there before the first record and until the last is gone, so that what a crashed run left is found.
 * Every method rejects with `DATABASE_UNAVAILABLE` when the database does not answer.
 */
export interface BenchRecords {
  /** Makes the marker of a new run. */
  begin(): Promise<{ readonly run: string }>;
  /** Makes records number `from` to `from + count - 1`. @throws {ForebayError} `NOT_FOUND` when the run was taken for dead and removed */
  make(run: string, from: number, count: number): Promise<{ readonly ids: readonly string[] }>;
  /** Tells that a run lives, or that its records are to stay; `alive`: whether it has not been removed. */
  beat(run: string, keep?: boolean): Promise<{ readonly alive: boolean }>;
  runs(): Promise<{ readonly runs: readonly BenchRun[] }>;
  /** Removes up to a batch of records; when there are no more, the marker. */
  remove(run: string): Promise<{ readonly removed: number; readonly more: boolean }>;
  /** Ids of records that are not of a bench, in order, after `after`. */
  existing(after: string, most: number): Promise<{ readonly ids: readonly string[] }>;
}
