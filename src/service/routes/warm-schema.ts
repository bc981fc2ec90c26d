import { z } from 'zod';
import { MAX_CONDITION } from '../../files/condition/tokens.ts';
import { tagSchema } from '../../files/records.ts';
import { fileIdSchema, MAX_BATCH } from './schemas.ts';

/** Tags of one question at most. */
const MAX_TAGS = 100;

export const warmBody = z
  .strictObject({
    ids: z.array(fileIdSchema).min(1).max(MAX_BATCH).optional().describe('These files.'),
    tags: z.array(tagSchema).min(1).max(MAX_TAGS).optional().describe('The files that carry one of these tags.'),
    where: z
      .string()
      .min(1)
      .max(MAX_CONDITION)
      .optional()
      .describe(
        "The files whose records fulfil this condition, such as `size > 1000000 and mime_type like 'image/%'`; docs/warming.md says what it may hold.",
      ),
    meta: z.boolean().optional().describe('Their attributes too; not with what is popular, which has them among it.'),
    limit: z.number().int().min(0).optional().describe('Files at most; of what is popular, entries.'),
    dryRun: z.boolean().optional().describe('Load nothing: say how much there is to warm, and how much of it is there.'),
  })
  .refine(({ ids, tags, where }) => [ids, tags, where].filter((one) => one !== undefined).length <= 1, {
    message: 'takes one of ids, tags and where; without any of them, what all instances read most is warmed',
  });

const counts = {
  done: z.number().int().describe('Entries gone through: records, and attributes where they are meant.'),
  loaded: z.number().int().describe('Of those: loaded from the database, each a read that it is spared.'),
  found: z.number().int().describe('Were there already.'),
  absent: z.number().int().describe('There is no such file.'),
  failed: z.number().int().describe('Could not be brought in.'),
  missing: z.number().int().describe('Of a dry run: not there.'),
  share: z.number().nullable().describe('Share of the way, from 0 to 1; `null` while nobody knows.'),
};

export const warmProgress = z.strictObject(counts);
export const warmGain = z.strictObject({
  ...counts,
  outcome: z
    .enum(['done', 'elsewhere', 'no_remote', 'failed', 'stopped'])
    .describe(
      'How it ended: `elsewhere`: another instance warms what is popular; `no_remote`: Redis cannot be asked; `failed`: the database or Redis did not answer any more; `stopped`: told to.',
    ),
  dryRun: z.boolean(),
  tier: z.enum(['redis', 'memory']).describe('What is filled; `memory` of this process where there is no Redis.'),
  readsFound: z
    .number()
    .nullable()
    .describe('Of a dry run of what is popular: the share of its reads that is answered without the database, from 0 to 1.'),
  missed: z
    .array(z.string())
    .describe(
      'Of files named by id: those of rounds of which something failed, which are not counted yet; ask for them again in twelve seconds, when leases that were lost have ended.',
    ),
  tookMs: z.number(),
  load: z.number().describe('The load of the database by this process meanwhile, in ms of calls a second.'),
  calmLoad: z.number().nullable().describe('The calm mean of that; `null` in the first minute of a process.'),
});
