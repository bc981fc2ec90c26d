import { z } from 'zod';
import { clean } from './cells.ts';

/** Text of the service: keys, tags, names of hosts and words of servers are not ours, and must not act on the terminal. */
const text = z.string().transform(clean);
const known = z.number().nullable();

const node = z.object({
  node: text,
  state: z.enum(['up', 'down']),
  connected: z.boolean(),
  breaker: text,
  pingMs: known,
  role: text.nullable(),
  keys: known,
  usedMemoryBytes: known,
  maxMemoryBytes: known,
  evictedKeys: known,
});

const level = z.enum(['ok', 'warning', 'critical']);

/** As much as is shown here of what the service tells once a second (`Snapshot` of the dashboard). */
const snapshot = z.object({
  at: z.number(),
  instance: text,
  status: z.object({ level, sentence: text }),
  reads: z.object({
    all: z.number(),
    local: z.number(),
    redis: z.number(),
    database: z.number(),
    stale: z.number(),
    failed: z.number(),
    refused: z.number(),
  }),
  hitRatio: z.object({ local: z.number(), redis: z.number() }).nullable(),
  latency: z.object({ p50Ms: z.number(), p99Ms: z.number(), p999Ms: z.number() }).nullable(),
  staleness: z.object({ ms: known, highestMs: known, maxMs: z.number() }),
  redis: z.object({
    state: z.enum(['off', 'up', 'down']),
    breaker: z.object({ state: text, reason: text }).nullable(),
    silent: z.boolean(),
    verifying: z.boolean(),
    hears: z.boolean().nullable(),
    nodes: z.array(node),
  }),
  database: z.object({
    kind: text,
    state: z.enum(['up', 'slow', 'down']),
    answerMs: known,
    pool: z.object({ total: z.number(), idle: z.number(), waiting: z.number() }),
    running: z.number(),
    queued: z.number(),
    load: z.number(),
    calmLoad: known,
  }),
  outbox: z.object({ depth: known, alertAbove: z.number(), changesPerSecond: z.number() }),
  local: z.object({
    entries: z.number(),
    maxEntries: z.number(),
    bytes: z.number(),
    maxBytes: z.number(),
    evictionsPerSecond: z.number(),
  }),
  recovery: z.object({ recovering: z.boolean(), warming: z.boolean(), loaded: z.number() }),
  alerts: z.array(z.object({ alert: text, severity: text, summary: text })),
  http: z.object({ perSecond: z.number(), failed: z.number() }),
});
export type LiveSnapshot = z.output<typeof snapshot>;

const event = z.object({ number: z.number(), at: z.number(), kind: text, level: z.enum(['good', 'info', 'warning', 'critical']), text });
export type LiveEvent = z.output<typeof event>;

/** What the events `history` and `snapshot` of the stream hold. */
export const liveSchema = z.object({ snapshot: snapshot.nullable(), events: z.array(event) });
export type LiveMessage = z.output<typeof liveSchema>;

export const hotSchema = z.object({
  keys: z.array(z.object({ id: text, cache: text, reads: z.number() })),
  tags: z.array(z.object({ tag: text, reads: z.number() })),
});
export type Hot = z.output<typeof hotSchema>;
