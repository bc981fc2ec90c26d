import * as fc from 'fast-check';
import { KEYS } from './database.ts';
import type { LogSettings, Settings } from './instance.ts';

/** One thing that a user, the world or the schedule does. */
export type Op =
  | {
      readonly op: 'read';
      readonly by: number;
      readonly key: number;
      readonly how: 'get' | 'lookup' | 'peek' | 'abortable' | 'fresh' | 'version';
    }
  | { readonly op: 'many'; readonly by: number; readonly keys: readonly number[] }
  | {
      readonly op: 'write';
      readonly by: number;
      readonly key: number;
      readonly reach: 'key' | 'tag' | 'all';
      readonly present: boolean;
      readonly purge: boolean;
      /** In a world with a log, after the commit: nothing, for whoever wrote died; a wait for the log; or a note in it, and the wait. */
      readonly after: 'nothing' | 'settle' | 'note';
    }
  | { readonly op: 'warm'; readonly by: number; readonly key: number }
  /** Lets the n-th of the moments that are possible happen, for each number. */
  | { readonly op: 'steps'; readonly picks: readonly number[] }
  /** Lets everything happen that is possible without time passing, each time the n-th of what is possible. */
  | { readonly op: 'settle'; readonly pick: number }
  /** From here on one part of the world stands still, or none. */
  | { readonly op: 'lag'; readonly lag: Lag | null }
  | { readonly op: 'tick'; readonly ms: number }
  | { readonly op: 'abort'; readonly which: number }
  | { readonly op: 'fail'; readonly by: number }
  /** Redis evicts a value or a lease, or the tag table, or loses everything; or forgets its scripts. */
  | { readonly op: 'evict'; readonly which: number }
  | { readonly op: 'lose'; readonly what: 'table' | 'everything' | 'scripts' }
  /** Redis answers the next scripts with an error, as a full or a demoted server does. */
  | { readonly op: 'refuse'; readonly scripts: number }
  | { readonly op: 'cut'; readonly by: number; readonly line: 'commands' | 'bus' }
  | { readonly op: 'stall' | 'unstall'; readonly by: number; readonly line: Line }
  | LogOp;

/** What happens only in a world with a log. */
export type LogOp =
  /** A copy of all that Redis holds is made; Redis becomes one of the copies again, and the connections are lost or not. */
  | { readonly op: 'copy' }
  | { readonly op: 'restore'; readonly which: number; readonly cut: boolean }
  /** The log keeps only its last entries; a new history begins; the next answer of the log is an error. */
  | { readonly op: 'sweep'; readonly keep: number }
  | { readonly op: 'renew' }
  | { readonly op: 'failLog'; readonly by: number }
  /** A process ends, and another begins in its place. */
  | { readonly op: 'reopen'; readonly by: number }
  /** The next messages to a process are lost, and nothing else. */
  | { readonly op: 'drop'; readonly by: number; readonly messages: number };

/** Ways out of a process. */
export type Line = 'commands' | 'bus' | 'source';

/** What may lag: a line, the loads of a process on their way to the database, their replies, its questions to the log, theirs, or calls that were decided on. */
export interface Lag {
  readonly by: number;
  readonly part: 'commands' | 'bus' | 'query' | 'reply' | 'log query' | 'log reply' | 'intents';
}

export interface Program<S extends Settings = Settings> {
  readonly settings: S;
  /** Keys are taken modulo this: with few of them, what happens happens to the same one. */
  readonly keys: number;
  /** How every invalidation reaches its entries, or each as it says. */
  readonly reach: 'key' | 'tag' | 'any';
  /** What lags at the beginning. */
  readonly lag: Lag | null;
  /** Ways out that stand still from the beginning. */
  readonly stalled: readonly { readonly by: number; readonly line: Line }[];
  /** So many of the first messages to each process are lost. */
  readonly lost: number;
  /** Kinds of faults that this program leaves out: each fault alone shows more than all of them always. */
  readonly without: readonly Op['op'][];
  readonly ops: readonly Op[];
}

