import { z } from 'zod';

/** The first line of a backup: what it is, and the number of the format. */
export const MAGIC = 'forebay-backup';
export const FORMAT = 1;

/** Every number of the format. */
export const LIMITS = Object.freeze({
  /** Entries of one chunk, or bytes of its text, whichever comes first: one request when they are restored. */
  chunkLines: 1_000,
  chunkBytes: 1024 ** 2,
  /** Bytes of one entry at most; a record of a file has up to 100 KiB. More is not ours. */
  lineBytes: 2 * 1024 ** 2,
  /** Bytes of one chunk's text at most, so that whoever reads a backup needs no more memory than this, whatever is in it. */
  rawBytes: 4 * 1024 ** 2,
  /** Bytes of the line before a chunk. */
  headBytes: 64 * 1024,
});

/** How the text of chunks is compressed. */
export type Compression = 'zstd' | 'gzip' | 'none';
export const COMPRESSIONS = ['zstd', 'gzip', 'none'] as const satisfies readonly Compression[];

/** The history of the database at the moment of the backup: a record's version says the same only within one. */
const databaseSchema = z.object({
  /** Of the log of changes. */
  epoch: z.string().max(64),
  /** Up to which the log was followed. */
  number: z.int().min(0),
  /** Of Postgres, which begins a new one when it is restored or fails over; `null` where it does not tell. */
  timeline: z.string().max(64).nullable(),
});
export type BackupDatabase = z.output<typeof databaseSchema>;

const shared = { file: z.string().regex(/^[0-9a-f]{16}$/), n: z.int().min(0), bytes: z.int().min(0).max(LIMITS.rawBytes) };
const chunk = { ...shared, raw: z.int().min(0).max(LIMITS.rawBytes), lines: z.int().min(0).max(LIMITS.chunkLines) };

const headerSchema = z.object({
  ...shared,
  kind: z.literal('header'),
  /** RFC 3339. */
  createdAt: z.iso.datetime(),
  forebay: z.string().max(64),
  source: z.object({ topology: z.string().max(32), keyPrefix: z.string().max(1024) }),
  caches: z.array(z.string().max(64)).max(16),
  compression: z.enum(COMPRESSIONS),
  database: databaseSchema,
  /** Keys in Redis, about, of all kinds; `null` where it does not tell. */
  expected: z.int().min(0).nullable(),
});
/** `at`: when its entries were read, in ms since 1970; their TTLs count from there. */
const entriesSchema = z.object({ ...chunk, kind: z.literal('entries'), cache: z.string().max(64), at: z.int().min(0) });
const popularSchema = z.object({ ...chunk, kind: z.literal('popular') });
const endSchema = z.object({
  ...shared,
  kind: z.literal('end'),
  /** Lines of each cache's chunks, and of those of what is popular. */
  entries: z.record(z.string().max(64), z.int().min(0)),
  popular: z.int().min(0),
});
/** Instead of an end: why it is not whole. */
const failedSchema = z.object({ ...shared, kind: z.literal('failed'), code: z.string().max(64), message: z.string().max(2000) });

export const frameSchema = z.discriminatedUnion('kind', [headerSchema, entriesSchema, popularSchema, endSchema, failedSchema]);

/** What the line before a chunk says; fields that this version does not know are of a later one, and left out. */
export type FrameHead = z.output<typeof frameSchema>;
export type BackupHeader = z.output<typeof headerSchema>;
export type EntriesHead = z.output<typeof entriesSchema>;
export type PopularHead = z.output<typeof popularSchema>;
export type BackupEnd = z.output<typeof endSchema>;
