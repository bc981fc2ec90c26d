import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { HttpFault } from '../faults.ts';
import type { App } from '../routes/app-type.ts';
import { noQuery, problems } from '../routes/schemas.ts';
import type { Live, Watcher } from './live.ts';
import { LIVE } from './live.ts';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // A proxy that gathers answers before it hands them on would make the page stand still.
  'x-accel-buffering': 'no',
  // A stream ends with its connection: none is kept for another request, and closing waits for none.
  connection: 'close',
} as const;

/** `GET /v1/live`: what the dashboard shows, once a second. Open like `/metrics`, which tells the same numbers; no key and no name of a file is in it. */
export function liveRoute(app: App, live: Live): void {
  app.route({
    method: 'GET',
    url: '/v1/live',
    config: { stream: true },
    schema: {
      operationId: 'live',
      summary: 'Server-sent events: the last ten minutes at once, then what there is to see, once a second. For the page at /.',
      tags: ['operations'],
      querystring: noQuery,
      response: {
        200: {
          description: 'Events `history`, `snapshot`, `heartbeat`, `bye`; their shape may change with any version.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
        ...problems({
          400: 'There are no query parameters.',
          503: `More than ${LIVE.maxWatchers} watch already, or the service is closing.`,
        }),
      },
    },
    handler: (request, reply) => {
      if (!live.admits())
        throw new HttpFault(
          'TOO_MANY_WATCHERS',
          `no stream is begun: ${LIVE.maxWatchers} are open already, or the service is closing; close one, or ask another instance`,
        );
      reply.hijack();
      reply.raw.writeHead(200, { ...HEADERS, 'x-request-id': request.id });
      const leave = live.watch(watcherOn(reply.raw));
      reply.raw.once('close', leave);
    },
  });
}

function watcherOn(response: ServerResponse): Watcher {
  return {
    write: (text) => {
      if (!response.writableEnded) response.write(text);
    },
    unsentBytes: () => response.writableLength,
    end: () => response.end(),
    drop: () => response.destroy(),
  };
}
