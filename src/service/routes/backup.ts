import { Readable } from 'node:stream';
import { z } from 'zod';
import { COMPRESSIONS, LIMITS } from '../../backup/format.ts';
import type { Forebay } from '../../forebay.ts';
import { HttpFault } from '../faults.ts';
import { answerInLines } from '../line-stream.ts';
import type { App } from './app-type.ts';
import { problems } from './schemas.ts';

const BINARY = 'application/octet-stream';
/** The header of a backup and one chunk. */
const MAX_BODY_BYTES = LIMITS.rawBytes + 2 * LIMITS.headBytes;

/** A client that takes nothing for so long, in ms, is given up: while its backup is under way nobody else gets one. */
const STALLED_MS = 120_000;

const backupQuery = z.strictObject({
  compress: z.enum(COMPRESSIONS).optional().describe('How chunks are compressed; zstd where the service has it, else gzip.'),
});

const flag = z
  .enum(['true', 'false'])
  .optional()
  .transform((value) => value === 'true');

const restoreQuery = z.strictObject({
  ttl: z.enum(['keep', 'new']).optional().describe('What entries have to live: what was left of their TTL, or a new one.'),
  fast: flag.describe('As fast as the database answers, and not at the pace of warming.'),
  dryRun: flag.describe('Look what would be done, and change nothing.'),
});

const count = z.number().int().min(0);
const countsShape = {
  entries: count.describe('Entries gone through: the sum of those below.'),
  restored: count.describe('Put back, since the database says the version that they have.'),
  loaded: count.describe('Loaded anew from the database, which has another version.'),
  found: count.describe('Left, since Redis has the record.'),
  absent: count.describe('Of files that there are no more.'),
  failed: count.describe('Neither; restore again.'),
  popular: count.describe('Popular keys that the database did not know.'),
};

export const restoreCounts = z.strictObject(countsShape);
export const restoreReport = z.strictObject({
  ...countsShape,
  sameHistory: z.boolean().describe('Whether versions of the backup say something of this database; if not, all was loaded anew.'),
});
export type RestoreAnswer = z.output<typeof restoreReport>;

const PROBLEMS = {
  400: 'A query parameter is wrong.',
  401: 'The token is missing or wrong.',
  409: 'This instance is at it already.',
  503: 'Redis or the database does not answer; see Retry-After.',
} as const;

function backupRoute(app: App, forebay: Pick<Forebay, 'backup'>, closing: AbortSignal): void {
  app.route({
    method: 'GET',
    url: '/v1/backup',
    config: { guarded: true, stream: true },
    schema: {
      operationId: 'backup',
      summary: 'All entries that Redis has, as a backup; one that is whole says so at its end.',
      tags: ['cache'],
      security: [{ bearer: [] }],
      querystring: backupQuery,
      response: {
        200: { description: 'The backup.', content: { [BINARY]: { schema: z.unknown().describe('docs/backup.md has the format.') } } },
        ...problems(PROBLEMS),
      },
    },
    handler: async (request, reply) => {
      const { compress } = request.query;
      const signal = AbortSignal.any([request.waiting, closing]);
      const pieces = forebay.backup({ signal, ...(compress === undefined ? {} : { compression: compress }) })[Symbol.asyncIterator]();
      // What cannot be begun is a problem like any other; from then on the backup itself says what went wrong.
      const first = await pieces.next();
      const taken = whileTaken(withFirst(first, pieces), STALLED_MS, () => reply.raw.destroy());
      const body = Readable.from(taken, { objectMode: false, highWaterMark: 1 });
      return reply.header('content-type', BINARY).header('cache-control', 'no-store').header('x-accel-buffering', 'no').send(body);
    },
  });
}

/** The same, piece by piece; `giveUp` is called when one is not taken for so long, in ms. */
export async function* whileTaken<T>(pieces: AsyncIterable<T>, stalledMs: number, giveUp: () => void): AsyncGenerator<T> {
  for await (const piece of pieces) {
    const timer = setTimeout(giveUp, stalledMs);
    try {
      yield piece;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function* withFirst(first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function restoreRoute(app: App, forebay: Pick<Forebay, 'restore'>, closing: AbortSignal): void {
  app.route({
    method: 'POST',
    url: '/v1/restore',
    bodyLimit: MAX_BODY_BYTES,
    config: { guarded: true, stream: true },
    schema: {
      operationId: 'restore',
      summary: 'Puts the entries of one chunk of a backup back into Redis, each by what the database says of it.',
      tags: ['cache'],
      security: [{ bearer: [] }],
      querystring: restoreQuery,
      consumes: [BINARY],
      body: z.unknown().describe('The header of the backup, and one of its chunks, as bytes.'),
      response: {
        200: {
          description: 'Lines of `{"progress": …}` as it goes on, and at the end `{"result": …}` or `{"problem": …}`.',
          content: { 'application/x-ndjson': { schema: z.unknown() } },
        },
        ...problems({
          ...PROBLEMS,
          413: `It is more than one chunk: more than ${MAX_BODY_BYTES} bytes.`,
          415: 'The body is not sent as bytes.',
          422: 'It is damaged, cut off, or no backup that this version reads.',
        }),
      },
    },
    handler: (request, reply) =>
      answerInLines(request, reply, closing, (signal, tell) => {
        const { body, query } = request;
        if (!Buffer.isBuffer(body)) throw new HttpFault('BODY_INVALID', `send the header and a chunk of a backup as ${BINARY}`);
        const { fast, dryRun, ttl = 'keep' } = query;
        return forebay.restore(only(body), { fast, dryRun, ttl, partial: true, signal, onProgress: tell });
      }),
  });
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** `GET /v1/backup`, `POST /v1/restore`. */
export function backupRoutes(app: App, forebay: Pick<Forebay, 'backup' | 'restore'>, closing: AbortSignal): void {
  backupRoute(app, forebay, closing);
  void app.register((scope, _options, done) => {
    // For this route alone: others take JSON.
    scope.addContentTypeParser(BINARY, { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, parsed) => parsed(null, body));
    restoreRoute(scope, forebay, closing);
    done();
  });
}