const by = fc.nat(1);
const key = fc.nat(KEYS.length - 1);
const line = fc.constantFrom('commands' as const, 'bus' as const);
/** One kind of operation: its fields are held to `Op` by the compiler. */
function op<K extends Op['op']>(
  name: K,
  fields: { [F in Exclude<keyof (Op & { op: K }), 'op'>]?: fc.Arbitrary<(Op & { op: K })[F]> },
): fc.Arbitrary<Op> {
  return fc.record({ op: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<Op>;
}

const read = op('read', {
  by,
  key,
  how: fc.constantFrom(
    'get' as const,
    'get' as const,
    'get' as const,
    'lookup' as const,
    'lookup' as const,
    'peek' as const,
    'peek' as const,
    'abortable' as const,
    'fresh' as const,
    'version' as const,
  ),
});
const many = op('many', { by, keys: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 2 }) });
const write = op('write', {
  by,
  key,
  reach: fc.constantFrom('key' as const, 'key' as const, 'tag' as const, 'tag' as const, 'all' as const),
  present: fc.constantFrom(true, true, true, false),
  purge: fc.constantFrom(false, false, true),
  after: fc.constantFrom('settle' as const, 'settle' as const, 'note' as const, 'nothing' as const),
});
const warm = op('warm', { by, key });
const steps = op('steps', { picks: fc.array(fc.nat(23), { minLength: 1, maxLength: 8, size: 'max' }) });
const settle = op('settle', { pick: fc.constantFrom(0, 0, 1, 2, 5, 23) });
const aLag: fc.Arbitrary<Lag | null> = fc.option(
  fc.record({
    by,
    part: fc.constantFrom('commands' as const, 'bus' as const, 'query' as const, 'reply' as const, 'reply' as const, 'intents' as const),
  }),
  { freq: 3 },
);
const lag = op('lag', { lag: aLag });
const refuse = op('refuse', { scripts: fc.integer({ min: 1, max: 3 }) });
const shortTick = op('tick', { ms: fc.constantFrom(1, 10, 30, 60) });
const tick = op('tick', { ms: fc.constantFrom(1, 10, 60, 200, 450, 700, 1100) });
const abort = op('abort', { which: fc.nat(3) });
const fail = op('fail', { by });
const evict = op('evict', { which: fc.nat(7) });
const lose = op('lose', { what: fc.constantFrom('table' as const, 'everything' as const, 'scripts' as const) });
const cut = op('cut', { by, line });
const wayOut = fc.constantFrom('commands' as const, 'bus' as const, 'source' as const);
const stall = op('stall', { by, line: wayOut });
const unstall = op('unstall', { by, line: wayOut });

const OPS = { size: 'max', minLength: 5, maxLength: 40 } as const;
const FAULTS = ['tick', 'abort', 'fail', 'evict', 'lose', 'cut', 'stall', 'refuse', 'warm'] as const;

const shape = {
  lag: aLag,
  stalled: fc.constant([]),
  lost: fc.constant(0),
  keys: fc.constantFrom(1, 1, 2, 4),
  reach: fc.constantFrom('key' as const, 'tag' as const, 'any' as const),
};

/** Good weather: nothing is lost, cut or evicted, and nobody fails; only the order of things is open. */
const CALM: readonly fc.WeightedArbitrary<Op>[] = [
  { arbitrary: steps, weight: 14 },
  { arbitrary: settle, weight: 7 },
  { arbitrary: lag, weight: 4 },
  { arbitrary: read, weight: 12 },
  { arbitrary: many, weight: 2 },
  { arbitrary: write, weight: 6 },
  { arbitrary: shortTick, weight: 2 },
  { arbitrary: abort, weight: 1 },
];

/** Everything that may happen, faults included. */
const STORMY: readonly fc.WeightedArbitrary<Op>[] = [
  { arbitrary: steps, weight: 12 },
  { arbitrary: settle, weight: 7 },
  { arbitrary: lag, weight: 4 },
  { arbitrary: read, weight: 12 },
  { arbitrary: many, weight: 2 },
  { arbitrary: write, weight: 6 },
  { arbitrary: warm, weight: 1 },
  { arbitrary: tick, weight: 4 },
  { arbitrary: abort, weight: 1 },
  { arbitrary: fail, weight: 1 },
  { arbitrary: evict, weight: 2 },
  { arbitrary: lose, weight: 2 },
  { arbitrary: refuse, weight: 2 },
  { arbitrary: cut, weight: 3 },
  { arbitrary: stall, weight: 1 },
  { arbitrary: unstall, weight: 1 },
];

