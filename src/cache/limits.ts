import { ForebayError } from '../core/errors.ts';
import type { LookupOptions } from './cache-types.ts';
import type { LocalEntry } from './local-entry.ts';

/** What one caller asks of an answer, beyond what the cache promises to all. */
export interface Limits {
  /** 0 = only what the source is asked for from now on. */
  readonly maxStalenessMs: number;
  /** 0 = any. */
  readonly minVersion: number;
}

/** Whether a caller asks for more than the cache promises to all. Allocates nothing. */
export function hasLimits(options: LookupOptions | undefined): options is LookupOptions {
  return options !== undefined && (options.maxStalenessMs !== undefined || options.minVersion !== undefined);
}

/**
 * The limits in a caller's options. `boundMs`: the cache's own bound, which cannot be widened.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export function limitsOf(options: LookupOptions, boundMs: number): Limits {
  const { maxStalenessMs = boundMs, minVersion = 0 } = options;
  if (typeof maxStalenessMs !== 'number' || !(maxStalenessMs >= 0 && maxStalenessMs <= boundMs)) {
    throw invalid('maxStalenessMs', maxStalenessMs, `a number from 0 to ${boundMs}, the bound of this cache`);
  }
  if (!Number.isSafeInteger(minVersion) || minVersion < 0) throw invalid('minVersion', minVersion, 'a whole number of at least 0');
  return { maxStalenessMs, minVersion };
}

/** Whether an entry whose proof is so old answers a caller that asks for more than the rest. With 0 no entry does: the source is asked. An absence has no version. */
export function isWithin(entry: LocalEntry<unknown>, asOfAgeMs: number, { maxStalenessMs, minVersion }: Limits): boolean {
  return maxStalenessMs > 0 && asOfAgeMs <= maxStalenessMs && entry.version >= minVersion;
}

function invalid(field: string, value: unknown, rule: string): ForebayError {
  return new ForebayError('INPUT_INVALID', `${field} = ${String(value).slice(0, 80)}: has to be ${rule}`, { field });
}
