import { z } from 'zod';
import { fileInfoSchema, fileMetaSchema } from '../../files/records.ts';
import type { FileReads, Files } from '../../files/files.ts';
import { namedAsHeader, readLimitsOf } from '../read-limits.ts';
import { sendLookup } from './answers.ts';
import type { App } from './app-type.ts';
import { idParams, json, limitHeaders, noQuery, problems, READ_PROBLEMS } from './schemas.ts';

const DESCRIPTION = 'The ETag is the version; Cache-Status (RFC 9211) tells which tier answered.';

function readRoute(app: App, url: string, name: string, reads: FileReads<unknown>, response: Parameters<typeof json>[1]): void {
  for (const method of ['GET', 'HEAD'] as const) {
    app.route({
      method,
      url,
      schema: {
        operationId: `get${name}`,
        summary: method === 'GET' ? `Reads a file's ${name === 'File' ? 'record' : 'attributes'}.` : 'As GET, without the body.',
        description: DESCRIPTION,
        tags: ['files'],
        params: idParams,
        querystring: noQuery,
        headers: limitHeaders,
        response: {
          200: method === 'GET' ? json('The record.', response) : z.undefined().describe('There is such a file.'),
          304: z.undefined().describe('The version is one that If-None-Match names.'),
          ...problems({ ...READ_PROBLEMS, 404: 'There is no such file.' }),
        },
      },
      handler: async (request, reply) => {
        const { id } = request.params;
        const options = { ...readLimitsOf(request.headers), signal: request.waiting };
        const lookup = await reads.lookup(id, options).catch((error: unknown) => {
          throw namedAsHeader(error);
        });
        return sendLookup(request, reply, id, lookup);
      },
    });
  }
}

/** `GET|HEAD /v1/files/{id}` and `/v1/files/{id}/meta`. */
export function fileReadRoutes(app: App, files: Files): void {
  readRoute(app, '/v1/files/:id', 'File', files, fileInfoSchema);
  readRoute(app, '/v1/files/:id/meta', 'FileMeta', files.meta, fileMetaSchema);
}
