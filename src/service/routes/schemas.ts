import { z } from 'zod';
import { ALERT_NAMES } from '../../alerts/alert.ts';
import { fileInfoSchema, tagSchema } from '../../files/records.ts';
import { problemSchema } from '../problem.ts';
import { LIMIT_HEADERS } from '../read-limits.ts';

/** Ids of one batch at most. */
export const MAX_BATCH = 1000;

export const fileIdSchema = fileInfoSchema.shape.id;

export const idParams = z.strictObject({ id: fileIdSchema });
export const tagParams = z.strictObject({ tag: tagSchema });

/** For routes that take no query: a parameter that is not understood is an error, not a no-op. */
export const noQuery = z.strictObject({});

const { maxStalenessMs, minVersion } = LIMIT_HEADERS;
const maxStaleness = z
  .number()
  .min(0)
  .optional()
  .describe(
    'This answer is staler than the database by at most so many milliseconds; from 0, which asks the database, to the bound of the service.',
  );

/** The headers that reads take. The server gives names in lower case, so these only describe; `readLimitsOf` checks. */
export const limitHeaders = z.looseObject({
  [maxStalenessMs.name]: maxStaleness,
  [minVersion.name]: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('The answer has this version or a newer one, or the database was asked after this request and has no newer.'),
});
export const batchHeaders = z.looseObject({ [maxStalenessMs.name]: maxStaleness });

export const batchBody = z.strictObject({
  ids: z.array(fileIdSchema).min(1).max(MAX_BATCH).describe('Ids to read, in the order wanted; the same one may come twice.'),
});

const absentFile = z.strictObject({ id: fileIdSchema, absent: z.literal(true) });
const unavailableFile = z.strictObject({
  id: fileIdSchema,
  unavailable: z.literal(true),
  code: z.string().describe('Why nobody could say.'),
});

export const batchAnswer = z.strictObject({
  files: z
    .array(z.union([fileInfoSchema, absentFile, unavailableFile]))
    .describe('One for each id asked for, in that order: the record, or a note that there is none or that nobody could say.'),
  absent: z.array(fileIdSchema).describe('Ids without a record, each once.'),
  unavailable: z.array(fileIdSchema).describe('Ids of which nobody could say whether there is a record, each once. Ask again.'),
});

/** What is to be forgotten. */
export const targetsBody = z
  .strictObject({
    ids: z.array(fileIdSchema).max(MAX_BATCH).optional().describe('Files.'),
    tags: z.array(tagSchema).max(MAX_BATCH).optional().describe('Tags whose files are meant.'),
    all: z.boolean().optional().describe('Everything; then neither ids nor tags may be given.'),
  })
  .refine(({ ids = [], tags = [], all = false }) => (all ? ids.length + tags.length === 0 : ids.length + tags.length > 0), {
    message: 'must name ids or tags, or be {"all": true} alone',
  });

export const invalidated = z.strictObject({
  invalidation: z.enum(['applied', 'queued']).describe('Whether every cache has heard of it, or it waits for Redis to return.'),
});

const tierSchema = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('none') }),
  z.strictObject({ state: z.literal('unavailable'), reason: z.string() }),
  ...(['fresh', 'stale', 'invalidated'] as const).map((state) =>
    z.strictObject({
      state: z.literal(state),
      absent: z.boolean().describe('Whether the entry says that there is no such file.'),
      version: z.number(),
      ageMs: z.number(),
      ttlLeftMs: z.number(),
      bytes: z.number(),
      tags: z.array(z.string()),
    }),
  ),
]);

const inspectionSchema = z.strictObject({
  key: z.string(),
  local: tierSchema,
  remote: tierSchema,
  flight: z.strictObject({ ageMs: z.number(), waiters: z.number(), tainted: z.boolean() }).nullable(),
  lease: z.strictObject({ holder: z.string(), leftMs: z.number() }).nullable(),
});

export const inspections = z.strictObject({
  info: inspectionSchema.describe("What is known of the file's record."),
  meta: inspectionSchema.describe("What is known of the file's attributes."),
});

export const readinessSchema = z.strictObject({
  ready: z.boolean(),
  database: z.enum(['up', 'down']),
  redis: z.enum(['up', 'down', 'off']).describe('`off` when none is configured.'),
  breaker: z
    .enum(['closed', 'open', 'half-open', 'isolated', 'off'])
    .describe('Whether calls of Redis pass: closed = they do. `off` when none is configured.'),
  stalenessMs: z
    .number()
    .int()
    .nullable()
    .describe('Everything that was committed longer ago than this is known here, in ms; `null` while nothing is proven.'),
  maxStalenessMs: z.number().describe('The bound: the caches are used while `stalenessMs` is at most this.'),
  reasons: z.array(z.string()).describe('One sentence for each thing amiss.'),
});

const alertSchema = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  episode: z.string().describe('The same in the messages that it fires and that it is resolved.'),
  alert: z.enum(ALERT_NAMES),
  severity: z.enum(['warning', 'critical']),
  state: z.enum(['firing', 'resolved']).describe('Here always `firing`.'),
  summary: z.string().describe('For a human: what is measured, what it means and where to look.'),
  value: z.number().nullable().describe('What was measured last, in `unit`; `null` where it is beyond measure.'),
  threshold: z.number().describe('What `value` is above.'),
  unit: z.enum(['ms', 'changes', 'records', 'callers']),
  startedAt: z.iso.datetime().describe('When it was first seen.'),
  resolvedAt: z.iso.datetime().nullable(),
  returns: z.number().int().describe('How often it went and came back meanwhile.'),
  instance: z.string().describe('The process that tells this.'),
});

export const alertsSchema = z.strictObject({ alerts: z.array(alertSchema).describe('Those that fire, each once.') });

/** Responses in OpenAPI's form: a problem for each status, described by what brings it about. */
export function problems<const S extends number>(descriptions: Readonly<Record<S, string>>) {
  const entry = (description: string) => ({ description, content: { 'application/problem+json': { schema: problemSchema } } });
  return Object.fromEntries(Object.entries<string>(descriptions).map(([status, text]) => [status, entry(text)])) as Record<
    S,
    ReturnType<typeof entry>
  >;
}

export const json = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});

export const READ_PROBLEMS = {
  400: 'A bad id, a bad header or an unknown query parameter.',
  502: 'The record could not be loaded.',
  503: 'The database does not answer, or too many loads wait for it; see Retry-After.',
  504: 'The database did not answer in time.',
} as const;

export const WRITE_PROBLEMS = {
  400: 'Something in the request is wrong; `errors` names each field.',
  401: 'The token is missing or wrong.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  503: 'The database does not answer; see Retry-After.',
} as const;
