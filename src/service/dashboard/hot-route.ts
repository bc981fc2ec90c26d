import { z } from 'zod';
import type { Forebay } from '../../forebay.ts';
import { sendJson, toJson } from '../routes/answers.ts';
import type { App } from '../routes/app-type.ts';
import { json, noQuery, problems } from '../routes/schemas.ts';

/** Of keys and tags each: what a person looks through. */
const MOST = 20;

const reads = z.number().int().describe('How often.');
const hotSchema = z.strictObject({
  keys: z
    .array(z.strictObject({ id: z.string(), cache: z.enum(['info', 'meta']), reads }))
    .describe(
      'Files read most in the last full period (ten seconds, or 10,000 reads if that is sooner), each at least twice; most read first.',
    ),
  tags: z
    .array(z.strictObject({ tag: z.string(), reads }))
    .describe('Tags of which records were read most since the start, by an estimate.'),
});

/** Keys of now, since those of the whole time may be of last week; tags of the whole time, since nothing else is counted. */
function hotNow(forebay: Pick<Forebay, 'hot' | 'popular'>): z.infer<typeof hotSchema> {
  const tags = Object.values(forebay.hot(MOST)).flatMap((hot) => hot.tags.map(({ key, reads: times }) => ({ tag: key, reads: times })));
  return { keys: [...forebay.popular(MOST)], tags: tags.toSorted((a, b) => b.reads - a.reads).slice(0, MOST) };
}

/** `GET /v1/cache/hot`. Needs the token, if there is one: ids are all that it takes to read records, and tags may be names. */
export function hotRoute(app: App, forebay: Pick<Forebay, 'hot' | 'popular'>): void {
  for (const method of ['GET', 'HEAD'] as const) {
    app.route({
      method,
      url: '/v1/cache/hot',
      config: { guarded: true },
      schema: {
        operationId: 'hot',
        summary: method === 'GET' ? `The ${MOST} files and tags that this process reads most.` : 'As GET, without the body.',
        tags: ['cache'],
        security: [{ bearer: [] }],
        querystring: noQuery,
        response: {
          200: method === 'GET' ? json('Most read first.', hotSchema) : z.undefined().describe('It was looked at.'),
          ...problems({ 400: 'There are no query parameters.', 401: 'The token is missing or wrong.' }),
        },
      },
      handler: async (_request, reply) => sendJson(reply.header('cache-control', 'no-store'), toJson(hotNow(forebay))),
    });
  }
}
