import type { IncomingHttpHeaders } from 'node:http';
import { ForebayError } from '../core/errors.ts';
import type { ReadOptions } from '../files/files.ts';

type Limits = Pick<ReadOptions, 'maxStalenessMs' | 'minVersion'>;

interface LimitHeader {
  readonly name: string;
  readonly pattern: RegExp;
  /** What is accepted, to be read after "must be". */
  readonly rule: string;
}

export const LIMIT_HEADERS = Object.freeze({
  maxStalenessMs: {
    name: 'Forebay-Max-Staleness',
    pattern: /^\d{1,9}(\.\d{1,6})?$/,
    rule: 'milliseconds, such as 250; 0 asks the database',
  },
  minVersion: { name: 'Forebay-Min-Version', pattern: /^\d{1,16}$/, rule: 'a version as in an ETag, without the quotes' },
} as const satisfies Record<keyof Limits, LimitHeader>);

/**
 * What the headers of a read ask of its answer. One that was sent twice comes as both values with a comma between, which is no number.
 * @throws {ForebayError} `INPUT_INVALID`, naming the header
 */
export function readLimitsOf(headers: IncomingHttpHeaders): Limits {
  const limits: { -readonly [name in keyof Limits]: Limits[name] } = {};
  for (const name of ['maxStalenessMs', 'minVersion'] as const) {
    const header: LimitHeader = LIMIT_HEADERS[name];
    const text = headers[header.name.toLowerCase()];
    if (text === undefined) continue;
    const value = typeof text === 'string' && header.pattern.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value) || value > Number.MAX_SAFE_INTEGER) throw bad(header.name, `must be ${header.rule}`);
    limits[name] = value;
  }
  return limits;
}

/**
 * For reads of which only one of the two can be asked.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export function refuseMinVersion(headers: IncomingHttpHeaders): void {
  const { name } = LIMIT_HEADERS.minVersion;
  if (headers[name.toLowerCase()] !== undefined) throw bad(name, 'cannot be asked of many records at once');
}

/** What a read failed with; where the engine refused an option, under the name of the header that it came in. */
export function namedAsHeader(error: unknown): unknown {
  if (!(error instanceof ForebayError) || error.code !== 'INPUT_INVALID') return error;
  const { field } = error;
  return field === 'maxStalenessMs' || field === 'minVersion' ? bad(LIMIT_HEADERS[field].name, error.message) : error;
}

function bad(field: string, rule: string): ForebayError {
  return new ForebayError('INPUT_INVALID', `${field}: ${rule}`, { field });
}
