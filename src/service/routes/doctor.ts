import { z } from 'zod';
import { CHECK_GROUPS } from '../../doctor/report.ts';
import type { Forebay } from '../../forebay.ts';
import { answerInLines } from '../line-stream.ts';
import type { App } from './app-type.ts';
import { noQuery, problems } from './schemas.ts';

const PROBLEMS = {
  400: 'Something in the request is wrong; `errors` names each field.',
  401: 'The token is missing or wrong.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  503: 'Another one is at work in this instance, or the service is closing.',
} as const;

const body = z.strictObject({
  dryRun: z.boolean().optional().describe('Leave out the checks that write.'),
});

const finding = z.strictObject({
  severity: z.enum(['warning', 'error']),
  what: z.string(),
  why: z.string().describe('Why it matters.'),
  mend: z.string().describe('A command, a statement or a setting that mends it.'),
});

const check = z.strictObject({
  check: z.string().describe('Its name: `database.reach`.'),
  group: z.enum(CHECK_GROUPS),
  status: z.enum(['ok', 'warning', 'error', 'skipped']),
  said: z.string().describe('What was measured; of one that was skipped, why.'),
  findings: z.array(finding),
  tookMs: z.number(),
});

export const doctorSchema = z.strictObject({
  status: z.enum(['ok', 'warning', 'error']).describe('The worst that was found.'),
  errors: z.number().int(),
  warnings: z.number().int(),
  skipped: z.number().int(),
  dryRun: z.boolean(),
  stopped: z.boolean().describe('Whether it was told to stop before all checks were made.'),
  tookMs: z.number(),
  checks: z.array(check),
});

/** How far it is. */
export const doctorProgressSchema = z.strictObject({ check: z.string(), done: z.number().int(), total: z.number().int() });

const line = z.union([
  z.strictObject({ progress: doctorProgressSchema }),
  z.strictObject({ result: doctorSchema }),
  z.looseObject({ problem: z.looseObject({ status: z.number() }) }),
]);

/** `POST /v1/doctor`, of this instance and of what it uses. Names hosts, so it needs the token. */
export function doctorRoute(app: App, forebay: Pick<Forebay, 'doctor'>, closing: AbortSignal): void {
  app.route({
    method: 'POST',
    url: '/v1/doctor',
    config: { guarded: true, stream: true },
    schema: {
      operationId: 'doctor',
      summary: 'Checks settings, the database, Redis and the way of a change, with a row of its own; told line by line.',
      tags: ['operations'],
      security: [{ bearer: [] }],
      querystring: noQuery,
      body,
      response: {
        200: {
          description: 'Lines of `{"progress": …}`, and `{"result": …}` at the end.',
          content: { 'application/x-ndjson': { schema: line } },
        },
        ...problems(PROBLEMS),
      },
    },
    handler: async (request, reply) =>
      answerInLines(request, reply, closing, (signal, tell) =>
        forebay.doctor({
          dryRun: request.body.dryRun === true,
          signal,
          onCheck: (made, done, total) => tell({ check: made.check, done, total }),
        }),
      ),
  });
}