const stormySettings = {
  maxEntries: fc.constantFrom(1, 2, 100, 100),
  refreshAhead: fc.constantFrom(0, 0.5),
  softTimeoutMs: fc.constantFrom(20, 200),
  leaseMs: fc.constantFrom(30, 500),
  ttlMs: fc.constantFrom(800, 5000),
};
const calmSettings = {
  maxEntries: fc.constant(100),
  refreshAhead: fc.constantFrom(0, 0.5),
  softTimeoutMs: fc.constantFrom(20, 200),
  leaseMs: fc.constant(500),
  ttlMs: fc.constant(800),
};

export const stormyPrograms: fc.Arbitrary<Program> = fc.record({
  ...shape,
  without: fc.subarray([...FAULTS]),
  settings: fc.record(stormySettings),
  ops: fc.array(fc.oneof(...STORMY), OPS),
});

export const calmPrograms: fc.Arbitrary<Program> = fc.record({
  ...shape,
  without: fc.constant([]),
  settings: fc.record(calmSettings),
  ops: fc.array(fc.oneof(...CALM), OPS),
});

const logSettings = {
  relay: fc.constantFrom('always' as const, 'never' as const),
  rowsPerEntry: fc.constantFrom(1, 2, 100),
};
const LOG_FAULTS = ['copy', 'restore', 'sweep', 'renew', 'failLog', 'reopen', 'drop'] as const;
/** Kinds of faults in one program. */
const MOST_FAULTS = 5;
const aLogLag: fc.Arbitrary<Lag | null> = fc.oneof(
  { arbitrary: aLag, weight: 2 },
  { arbitrary: fc.record({ by, part: fc.constantFrom('log query' as const, 'log reply' as const, 'log reply' as const) }), weight: 1 },
);
const deaf = fc.subarray([
  { by: 0, line: 'bus' as const },
  { by: 1, line: 'bus' as const },
  { by: 1, line: 'commands' as const },
]);

/** As `stormyPrograms`, for a world with a log, with all that may happen to the log itself. */
export const stormyLogPrograms: fc.Arbitrary<Program<LogSettings>> = fc.record({
  ...shape,
  lag: aLogLag,
  keys: fc.constantFrom(1, 2, 4),
  stalled: fc.oneof(fc.constant([]), deaf),
  lost: fc.constantFrom(0, 1, 2),
  without: fc.subarray([...FAULTS, ...LOG_FAULTS], { minLength: FAULTS.length + LOG_FAULTS.length - MOST_FAULTS }),
  settings: fc.record({ ...stormySettings, ...logSettings }),
  ops: fc.array(
    fc.oneof(
      ...STORMY,
      { arbitrary: op('copy', {}), weight: 2 },
      { arbitrary: op('restore', { which: fc.nat(2), cut: fc.boolean() }), weight: 2 },
      { arbitrary: op('sweep', { keep: fc.nat(2) }), weight: 1 },
      { arbitrary: op('renew', {}), weight: 1 },
      { arbitrary: op('failLog', { by }), weight: 1 },
      { arbitrary: op('reopen', { by }), weight: 2 },
      { arbitrary: op('drop', { by, messages: fc.integer({ min: 1, max: 2 }) }), weight: 3 },
      { arbitrary: op('lag', { lag: aLogLag }), weight: 2 },
    ),
    OPS,
  ),
});

/** As `calmPrograms`, for a world with a log. */
export const calmLogPrograms: fc.Arbitrary<Program<LogSettings>> = fc.record({
  ...shape,
  lag: aLogLag,
  keys: fc.constantFrom(1, 2, 4),
  stalled: fc.oneof(fc.constant([]), deaf),
  without: fc.constant([]),
  settings: fc.record({ ...calmSettings, ...logSettings }),
  ops: fc.array(fc.oneof(...CALM, { arbitrary: op('lag', { lag: aLogLag }), weight: 2 }, { arbitrary: tick, weight: 1 }), OPS),
});
