import type { FastifyReply, FastifyRequest } from 'fastify';
import type { InvalidationState, Lookup } from '../../cache/lookup.ts';
import { ForebayError } from '../../core/errors.ts';
import type { Written } from '../../files/files.ts';
import { cacheStatusOf } from '../cache-status.ts';
import { etagOf, matchesVersion } from '../etag.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Whoever keeps a copy must ask again before each use; the ETag makes that cheap. */
const CACHE_CONTROL = 'private, no-cache';

/** Sends JSON that is already bytes, past the framework's serializer. */
export function sendJson(reply: FastifyReply, json: Buffer): FastifyReply {
  return reply.header('content-type', JSON_TYPE).send(json);
}

export const toJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** Answers a read: the record's own bytes, 304 if the client has them, or an error; always with the tier that said so. */
export function sendLookup(request: FastifyRequest, reply: FastifyReply, id: string, lookup: Lookup<unknown>): FastifyReply {
  reply.header('cache-status', cacheStatusOf(lookup));
  if (lookup.outcome === 'unavailable') throw lookup.error;
  if (lookup.outcome === 'absent') throw new ForebayError('NOT_FOUND', `there is no file ${id}`, { field: 'id' });
  reply.header('etag', etagOf(lookup.version)).header('cache-control', CACHE_CONTROL);
  if (matchesVersion(request.headers['if-none-match'], lookup.version)) return reply.code(304).send();
  return sendJson(reply, lookup.json);
}

/** Says whether every cache has heard of a write. */
export function tellInvalidation(reply: FastifyReply, state: InvalidationState): FastifyReply {
  return reply.header('forebay-invalidation', state);
}

/** Answers a write with the record as it now is. */
export function sendWritten(reply: FastifyReply, { record, version, invalidation }: Written<unknown>): FastifyReply {
  return sendJson(tellInvalidation(reply, invalidation).header('etag', etagOf(version)), toJson(record));
}
