import { z } from 'zod';
import { ForebayError } from '../../core/errors.ts';
import type { Files } from '../../files/files.ts';
import { attributesSchema, fileInfoSchema, fileMetaSchema, filePatchSchema, newFileSchema } from '../../files/records.ts';
import { writeUnder } from '../preconditions.ts';
import { sendWritten, tellInvalidation } from './answers.ts';
import type { App } from './app-type.ts';
import { idParams, json, noQuery, problems, WRITE_PROBLEMS } from './schemas.ts';

const CONDITIONAL_PROBLEMS = { ...WRITE_PROBLEMS, 404: 'There is no such file.', 412: 'The version is none that If-Match names.' } as const;
const security = [{ bearer: [] }];

function createRoute(app: App, files: Files): void {
  app.route({
    method: 'POST',
    url: '/v1/files',
    config: { guarded: true },
    schema: {
      operationId: 'createFile',
      summary: 'Makes a file record.',
      tags: ['files'],
      security,
      querystring: noQuery,
      body: newFileSchema,
      response: {
        201: json('The record; Location says where it is.', fileInfoSchema),
        ...problems({ ...WRITE_PROBLEMS, 409: 'The id is taken.' }),
      },
    },
    handler: async (request, reply) => {
      const written = await writeUnder(request.headers, () => files.create(request.body));
      return sendWritten(reply.code(201).header('location', `/v1/files/${written.record.id}`), written);
    },
  });
}

function updateRoute(app: App, files: Files): void {
  app.route({
    method: 'PATCH',
    url: '/v1/files/:id',
    config: { guarded: true },
    schema: {
      operationId: 'updateFile',
      summary: 'Changes the fields that are given; null removes sha256 or pathBytes.',
      tags: ['files'],
      security,
      params: idParams,
      querystring: noQuery,
      body: filePatchSchema,
      response: { 200: json('The record as it now is.', fileInfoSchema), ...problems(CONDITIONAL_PROBLEMS) },
    },
    handler: async (request, reply) =>
      sendWritten(reply, await writeUnder(request.headers, (condition) => files.update(request.params.id, request.body, condition))),
  });
}

function deleteRoute(app: App, files: Files): void {
  app.route({
    method: 'DELETE',
    url: '/v1/files/:id',
    config: { guarded: true },
    schema: {
      operationId: 'deleteFile',
      summary: 'Removes a file record and its attributes.',
      tags: ['files'],
      security,
      params: idParams,
      querystring: noQuery,
      response: { 204: z.undefined().describe('The record is gone.'), ...problems(CONDITIONAL_PROBLEMS) },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const { existed, invalidation } = await writeUnder(request.headers, (condition) => files.delete(id, condition));
      tellInvalidation(reply, invalidation);
      if (!existed) throw new ForebayError('NOT_FOUND', `there is no file ${id}`, { field: 'id' });
      return reply.code(204).send();
    },
  });
}

function putMetaRoute(app: App, files: Files): void {
  app.route({
    method: 'PUT',
    url: '/v1/files/:id/meta',
    config: { guarded: true },
    schema: {
      operationId: 'putFileMeta',
      summary: "Replaces a file's attributes.",
      description:
        'A file whose attributes were never put has version 0: `If-Match: "0"` or `If-None-Match: *` lets only the first put through.',
      tags: ['files'],
      security,
      params: idParams,
      querystring: noQuery,
      body: z.strictObject({ attributes: attributesSchema }),
      response: { 200: json('The attributes as they now are.', fileMetaSchema), ...problems(CONDITIONAL_PROBLEMS) },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const put = (condition: { ifVersion?: number }) => files.meta.put(id, request.body.attributes, condition);
      return sendWritten(reply, await writeUnder(request.headers, put, { firstVersion: 0 }));
    },
  });
}

/** `POST /v1/files`, `PATCH|DELETE /v1/files/{id}`, `PUT /v1/files/{id}/meta`. */
export function fileWriteRoutes(app: App, files: Files): void {
  createRoute(app, files);
  updateRoute(app, files);
  deleteRoute(app, files);
  putMetaRoute(app, files);
}
