import type { Lookup } from '../../cache/lookup.ts';
import type { ForebayError } from '../../core/errors.ts';
import type { Files } from '../../files/files.ts';
import type { FileInfo } from '../../files/records.ts';
import { cacheStatusOfMany } from '../cache-status.ts';
import { namedAsHeader, readLimitsOf, refuseMinVersion } from '../read-limits.ts';
import { sendJson } from './answers.ts';
import type { App } from './app-type.ts';
import { batchAnswer, batchBody, batchHeaders, json, MAX_BATCH, noQuery, problems, READ_PROBLEMS } from './schemas.ts';

const COMMA = Buffer.from(',');

/** One item of the answer; ids were checked to be UUIDs and codes are ours, so nothing needs escaping. */
function itemOf(id: string, lookup: Lookup<FileInfo>): Buffer {
  switch (lookup.outcome) {
    case 'absent':
      return Buffer.from(`{"id":"${id}","absent":true}`);
    case 'unavailable':
      return Buffer.from(`{"id":"${id}","unavailable":true,"code":"${lookup.error.code}"}`);
    default:
      return lookup.json;
  }
}

/** The answer, put together from the records' own bytes. */
function batchJson(ids: readonly string[], byId: ReadonlyMap<string, Lookup<FileInfo>>): Buffer {
  const items = ids.flatMap((id) => {
    const lookup = byId.get(id);
    return lookup === undefined ? [] : [itemOf(id, lookup), COMMA];
  });
  items.pop();
  const having = (outcome: string): string => JSON.stringify([...byId].flatMap(([id, lookup]) => (lookup.outcome === outcome ? [id] : [])));
  const tail = `],"absent":${having('absent')},"unavailable":${having('unavailable')}}`;
  return Buffer.concat([Buffer.from('{"files":['), ...items, Buffer.from(tail)]);
}

/** The error of all, if nobody could say anything of any. */
function commonError(lookups: readonly Lookup<unknown>[]): ForebayError | undefined {
  const errors = lookups.flatMap((lookup) => (lookup.outcome === 'unavailable' ? [lookup.error] : []));
  return errors.length === lookups.length ? errors[0] : undefined;
}

/** `POST /v1/files/batch-get`: a read, hence open without a token. */
export function batchRoute(app: App, files: Files): void {
  app.route({
    method: 'POST',
    url: '/v1/files/batch-get',
    schema: {
      operationId: 'batchGetFiles',
      summary: `Reads up to ${MAX_BATCH} records at once.`,
      tags: ['files'],
      querystring: noQuery,
      headers: batchHeaders,
      body: batchBody,
      response: {
        200: json('An item for each id, in the order asked.', batchAnswer),
        ...problems({ ...READ_PROBLEMS, 413: 'The body is too large.', 415: 'The body is not JSON.' }),
      },
    },
    handler: async (request, reply) => {
      const { ids } = request.body;
      const distinct = [...new Set(ids)];
      refuseMinVersion(request.headers);
      const options = { ...readLimitsOf(request.headers), signal: request.waiting };
      const lookups = await files.lookupMany(distinct, options).catch((error: unknown) => {
        throw namedAsHeader(error);
      });
      reply.header('cache-status', cacheStatusOfMany(lookups));
      const error = commonError(lookups);
      if (error !== undefined) throw error;
      const byId = new Map(lookups.map((lookup, index) => [distinct[index] ?? '', lookup]));
      return sendJson(reply, batchJson(ids, byId));
    },
  });
}
