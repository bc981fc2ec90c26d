/** Type numbers of Postgres whose values both drivers must hand over in the same shape. */
export const INT8 = 20;
export const TIMESTAMPTZ = 1184;

/**
 * A `bigint` as a number.
 * @throws {RangeError} beyond 2^53 - 1, where a number would be another value than the one stored.
 */
export function safeInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`the database holds ${text}, which is beyond 2^53 - 1 and has no exact number`);
}

const UTC_TIMESTAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/;

/** A `timestamptz` as RFC 3339 text in UTC with milliseconds. Sessions in UTC, the usual ones, need no `Date`. */
export function isoTimestamp(text: string): string {
  const parts = UTC_TIMESTAMP.exec(text);
  if (parts === null) return new Date(text).toISOString();
  return `${parts[1]}T${parts[2]}.${(parts[3] ?? '').slice(0, 3).padEnd(3, '0')}Z`;
}
