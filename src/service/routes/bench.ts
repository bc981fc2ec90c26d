import { z } from 'zod';
import { BENCH } from '../../files/bench-records.ts';
import type { Files } from '../../files/files.ts';
import { fileInfoSchema } from '../../files/records.ts';
import { createBenchRecords } from '../../postgres/bench-records.ts';
import { sendJson, toJson } from './answers.ts';
import type { App } from './app-type.ts';
import { json, noQuery, problems, WRITE_PROBLEMS } from './schemas.ts';

const id = fileInfoSchema.shape.id;
const run = id.describe('The run, as `begin` named it.');
const from = z.number().int().min(0).max(BENCH.maxRecords).describe('Number of the first record.');
const count = z.number().int().min(1).max(BENCH.maxBatch).describe('How many.');

const benchBody = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('begin') }),
  z
    .strictObject({ do: z.literal('make'), run, from, count })
    .refine((body) => body.from + body.count <= BENCH.maxRecords, `a run has at most ${BENCH.maxRecords} records`),
  z.strictObject({ do: z.literal('beat'), run, keep: z.boolean().optional().describe('Whether the records are to stay.') }),
  z.strictObject({ do: z.literal('runs') }),
  z.strictObject({ do: z.literal('remove'), run }),
  z.strictObject({ do: z.literal('existing'), after: id, count }),
]);

/** What each gives. */
export const benchAnswers = {
  begin: z.strictObject({ run: z.string() }),
  make: z.strictObject({ ids: z.array(z.string()) }),
  beat: z.strictObject({ alive: z.boolean() }),
  runs: z.strictObject({ runs: z.array(z.strictObject({ run: z.string(), ageMs: z.number(), kept: z.boolean() })) }),
  remove: z.strictObject({ removed: z.number(), more: z.boolean() }),
  existing: z.strictObject({ ids: z.array(z.string()) }),
} as const;

/** `POST /v1/bench/records`: the records of `forebay bench --url`, which makes its own and removes them. */
export function benchRoute(app: App, files: Files): void {
  const records = createBenchRecords(files);
  const answerTo = (body: z.output<typeof benchBody>): Promise<object> => {
    switch (body.do) {
      case 'begin':
        return records.begin();
      case 'make':
        return records.make(body.run, body.from, body.count);
      case 'beat':
        return records.beat(body.run, body.keep);
      case 'runs':
        return records.runs();
      case 'remove':
        return records.remove(body.run);
      case 'existing':
        return records.existing(body.after, body.count);
      default:
        return body satisfies never;
    }
  };
  app.route({
    method: 'POST',
    url: '/v1/bench/records',
    config: { guarded: true },
    schema: {
      operationId: 'benchRecords',
      summary: 'Makes and removes the records of `forebay bench --url`, which have an owner and folders of their own; for that command.',
      tags: ['operations'],
      security: [{ bearer: [] }],
      querystring: noQuery,
      body: benchBody,
      response: {
        200: json('What was asked for; its shape is that of what was done.', z.union(Object.values(benchAnswers))),
        ...problems({ ...WRITE_PROBLEMS, 404: 'There is no such run any more.' }),
      },
    },
    handler: async (request, reply) => sendJson(reply.header('cache-control', 'no-store'), toJson(await answerTo(request.body))),
  });
}
