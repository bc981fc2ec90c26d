import { z } from 'zod';
import type { ErrorCode } from '../core/errors.ts';

/** Codes that only the HTTP service gives; each has a section in `docs/errors.md` like the rest. */
export type HttpCode =
  | 'BODY_INVALID'
  | 'BODY_TOO_LARGE'
  | 'EXPECTATION_FAILED'
  | 'HEADERS_TOO_LARGE'
  | 'INTERNAL'
  | 'MEDIA_TYPE_UNSUPPORTED'
  | 'METHOD_NOT_ALLOWED'
  | 'REQUEST_MALFORMED'
  | 'REQUEST_TIMEOUT'
  | 'RESPONSE_TIMEOUT'
  | 'ROUTE_NOT_FOUND'
  | 'TOO_MANY_WATCHERS'
  | 'URL_TOO_LONG';

export type ProblemCode = ErrorCode | HttpCode;

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** For clients, in place of the error's own text, which may tell of hosts and queries: that one goes to the log. */
  readonly detail?: string;
  readonly retryAfterSeconds?: number;
}

const SEE_LOG = 'See the log of the service for this request id.';

/** How each code is told over HTTP. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = Object.freeze({
  ADDRESS_UNAVAILABLE: { status: 500, title: 'Cannot listen there', detail: SEE_LOG },
  ALREADY_RUNNING: { status: 409, title: 'Already running' },
  BACKUP_INVALID: { status: 422, title: 'Backup invalid' },
  CLOSED: {
    status: 503,
    title: 'Shutting down',
    detail: 'The service is closing; ask another instance or try again.',
    retryAfterSeconds: 1,
  },
  CONFIG_INVALID: { status: 500, title: 'Configuration invalid', detail: SEE_LOG },
  DATABASE_UNAVAILABLE: {
    status: 503,
    title: 'Database unavailable',
    detail: 'The database does not answer; try again.',
    retryAfterSeconds: 2,
  },
  DATA_DIR_IN_USE: { status: 500, title: 'Data folder in use', detail: SEE_LOG },
  FILE_EXISTS: { status: 409, title: 'File exists' },
  INPUT_INVALID: { status: 400, title: 'Input invalid' },
  LOAD_FAILED: { status: 502, title: 'Load failed', detail: `The record could not be loaded. ${SEE_LOG}` },
  LOAD_TIMEOUT: { status: 504, title: 'Load timed out', detail: 'The database did not answer in time; try again.' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  OVERLOADED: { status: 503, title: 'Overloaded', detail: 'Too many loads are waiting for the database; try again.', retryAfterSeconds: 1 },
  OUTPUT_FAILED: { status: 500, title: 'Output failed', detail: SEE_LOG },
  REDIS_NOT_INSTALLED: { status: 500, title: 'Redis not installed', detail: SEE_LOG },
  REDIS_UNAVAILABLE: { status: 503, title: 'Redis unavailable', detail: 'Redis does not answer; try again.', retryAfterSeconds: 2 },
  RIGHTS_MISSING: { status: 500, title: 'Rights missing', detail: SEE_LOG },
  SCHEMA_NEWER: { status: 500, title: 'Database schema newer', detail: SEE_LOG },
  SERVICE_UNREACHABLE: { status: 500, title: 'Service unreachable', detail: SEE_LOG },
  SOURCE_SHAPE: { status: 502, title: 'Record not as expected', detail: `The database gave a record of another shape. ${SEE_LOG}` },
  STATEMENT_REFUSED: { status: 500, title: 'Statement refused', detail: SEE_LOG },
  TRANSACTION_CONFLICT: {
    status: 503,
    title: 'Transaction conflict',
    detail: 'Others changed the same records at the same time, and nothing was written; try again.',
    retryAfterSeconds: 1,
  },
  TABLE_BUSY: { status: 500, title: 'Table busy', detail: SEE_LOG },
  UNAUTHORIZED: { status: 401, title: 'Unauthorized' },
  VALUE_TOO_LARGE: { status: 413, title: 'Value too large' },
  VERSION_MISMATCH: { status: 412, title: 'Version moved' },
  BODY_INVALID: { status: 400, title: 'Body invalid' },
  BODY_TOO_LARGE: { status: 413, title: 'Body too large' },
  EXPECTATION_FAILED: { status: 417, title: 'Expectation failed' },
  HEADERS_TOO_LARGE: { status: 431, title: 'Headers too large' },
  INTERNAL: { status: 500, title: 'Internal error', detail: SEE_LOG },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, title: 'Media type unsupported' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed' },
  REQUEST_MALFORMED: { status: 400, title: 'Request malformed' },
  REQUEST_TIMEOUT: { status: 408, title: 'Request timed out' },
  RESPONSE_TIMEOUT: {
    status: 503,
    title: 'Answer timed out',
    detail: 'The answer was not ready in time; try again.',
    retryAfterSeconds: 2,
  },
  ROUTE_NOT_FOUND: { status: 404, title: 'No such route' },
  TOO_MANY_WATCHERS: { status: 503, title: 'Too many watchers', retryAfterSeconds: 10 },
  URL_TOO_LONG: { status: 414, title: 'URL too long' },
});

/** Problem details (RFC 9457), with what is Forebay's own: `code`, `requestId` and `errors`. */
export const problemSchema = z.strictObject({
  type: z.string().describe('Where the code is explained.'),
  title: z.string().describe('The kind of problem, the same for every occurrence.'),
  status: z.number().int().describe('The HTTP status.'),
  detail: z.string().describe('What is wrong with this request.'),
  instance: z.string().optional().describe('The path that was asked for.'),
  code: z.string().describe('Stable; branch on this.'),
  requestId: z.string().optional().describe('Also in the `X-Request-Id` header and in the log.'),
  errors: z
    .array(z.strictObject({ field: z.string().describe('Dotted path or header name.'), message: z.string() }))
    .optional()
    .describe('Each field that is wrong.'),
});
export type Problem = z.output<typeof problemSchema>;

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** What is known of an error when it is answered. */
export interface Fault {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
}

export interface Occurrence {
  readonly requestId?: string;
  /** URL as sent; the query is dropped, what is too long cut. */
  readonly url?: string;
}

const MAX_INSTANCE = 512;
const MAX_ERRORS = 20;

/** The problem that a client is shown for a fault. */
export function problemOf({ code, detail, errors = [] }: Fault, { requestId, url }: Occurrence = {}): Problem {
  const kind = PROBLEMS[code];
  return {
    type: `/docs/errors.md#${code.toLowerCase()}`,
    title: kind.title,
    status: kind.status,
    detail: kind.detail ?? detail,
    ...(url === undefined ? {} : { instance: (url.split('?', 1)[0] ?? '').slice(0, MAX_INSTANCE).toWellFormed() }),
    code,
    ...(requestId === undefined ? {} : { requestId }),
    ...(errors.length === 0 ? {} : { errors: errors.slice(0, MAX_ERRORS) }),
  };
}
