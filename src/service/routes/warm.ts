import { z } from 'zod';
import type { Forebay } from '../../forebay.ts';
import type { WarmRequest } from '../../warm-request.ts';
import { answerInLines } from '../line-stream.ts';
import type { App } from './app-type.ts';
import { noQuery, problems } from './schemas.ts';
import { warmBody, warmGain, warmProgress } from './warm-schema.ts';

/** `POST /v1/cache/warm`: told line by line. */
export function warmRoute(app: App, forebay: Pick<Forebay, 'warm'>, closing: AbortSignal): void {
  app.route({
    method: 'POST',
    url: '/v1/cache/warm',
    config: { guarded: true, stream: true },
    schema: {
      operationId: 'warm',
      summary: 'Brings files into the caches ahead of demand, at a pace that spares the database; run again, it skips what is there.',
      tags: ['cache'],
      security: [{ bearer: [] }],
      querystring: noQuery,
      body: warmBody,
      response: {
        200: {
          description:
            'Lines of JSON: progress now and then, and what was gained (or a problem) at the end. When the client leaves, it stops.',
          content: {
            'application/x-ndjson': { schema: z.union([z.strictObject({ progress: warmProgress }), z.strictObject({ result: warmGain })]) },
          },
        },
        ...problems({
          400: 'Something in the request is wrong; `errors` names each field.',
          401: 'The token is missing or wrong.',
          413: 'The body is too large.',
          415: 'The body is not JSON.',
          503: 'The database does not answer; see Retry-After.',
        }),
      },
    },
    handler: async (request, reply) => {
      await answerInLines(request, reply, closing, (signal, tell) => forebay.warm({ ...defined(request.body), signal, onProgress: tell }));
      return reply;
    },
  });
}

/** Without what was left out. */
const defined = (body: z.output<typeof warmBody>): WarmRequest =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
