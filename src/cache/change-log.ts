/**
 * One step of the log of changes: what everyone has to forget. Numbers have no gaps, and whoever sees one number sees all before it.
 */
export interface LogEntry {
  readonly number: number;
  /** Full names of keys, such as `file:info:{id}`. */
  readonly keys: readonly string[];
  /** Tag buckets. */
  readonly buckets: readonly number[];
  /** Everything of every cache. */
  readonly all: boolean;
  /** Whether it may not be served as a stale answer either. */
  readonly purge: boolean;
  /** What it says could not be read by this version, and so it counts as everything. @defaultValue no */
  readonly unreadable?: true;
}

/** How far the log is. */
export interface LogState {
  /** Names the history that the numbers belong to. */
  readonly epoch: string;
  /** The newest number; 0 before the first. */
  readonly last: number;
  /** Whether something is committed that has no number yet. If not, everything that was committed before the call is at or below `last`. */
  readonly more: boolean;
  /** What this very call gave a number, which is then `last`. */
  readonly entry: LogEntry | null;
}

/** The answer to a look that gives no numbers. */
export interface LogLook extends LogState {
  /** Names the moment of this look, for a later one. */
  readonly moment: string;
  /** Whether everything that was committed before the moment that was asked after is at or below `last`. */
  readonly reached: boolean;
}

/** Something to forget for which nothing in the source changed. */
export interface LogNote {
  /** Full names of keys. */
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  readonly all: boolean;
  readonly purge: boolean;
}

export interface LogCall {
  /** Called off when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/**
 * The log of changes that the source keeps, written in the same transactions as the changes themselves. Whoever keeps copies follows it by number. Every call rejects when the source does not answer.
 */
export interface ChangeLog {
  /** Gives the next number to what is committed and has none, a bounded piece at a time. */
  advance(call?: LogCall): Promise<LogState>;
  /** The same look without giving a number. `since`: the `moment` of an earlier look, to be told whether the log has reached it, since under steady writes there is always `more`. */
  look(since: string | null, call?: LogCall): Promise<LogLook>;
  /** Entries after `after`, in order, a bounded number of them. One that begins later than `after + 1` says that those before are not kept any more. */
  read(after: number, call?: LogCall): Promise<readonly LogEntry[]>;
  /** Resolves when it is durable; its number comes with the next `advance`, of whoever. */
  append(note: LogNote, call?: LogCall): Promise<void>;
  /** Begins a new history, unless somebody has done so since `epoch` was seen: everything that was kept counts as invalidated. */
  renew(epoch: string, call?: LogCall): Promise<void>;
  /** Removes entries older than the retention, a bounded number of them. Resolves to how many. */
  sweep(call?: LogCall): Promise<number>;
  /** How many rows wait for a number, for people; it is not counted further than 10,000. */
  waiting(call?: LogCall): Promise<number>;
}
