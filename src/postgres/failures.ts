import { ForebayError } from '../core/errors.ts';

/** SQLSTATE classes and codes that mean "this database cannot answer now", with what to do about each. */
const UNAVAILABLE: readonly (readonly [prefix: string, advice: string])[] = [
  ['08', 'see that the server runs and can be reached'],
  ['28', 'check the user name and password in the database URL, and pg_hba.conf on the server'],
  ['3D', 'create the database, or correct its name in the database URL'],
  ['53', 'the server is out of connections, memory or disk: lower maxConnections or give it more'],
  ['57014', 'the statement ran into its time limit: see what the server is busy with, or raise statementTimeoutMs'],
  ['57P', 'the server is starting or shutting down: it will be tried again'],
  ['58', 'the server could not use its files: read its log'],
  ['25006', 'the server is read-only: name the primary in the database URL'],
  ['XX001', 'the data is damaged: read the log of the server and restore a backup'],
];

/** What the driver says, without a SQLSTATE, when the connection is what failed. */
const CONNECTION_LOST =
  /connection terminated|connection ended|client was closed|timeout exceeded when trying to connect|timeout expired|query read timeout|not queryable|server does not support ssl|certificate/i;

const SYSTEM_ERROR = /^(E[A-Z]+|ERR_TLS.*|SELF_SIGNED.*|DEPTH_ZERO.*|UNABLE_TO.*|CERT_.*)$/;

function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
}

function adviceFor(thrown: unknown): string | undefined {
  const code = codeOf(thrown);
  const known = UNAVAILABLE.find(([prefix]) => code.startsWith(prefix));
  if (known !== undefined && /^[0-9A-Z]{5}$/.test(code)) return known[1];
  const lost = SYSTEM_ERROR.test(code) || (thrown instanceof Error && CONNECTION_LOST.test(thrown.message));
  return lost ? 'see that the server runs, and that host and port in the database URL are right' : undefined;
}

/** The message of what was thrown; an `AggregateError` (one failure per address of a host name) has none of its own. */
function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(messageOf).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Whether the connection that this came from must not be used again. */
export function breaksConnection(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return /^(08|57P)/.test(code) || !/^[0-9A-Z]{5}$/.test(code);
}

/**
 * What was thrown by a driver, for the caller: `DATABASE_UNAVAILABLE` when the database did not answer, else the driver's own error
 * (a statement that the database refused, which only Forebay's own code can cause).
 */
export function asDatabaseError(thrown: unknown, description: string): unknown {
  if (thrown instanceof ForebayError) return thrown;
  const advice = adviceFor(thrown);
  if (advice === undefined) return thrown;
  return new ForebayError('DATABASE_UNAVAILABLE', `${description} does not answer (${messageOf(thrown)}); ${advice}`, { cause: thrown });
}

/** For a transaction whose `work` went on after a statement had failed. */
export function ignoredFailure(): ForebayError {
  return new ForebayError('STATEMENT_REFUSED', 'the transaction was rolled back: a statement in it failed, and its error was ignored');
}

export function closedError(description: string): ForebayError {
  return new ForebayError('CLOSED', `${description} was closed by this process; open it again to use it`);
}

/** SQLSTATEs by which Postgres gives up one of several transactions so that another can go on: a serialisation failure, and a deadlock. */
const GAVE_WAY: ReadonlySet<string> = new Set(['40001', '40P01']);

/** Whether a statement or a commit came to nothing because another transaction was let through. */
export function gaveWay(thrown: unknown): boolean {
  return GAVE_WAY.has(codeOf(thrown)) || codeOf(thrown) === 'TRANSACTION_CONFLICT';
}

/** What became of a statement or of the commit in a caller's transaction, for that caller: `asDatabaseError`, and a refusal as one of ours, with the driver's error as its cause. */
export function asTransactionError(thrown: unknown, description: string): unknown {
  const error = asDatabaseError(thrown, description);
  if (error instanceof ForebayError) return error;
  if (gaveWay(error)) {
    const message = `another transaction was let through first (${messageOf(error)}); run the whole transaction again`;
    return new ForebayError('TRANSACTION_CONFLICT', message, { cause: error });
  }
  const state = codeOf(error);
  if (!/^[0-9A-Z]{5}$/.test(state)) return error;
  return new ForebayError('STATEMENT_REFUSED', `the database refused a statement (SQLSTATE ${state}: ${messageOf(error)})`, {
    cause: error,
  });
}
