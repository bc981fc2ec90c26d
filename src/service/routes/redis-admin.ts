import { z } from 'zod';
import type { BreakerControl, BreakerState } from '../../cache/breaker-types.ts';
import { HttpFault } from '../faults.ts';
import { sendJson, toJson } from './answers.ts';
import type { App } from './app-type.ts';
import { json, noQuery, problems } from './schemas.ts';

const breakerSchema = z.strictObject({
  breaker: z
    .enum(['closed', 'open', 'half-open', 'isolated'])
    .describe('The state of the breaker of Redis in this process after the call; closed = calls pass.'),
});

const PROBLEMS = {
  400: 'Something in the request is wrong; `errors` names each field.',
  401: 'The token is missing or wrong.',
  404: 'This service runs without Redis.',
} as const;

interface Route {
  readonly url: string;
  readonly operationId: string;
  readonly summary: string;
  readonly act: (redis: BreakerControl) => BreakerState;
}

const ROUTES: readonly Route[] = [
  {
    url: '/v1/admin/redis/isolate',
    operationId: 'isolateRedis',
    summary: 'Keeps this process from asking Redis until it is restored: reads go to the database.',
    act: (redis) => redis.isolate(),
  },
  {
    url: '/v1/admin/redis/restore',
    operationId: 'restoreRedis',
    summary: 'Ends an isolation, or the delay of an open breaker: Redis is used again once it answers a few probes.',
    act: (redis) => redis.restore(),
  },
];

/** `POST /v1/admin/redis/isolate` and `/restore`, of this process alone. `redis`: `null` without one. */
export function redisAdminRoutes(app: App, redis: BreakerControl | null): void {
  for (const { url, operationId, summary, act } of ROUTES) {
    app.route({
      method: 'POST',
      url,
      config: { guarded: true },
      schema: {
        operationId,
        summary,
        tags: ['operations'],
        security: [{ bearer: [] }],
        querystring: noQuery,
        response: { 200: json('Done; or it was so already.', breakerSchema), ...problems(PROBLEMS) },
      },
      handler: async (_request, reply) => {
        if (redis === null)
          throw new HttpFault('ROUTE_NOT_FOUND', 'this service runs without Redis: there is nothing to isolate or restore');
        return sendJson(reply, toJson({ breaker: act(redis) }));
      },
    });
  }
}
