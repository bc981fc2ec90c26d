import { z } from 'zod';
import { RECOVERY_CAUSES, RECOVERY_PHASES } from '../../recovery/recovery.ts';

const afterMs = z.number().nullable();

const recoverySchema = z.strictObject({
  number: z.number().int().describe('1 for the first since the start of the process.'),
  causes: z.array(z.enum(RECOVERY_CAUSES)).describe('What was amiss.'),
  phase: z
    .enum(RECOVERY_PHASES)
    .describe(
      '`outage`: something does not answer; `verifying`: it answers, and is not believed before it has followed all changes; `warming`: what was lost is loaded again; `paced`: calls of the database are still held back; `over`.',
    ),
  beganAt: z.number().describe('Milliseconds since the Unix epoch.'),
  outages: z.number().int().describe('Times that something was amiss; more than one when it came back before all was over.'),
  reachedAfterMs: afterMs.describe('All answered, so long after the beginning.'),
  verifiedAfterMs: afterMs.describe('Redis had followed all changes.'),
  verified: z
    .enum(['replayed', 'anew', 'level'])
    .nullable()
    .describe(
      '`replayed`: changes that it had missed were applied; `anew`: nothing that it held before counts; `level`: there was nothing to apply.',
    ),
  replayed: z.number().int().describe('Entries of the log that this process applied to Redis until then.'),
  warmedAfterMs: afterMs.describe('What is popular was there again, or there was nothing to warm.'),
  warmed: z.enum(['here', 'elsewhere', 'not_needed', 'off', 'failed']).nullable(),
  loaded: z.number().int().describe('Entries that this process loaded to warm.'),
  found: z.number().int().describe('Entries that it found.'),
  tookMs: afterMs.describe('All traffic was back.'),
});

export const recoveriesAnswer = z.strictObject({
  current: recoverySchema.nullable().describe('The one that is under way.'),
  past: z.array(recoverySchema).describe('The last ten that are over, the oldest first.'),
});

export const recoverBody = z.strictObject({
  restore: z.boolean().optional().describe('End an isolation of Redis by hand, too.'),
  dryRun: z.boolean().optional().describe('Do nothing: say what would be done.'),
  watch: z.boolean().optional().describe('Do nothing: follow what is under way.'),
  waitMs: z
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .optional()
    .describe('Longest wait for what is away to answer and to be verified, in ms; 60,000 without it.'),
});

export const recoverProgress = recoverySchema;
export const recoverResult = z.strictObject({
  outcome: z
    .enum(['recovered', 'well', 'planned', 'broken', 'stopped'])
    .describe(
      '`well`: there was nothing to recover; `planned`: of a dry run; `broken`: see `broken`; `stopped`: nobody listened any more, and it goes on by itself.',
    ),
  steps: z.array(z.string()).describe('What was done, or would be.'),
  broken: z
    .array(z.strictObject({ what: z.string(), text: z.string(), advice: z.string() }))
    .describe('What is still amiss, and what to do about it.'),
  recovery: recoverySchema.nullable().describe('The recovery that was followed.'),
  tookMs: z.number(),
});
