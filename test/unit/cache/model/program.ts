import * as fc from 'fast-check';
import { KEYS } from './database.ts';
import type { Settings } from './instance.ts';

/** One thing that a user, the world or the schedule does. */
export type Op =
  | { readonly op: 'read'; readonly by: number; readonly key: string; readonly how: 'get' | 'lookup' | 'peek' | 'abortable' }
  | { readonly op: 'many'; readonly by: number; readonly keys: readonly string[] }
  | {
      readonly op: 'write';
      readonly by: number;
      readonly key: string;
      readonly reach: 'key' | 'tag' | 'all';
      readonly present: boolean;
      readonly purge: boolean;
    }
  | { readonly op: 'warm'; readonly by: number; readonly key: string }
  /** Lets the n-th of the moments that are possible happen, for each number. */
  | { readonly op: 'steps'; readonly picks: readonly number[] }
  /** Lets everything happen that is possible without time passing. */
  | { readonly op: 'settle' }
  | { readonly op: 'tick'; readonly ms: number }
  | { readonly op: 'abort'; readonly which: number }
  | { readonly op: 'fail'; readonly by: number }
  /** Redis evicts a value or a lease, or the tag table, or loses everything; or forgets its scripts. */
  | { readonly op: 'evict'; readonly which: number }
  | { readonly op: 'lose'; readonly what: 'table' | 'everything' | 'scripts' }
  | { readonly op: 'cut' | 'stall' | 'unstall'; readonly by: number; readonly line: 'commands' | 'bus' };

export interface Program {
  readonly settings: Settings;
  readonly ops: readonly Op[];
}

const by = fc.nat(1);
const key = fc.constantFrom(...KEYS);
const line = fc.constantFrom('commands' as const, 'bus' as const);
const op = <K extends Op['op'], T>(name: K, fields: { [F in keyof T]: fc.Arbitrary<T[F]> }): fc.Arbitrary<{ op: K } & T> =>
  fc.record({ op: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<{ op: K } & T>;

const read = op('read', {
  by,
  key,
  how: fc.constantFrom('get' as const, 'get' as const, 'lookup' as const, 'peek' as const, 'abortable' as const),
});
const many = op('many', { by, keys: fc.shuffledSubarray(KEYS, { minLength: 2 }) });
const write = op('write', {
  by,
  key,
  reach: fc.constantFrom('key' as const, 'key' as const, 'tag' as const, 'tag' as const, 'all' as const),
  present: fc.constantFrom(true, true, true, false),
  purge: fc.constantFrom(false, false, true),
});
const warm = op('warm', { by, key });
const steps = op('steps', { picks: fc.array(fc.nat(23), { minLength: 1, maxLength: 8, size: 'max' }) });
const settle = op('settle', {});
const shortTick = op('tick', { ms: fc.constantFrom(1, 10, 30, 60) });
const tick = op('tick', { ms: fc.constantFrom(1, 10, 60, 200, 450, 700, 1100) });
const abort = op('abort', { which: fc.nat(3) });
const fail = op('fail', { by });
const evict = op('evict', { which: fc.nat(7) });
const lose = op('lose', { what: fc.constantFrom('table' as const, 'everything' as const, 'scripts' as const) });
const cut = op('cut', { by, line });
const stall = op('stall', { by, line });
const unstall = op('unstall', { by, line });

const OPS = { size: 'max', minLength: 5, maxLength: 50 } as const;

/** Everything that may happen, faults included. */
export const stormyPrograms: fc.Arbitrary<Program> = fc.record({
  settings: fc.record({
    maxEntries: fc.constantFrom(1, 2, 100, 100),
    refreshAhead: fc.constantFrom(0, 0.5),
    softTimeoutMs: fc.constantFrom(20, 200),
    leaseMs: fc.constantFrom(30, 500),
  }),
  ops: fc.array(
    fc.oneof(
      { arbitrary: steps, weight: 18 },
      { arbitrary: settle, weight: 4 },
      { arbitrary: read, weight: 12 },
      { arbitrary: many, weight: 2 },
      { arbitrary: write, weight: 6 },
      { arbitrary: warm, weight: 1 },
      { arbitrary: tick, weight: 3 },
      { arbitrary: abort, weight: 1 },
      { arbitrary: fail, weight: 1 },
      { arbitrary: evict, weight: 2 },
      { arbitrary: lose, weight: 1 },
      { arbitrary: cut, weight: 2 },
      { arbitrary: stall, weight: 1 },
      { arbitrary: unstall, weight: 1 },
    ),
    OPS,
  ),
});

/** Good weather: nothing is lost, cut or evicted, and nobody fails; only the order of things is open. */
export const calmPrograms: fc.Arbitrary<Program> = fc.record({
  settings: fc.record({
    maxEntries: fc.constant(100),
    refreshAhead: fc.constantFrom(0, 0.5),
    softTimeoutMs: fc.constantFrom(20, 200),
    leaseMs: fc.constant(500),
  }),
  ops: fc.array(
    fc.oneof(
      { arbitrary: steps, weight: 20 },
      { arbitrary: settle, weight: 4 },
      { arbitrary: read, weight: 12 },
      { arbitrary: many, weight: 2 },
      { arbitrary: write, weight: 6 },
      { arbitrary: shortTick, weight: 2 },
      { arbitrary: abort, weight: 1 },
    ),
    OPS,
  ),
});
