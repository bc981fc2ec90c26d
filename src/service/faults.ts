import type { FastifyError } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { ForebayError } from '../core/errors.ts';
import type { Fault, HttpCode } from './problem.ts';

/** An error of the HTTP layer itself. */
export class HttpFault extends Error {
  readonly fault: Fault;

  constructor(code: HttpCode, detail: string, field?: string) {
    super(detail);
    this.name = 'HttpFault';
    this.fault = field === undefined ? { code, detail } : { code, detail, errors: [{ field, message: detail }] };
  }
}

/** The framework's own errors that a client can cause. */
const FRAMEWORK: Readonly<Record<string, readonly [HttpCode, string]>> = Object.freeze({
  FST_ERR_BAD_URL: ['REQUEST_MALFORMED', 'the path holds a malformed percent encoding'],
  FST_ERR_MAX_PARAM_LENGTH: ['URL_TOO_LONG', 'a part of the path is too long'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['BODY_TOO_LARGE', 'the body is larger than the service takes'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['MEDIA_TYPE_UNSUPPORTED', 'send the body as Content-Type: application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['REQUEST_MALFORMED', 'the body is not as long as Content-Length says'],
});

/** `attributes.a.3` for a path of zod's; keys that are not plain words are kept as they are. */
const fieldOf = (instancePath: string, context: string | undefined): string =>
  instancePath.slice(1).replaceAll('/', '.') || (context ?? 'body');

function schemaFault(error: FastifyError): Fault {
  const issues = error.validation ?? [];
  const errors = issues.flatMap(({ instancePath, message, params }) => {
    const field = fieldOf(instancePath, error.validationContext);
    const keys: unknown = params['keys'];
    if (!Array.isArray(keys)) return [{ field, message: message ?? 'is not valid' }];
    const prefix = instancePath === '/' ? '' : `${field}.`;
    return keys.map((key) => ({ field: `${prefix}${String(key).slice(0, 128).toWellFormed()}`, message: 'is not a known field' }));
  });
  // Of several rules that one field breaks, the last is the one written for people.
  const perField = [...new Map(errors.map((error) => [error.field, error])).values()];
  const [first] = perField;
  return {
    code: 'INPUT_INVALID',
    detail: first === undefined ? 'the input is not valid' : `"${first.field}": ${first.message}`,
    errors: perField,
  };
}

/** What to tell the client, whatever was thrown. */
export function faultOf(error: unknown): Fault {
  if (error instanceof HttpFault) return error.fault;
  if (error instanceof ForebayError) {
    const { code, message: detail, field } = error;
    return field === undefined || field === '' ? { code, detail } : { code, detail, errors: [{ field, message: detail }] };
  }
  if (!(error instanceof Error)) return { code: 'INTERNAL', detail: String(error) };
  if (hasZodFastifySchemaValidationErrors(error)) return schemaFault(error);
  const known = 'code' in error && typeof error.code === 'string' ? FRAMEWORK[error.code] : undefined;
  if (known !== undefined) return { code: known[0], detail: known[1] };
  // A broken-off or malformed body: the HTTP parser's errors come with a status.
  if ('statusCode' in error && error.statusCode === 400) return { code: 'REQUEST_MALFORMED', detail: 'the request could not be read' };
  return { code: 'INTERNAL', detail: error.message };
}
