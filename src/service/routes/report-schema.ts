import { z } from 'zod';

const share = z.number().min(0).max(1).nullable();
const known = z.number().nullable();
const amount = z.number().min(0);

const saved = z.strictObject({
  keys: amount.describe('Look-ups that the database was spared.'),
  queries: amount.describe('The same in queries, at as many keys in each as there were.'),
  waitMs: known.describe('Waiting that callers were spared; `null` when nothing came from the database to compare with.'),
});

const tier = {
  hitRatio: share,
  hits: amount,
  saved,
  meanMs: known.describe('Mean time of a read that it answered.'),
  bytes: known,
  maxBytes: known.describe('`null`: no limit.'),
  bytesPerEntry: known,
  evictions: known,
};

const counted = <const N extends string>(names: readonly N[]) =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, amount])) as Record<N, typeof amount>);

const point = z.strictObject({ factor: z.number(), entries: amount, bytes: known, hitRatio: z.number().min(0).max(1) });

const curve = z.strictObject({
  reads: amount,
  entries: known.describe('Entries that fit at factor 1.'),
  bytes: known,
  measuredHitRatio: share,
  points: z.array(point).describe('Hit ratio of an LRU by its size, from 1/16 of the size to 16 times it.'),
  recommended: point
    .nullable()
    .describe('The least size from which on no doubling gives a point more; `null` when there were too few reads.'),
  sentence: z.string(),
});

const hot = z.array(
  z.strictObject({
    cache: z.string(),
    name: z.string(),
    reads: amount.describe('An estimate, at most `error` too high.'),
    error: amount,
    share: z.number().nullable(),
  }),
);

/** `EfficiencyReport`. */
export const reportSchema = z.strictObject({
  version: z.literal(1),
  period: z.strictObject({
    askedMs: known.describe('`null`: all since the start.'),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    ms: amount.describe('It may be up to a minute longer than asked, or shorter when the process is younger.'),
    sinceStart: z.boolean(),
  }),
  reads: z.strictObject({
    total: amount,
    perSecond: amount,
    answered: counted(['local', 'remote', 'source', 'unavailable']),
    hitRatio: share,
    joined: amount,
  }),
  local: z.strictObject({
    ...tier,
    entries: amount,
    caches: z.array(
      z.strictObject({ cache: z.string(), reads: amount, hitRatio: share, entries: amount, bytes: amount, maxBytes: amount }),
    ),
  }),
  remote: z
    .strictObject({
      ...tier,
      keys: known.describe('Of the whole server.'),
      payloadBytes: known,
      bytesPerEntryFrom: z.enum(['server', 'payload']).nullable(),
      refused: amount,
      missed: amount,
      unavailable: amount,
    })
    .nullable()
    .describe('`null` without Redis.'),
  database: z.strictObject({
    queries: amount,
    keys: amount,
    failedKeys: amount,
    keysPerQuery: known,
    meanMs: known,
    queriesPerSecond: amount,
    load: amount.describe('Queries under way, on average.'),
    withoutCache: z.strictObject({ queriesPerSecond: known, load: known }),
  }),
  lifetimes: counted(['refreshes', 'refreshedInTime', 'expiredUsed', 'expiredUnused', 'evictedUsed', 'evictedUnused']),
  refusals: z.strictObject({
    local: counted(['expired', 'unproven', 'tag', 'limits']),
    remote: counted(['expired', 'unproven', 'tag', 'damaged', 'older', 'limits']),
  }),
  stale: counted(['served', 'ifError']),
  absent: z.strictObject({ total: amount, share, local: amount, remote: amount, source: amount }),
  hot: z.strictObject({ keys: hot, tags: hot }),
  curves: z.strictObject({ local: curve, remote: curve.nullable() }),
  sentences: z.array(z.string()).describe('What stands out, for people.'),
});
