import { z } from 'zod';
import type { FileTargets, Files } from '../../files/files.ts';
import { sendJson, tellInvalidation, toJson } from './answers.ts';
import type { App } from './app-type.ts';
import { idParams, inspections, invalidated, json, MAX_BATCH, noQuery, problems, tagParams, targetsBody } from './schemas.ts';

const security = [{ bearer: [] }];
const PROBLEMS = {
  400: 'Something in the request is wrong; `errors` names each field.',
  401: 'The token is missing or wrong.',
  503: 'The database or Redis does not answer; see Retry-After.',
} as const;

function tagRoute(app: App, files: Files): void {
  app.route({
    method: 'POST',
    url: '/v1/tags/:tag/invalidate',
    config: { guarded: true },
    schema: {
      operationId: 'invalidateTag',
      summary: 'Makes every cache forget the records that carry a tag.',
      tags: ['cache'],
      security,
      params: tagParams,
      querystring: noQuery,
      response: { 200: json('Forgotten.', invalidated), ...problems(PROBLEMS) },
    },
    handler: async (request, reply) => forget({ tags: [request.params.tag] }, files, reply),
  });
}

async function forget(targets: FileTargets, files: Files, reply: Parameters<typeof sendJson>[0]) {
  const { invalidation } = await files.invalidate(targets);
  return sendJson(tellInvalidation(reply, invalidation), toJson({ invalidation }));
}

function forgetRoute(app: App, files: Files): void {
  app.route({
    method: 'DELETE',
    url: '/v1/cache/files/:id',
    config: { guarded: true },
    schema: {
      operationId: 'invalidateFile',
      summary: 'Makes every cache forget one file; the file itself stays.',
      tags: ['cache'],
      security,
      params: idParams,
      querystring: noQuery,
      response: { 200: json('Forgotten.', invalidated), ...problems(PROBLEMS) },
    },
    handler: async (request, reply) => forget({ ids: [request.params.id] }, files, reply),
  });
}

function forgetManyRoute(app: App, files: Files): void {
  app.route({
    method: 'POST',
    url: '/v1/cache/invalidate',
    config: { guarded: true },
    schema: {
      operationId: 'invalidateMany',
      summary: `Makes every cache forget up to ${MAX_BATCH} files and tags at once, or everything; the files themselves stay.`,
      tags: ['cache'],
      security,
      querystring: noQuery,
      body: targetsBody,
      response: {
        200: json('Forgotten.', invalidated),
        ...problems({ ...PROBLEMS, 413: 'The body is too large.', 415: 'The body is not JSON.' }),
      },
    },
    handler: async (request, reply) => {
      const { ids, tags, all } = request.body;
      return forget({ ...(ids === undefined ? {} : { ids }), ...(tags === undefined ? {} : { tags }), all: all === true }, files, reply);
    },
  });
}

function inspectRoute(app: App, files: Files): void {
  for (const method of ['GET', 'HEAD'] as const) {
    app.route({
      method,
      url: '/v1/cache/files/:id',
      config: { guarded: true },
      schema: {
        operationId: 'inspectFile',
        summary: method === 'GET' ? 'Shows what each tier holds of a file, without loading it.' : 'As GET, without the body.',
        tags: ['cache'],
        security,
        params: idParams,
        querystring: noQuery,
        response: {
          200: method === 'GET' ? json('What is known.', inspections) : z.undefined().describe('It was looked at.'),
          ...problems(PROBLEMS),
        },
      },
      handler: async (request, reply) => {
        const { id } = request.params;
        const [info, meta] = await Promise.all([files.inspect(id), files.meta.inspect(id)]);
        return sendJson(reply.header('cache-control', 'no-store'), toJson({ info, meta }));
      },
    });
  }
}

/** `POST /v1/cache/invalidate`, `POST /v1/tags/{tag}/invalidate`, `GET|HEAD|DELETE /v1/cache/files/{id}`. */
export function cacheAdminRoutes(app: App, files: Files): void {
  tagRoute(app, files);
  forgetManyRoute(app, files);
  forgetRoute(app, files);
  inspectRoute(app, files);
}
