/**
 * Stable codes of everything that Forebay throws; each has a section of the same name in `docs/errors.md`.
 */
export type ErrorCode =
  | 'ADDRESS_UNAVAILABLE'
  | 'ALREADY_RUNNING'
  | 'BACKUP_INVALID'
  | 'CLOSED'
  | 'CONFIG_INVALID'
  | 'DATABASE_UNAVAILABLE'
  | 'DATA_DIR_IN_USE'
  | 'FILE_EXISTS'
  | 'INPUT_INVALID'
  | 'LOAD_FAILED'
  | 'LOAD_TIMEOUT'
  | 'NOT_FOUND'
  | 'OVERLOADED'
  | 'OUTPUT_FAILED'
  | 'REDIS_NOT_INSTALLED'
  | 'REDIS_UNAVAILABLE'
  | 'RIGHTS_MISSING'
  | 'SCHEMA_NEWER'
  | 'SERVICE_UNREACHABLE'
  | 'SOURCE_SHAPE'
  | 'STATEMENT_REFUSED'
  | 'TRANSACTION_CONFLICT'
  | 'TABLE_BUSY'
  | 'UNAUTHORIZED'
  | 'VALUE_TOO_LARGE'
  | 'VERSION_MISMATCH';

/** Where the text about each code is found. */
const ERROR_DOCS = 'docs/errors.md';

/** The one error class: branch on `code`, show `message`, read `cause` for what lies beneath. */
export class ForebayError extends Error {
  readonly code: ErrorCode;
  /** Which input was wrong, as a dotted path (`attributes`, `tags.3`), where one can be named. */
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; field?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ForebayError';
    this.code = code;
    this.field = options.field;
  }

  /** The anchor that explains this code and what to do. */
  get docs(): string {
    return `${ERROR_DOCS}#${this.code.toLowerCase()}`;
  }
}

/** What was thrown, as a `ForebayError`: itself if it is one, else wrapped under `code` with the cause kept. */
export function toForebayError(thrown: unknown, code: ErrorCode, context: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new ForebayError(code, `${context}: ${detail}`, { cause: thrown });
}
