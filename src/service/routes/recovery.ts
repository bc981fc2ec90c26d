import { z } from 'zod';
import type { Forebay } from '../../forebay.ts';
import { answerInLines } from '../line-stream.ts';
import { sendJson, toJson } from './answers.ts';
import type { App } from './app-type.ts';
import { recoverBody, recoverProgress, recoverResult, recoveriesAnswer } from './recovery-schema.ts';
import { json, noQuery, problems } from './schemas.ts';

/** `GET|HEAD /v1/recovery`, open like the other states, and `POST /v1/recovery`, told line by line. */
export function recoveryRoutes(app: App, forebay: Pick<Forebay, 'recover' | 'recoveries'>, closing: AbortSignal): void {
  for (const method of ['GET', 'HEAD'] as const) {
    app.route({
      method,
      url: '/v1/recovery',
      schema: {
        operationId: 'recoveries',
        summary:
          method === 'GET'
            ? 'The recovery of this instance that is under way, and the last ones that are over.'
            : 'As GET, without the body.',
        tags: ['operations'],
        querystring: noQuery,
        response: {
          200: method === 'GET' ? json('What there is.', recoveriesAnswer) : z.undefined().describe('It was looked at.'),
          ...problems({ 400: 'There is an unknown query parameter.' }),
        },
      },
      handler: async (_request, reply) => sendJson(reply.header('cache-control', 'no-store'), toJson(forebay.recoveries())),
    });
  }
  app.route({
    method: 'POST',
    url: '/v1/recovery',
    config: { guarded: true, stream: true },
    schema: {
      operationId: 'recover',
      summary: 'Recovers now what can be, and follows until all traffic is back; when the client leaves, it goes on by itself.',
      tags: ['operations'],
      security: [{ bearer: [] }],
      querystring: noQuery,
      body: recoverBody,
      response: {
        200: {
          description: 'Lines of JSON: the recovery whenever it has changed, and at the end what was done and what is still broken.',
          content: {
            'application/x-ndjson': {
              schema: z.union([z.strictObject({ progress: recoverProgress }), z.strictObject({ result: recoverResult })]),
            },
          },
        },
        ...problems({
          400: 'Something in the request is wrong; `errors` names each field.',
          401: 'The token is missing or wrong.',
          413: 'The body is too large.',
          415: 'The body is not JSON.',
          503: 'The service is closing; see Retry-After.',
        }),
      },
    },
    handler: async (request, reply) => {
      const { restore = false, dryRun = false, watch = false, waitMs } = request.body;
      await answerInLines(request, reply, closing, (signal, tell) =>
        forebay.recover({ restore, dryRun, watch, ...(waitMs === undefined ? {} : { waitMs }), signal, onProgress: tell }),
      );
      return reply;
    },
  });
}
