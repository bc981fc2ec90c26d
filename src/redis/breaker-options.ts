import { ForebayError } from '../core/errors.ts';

/** When a breaker opens, and how it closes again. `docs/breaker.md` gives the reasons of the defaults. */
export interface BreakerOptions {
  /** Calls of so long are looked at, in ms, in ten steps; 1,000 to 600,000. @defaultValue 10,000 */
  readonly windowMs: number;
  /** Of fewer calls in the window nothing is concluded; 1 to 1,000,000. @defaultValue 20 */
  readonly minCalls: number;
  /** Share of failures in the window at which it opens; from 0.01 to 1. @defaultValue 0.4 */
  readonly failureShare: number;
  /** It opens after so many calls in a row without an answer in time; 1 to 10,000. @defaultValue 5 */
  readonly timeoutsInRow: number;
  /** … if the first of them was sent at least so long ago, in ms: under load many calls meet one short halt of the server. 0 to 60,000. @defaultValue 200 */
  readonly silentMs: number;
  /** A call counts as not answered in time after so long at the earliest, in ms, whatever little its caller could wait; 0 to 10,000. @defaultValue 20 */
  readonly fairMs: number;
  /** Longest delay before the first probe, in ms; the next ones double. Each is drawn at random from 0 to itself, and 50 ms more. 1 to 600,000. @defaultValue 250 */
  readonly firstDelayMs: number;
  /** Longest delay before any probe, in ms; 1 to 600,000. @defaultValue 5,000 */
  readonly maxDelayMs: number;
  /** Longest wait for the answer to a probe, in ms; 1 to 60,000. @defaultValue 500 */
  readonly probeMs: number;
  /** It closes after so many answered probes, one after the other; 1 to 1,000. @defaultValue 3 */
  readonly probesToClose: number;
}

/** Limits of the numbers: [least, most, default]. */
const NUMBERS = {
  windowMs: [1000, 600_000, 10_000],
  minCalls: [1, 1_000_000, 20],
  failureShare: [0.01, 1, 0.4],
  timeoutsInRow: [1, 10_000, 5],
  silentMs: [0, 60_000, 200],
  fairMs: [0, 10_000, 20],
  firstDelayMs: [1, 600_000, 250],
  maxDelayMs: [1, 600_000, 5000],
  probeMs: [1, 60_000, 500],
  probesToClose: [1, 1000, 3],
} as const satisfies Readonly<Record<keyof BreakerOptions, readonly [number, number, number]>>;

/**
 * Checks the options of a breaker and fills in the defaults.
 * @throws {ForebayError} `CONFIG_INVALID`, naming the option, its value and the rule; an unknown option is an error too.
 */
export function resolveBreakerOptions(given: Partial<BreakerOptions> = {}): BreakerOptions {
  for (const name of Object.keys(given)) if (!Object.hasOwn(NUMBERS, name)) throw invalid(name, 'is not an option of the breaker');
  const numbers = Object.entries(NUMBERS).map(([name, [least, most, byDefault]]) => {
    const value: unknown = given[name as keyof BreakerOptions] ?? byDefault;
    const isCount = !name.endsWith('Ms') && name !== 'failureShare';
    if (typeof value !== 'number' || !(value >= least && value <= most) || (isCount && !Number.isInteger(value)))
      throw invalid(name, `= ${String(value).slice(0, 80)}: has to be a ${isCount ? 'whole ' : ''}number from ${least} to ${most}`);
    return [name, value] as const;
  });
  return Object.freeze(Object.fromEntries(numbers) as Record<keyof BreakerOptions, number>);
}

function invalid(name: string, rest: string): ForebayError {
  return new ForebayError('CONFIG_INVALID', `breaker.${name} ${rest}`, { field: `breaker.${name}` });
}
