import { ForebayError } from '../core/errors.ts';

/** The SQLSTATE of what a driver threw; empty for anything else. */
export function sqlState(thrown: unknown): string {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : '';
}

/** What Postgres refused while a table was attached or detached, for the caller; what is not about rights and locks stays as it is. */
function asRefusal(thrown: unknown, doing: string): unknown {
  if (thrown instanceof ForebayError || !(thrown instanceof Error)) return thrown;
  switch (sqlState(thrown)) {
    case '55P03':
    case '40P01':
      return new ForebayError(
        'TABLE_BUSY',
        `${doing} waited too long for others that write to the table (${thrown.message}); nothing was changed: try again when it is quieter`,
        {
          cause: thrown,
        },
      );
    case '42501':
      return new ForebayError(
        'RIGHTS_MISSING',
        `${doing} is not allowed (${thrown.message}); nothing was changed: connect as the owner of the table, with the rights to the schema forebay`,
        { cause: thrown },
      );
    default:
      return thrown;
  }
}

/** The outcome of what attaches, detaches or looks. @throws {ForebayError} `TABLE_BUSY`, `RIGHTS_MISSING`, and whatever else it throws */
export async function orRefusal<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw asRefusal(thrown, doing);
  }
}
