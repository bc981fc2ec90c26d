import { z } from 'zod';
import { ForebayError } from '../core/errors.ts';

/** Bounds of a record. Larger input is refused with the field named, never cut. */
export const LIMITS = Object.freeze({
  /** Characters in a file's name (Linux allows 255 bytes). */
  nameLength: 255,
  /** Characters in a path (Linux's PATH_MAX). */
  pathLength: 4096,
  /** Characters in an owner's id or a media type. */
  shortTextLength: 255,
  /** Tags on one file, and characters in one tag. */
  tags: 32,
  tagLength: 128,
  /** Bytes of `attributes` as JSON in UTF-8. */
  attributesBytes: 64 * 1024,
});

/** A file's id, checked and in lower case. */
export type FileId = string & { readonly __fileId: true };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Checks and brands an id.
 * @throws {ForebayError} `INPUT_INVALID` when it is not a UUID in the 8-4-4-4-12 form.
 */
export function fileId(text: string): FileId {
  if (!UUID.test(text)) {
    throw new ForebayError(
      'INPUT_INVALID',
      `"${text.slice(0, 64)}" is not a file id; give a UUID such as 018f4e9a-1b2c-7d3e-8f40-123456789abc`,
      {
        field: 'id',
      },
    );
  }
  return text.toLowerCase() as FileId;
}

/** Text that both JSON and Postgres can hold: no lone surrogates, no NUL. */
const storable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');
const STORABLE = 'must be well-formed Unicode without NUL characters';

const text = (maxLength: number) => z.string().min(1).max(maxLength).refine(storable, STORABLE);

const fileIdSchema = z
  .string()
  .regex(UUID, 'must be a UUID')
  .transform((id) => id.toLowerCase() as FileId);
const sizeSchema = z
  .number()
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER, `must be at most ${Number.MAX_SAFE_INTEGER} (2^53 - 1), the largest size that JSON readers keep exact`);
const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
export const tagSchema = text(LIMITS.tagLength);
const tagsSchema = z
  .array(tagSchema)
  .max(LIMITS.tags)
  .transform((tags) => [...new Set(tags)].toSorted());
const bytesSchema = z.base64().max(Math.ceil((LIMITS.pathLength * 4) / 3) + 4);

/** One file, as every tier and every face shows it. */
export const fileInfoSchema = z.strictObject({
  id: fileIdSchema.describe('Stable id; indexing derives a UUIDv5 from the path.'),
  name: z.string().describe('Last part of the path.'),
  path: z.string().describe('Full path. Bytes that are not UTF-8 show as U+FFFD; `pathBytes` then has the exact ones.'),
  pathBytes: z.string().optional().describe('The exact path in base64, present only where it is not valid UTF-8.'),
  size: z.number().int().describe('Bytes, at most 2^53 - 1.'),
  mimeType: z.string().describe('Media type.'),
  ownerId: z.string().describe('Who owns the file; indexing gives `uid:N`.'),
  sha256: z.string().optional().describe('SHA-256 of the content in lower-case hexadecimal, where it was computed.'),
  tags: z.array(z.string()).describe("The user's own tags, sorted, each once."),
  createdAt: z.iso.datetime().describe('When the file was made (RFC 3339, UTC).'),
  updatedAt: z.iso.datetime().describe('When the file was last changed (RFC 3339, UTC).'),
  version: z.number().int().describe('Grows with every change of the record; the ETag.'),
});
export type FileInfo = Readonly<Omit<z.output<typeof fileInfoSchema>, 'tags'>> & { readonly tags: readonly string[] };

/** What a client gives to make a file. */
export const newFileSchema = z.strictObject({
  id: fileIdSchema.optional().describe('Left out: the service draws one.'),
  name: text(LIMITS.nameLength).optional().describe('Left out: the last part of the path.'),
  path: text(LIMITS.pathLength),
  pathBytes: bytesSchema.optional(),
  size: sizeSchema,
  mimeType: text(LIMITS.shortTextLength).default('application/octet-stream'),
  ownerId: text(LIMITS.shortTextLength),
  sha256: sha256Schema.optional(),
  tags: tagsSchema.default([]),
});
export type NewFile = z.input<typeof newFileSchema>;

/** What a client may change; `null` removes a field that may be missing. */
export const filePatchSchema = z
  .strictObject({
    name: text(LIMITS.nameLength),
    path: text(LIMITS.pathLength),
    pathBytes: bytesSchema.nullable(),
    size: sizeSchema,
    mimeType: text(LIMITS.shortTextLength),
    ownerId: text(LIMITS.shortTextLength),
    sha256: sha256Schema.nullable(),
    tags: tagsSchema,
  })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'must change at least one field');
export type FilePatch = z.input<typeof filePatchSchema>;

/** A JSON object of the user's own. */
export type Attributes = { readonly [name: string]: unknown };

/** Deep enough for any use, and far from where recursion ends a process's stack. */
const MAX_DEPTH = 64;

function storableJson(value: unknown, depthLeft: number): boolean {
  switch (typeof value) {
    case 'string':
      return storable(value);
    case 'number':
      return Number.isFinite(value);
    case 'object':
      if (value === null) return true;
      if (depthLeft === 0) return false;
      if (Array.isArray(value)) return value.every((part) => storableJson(part, depthLeft - 1));
      return Object.entries(value).every(([name, part]) => storable(name) && storableJson(part, depthLeft - 1));
    default:
      return typeof value === 'boolean';
  }
}

export const attributesSchema = z
  .record(z.string(), z.unknown())
  .refine((value) => storableJson(value, MAX_DEPTH), {
    error: `must hold finite numbers and well-formed Unicode without NUL characters, nested at most ${MAX_DEPTH} deep`,
    abort: true,
  })
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= LIMITS.attributesBytes,
    `must be at most ${LIMITS.attributesBytes} bytes as JSON`,
  );

/**
 * Checks a file's attributes.
 * @throws {ForebayError} `INPUT_INVALID`
 */
export function checkAttributes(input: Attributes): Attributes {
  // The schema copies the object without a member of this name: refused here rather than lost.
  if (typeof input === 'object' && input !== null && Object.hasOwn(input, '__proto__')) {
    throw new ForebayError('INPUT_INVALID', '"__proto__": attributes may not have this name', { field: '__proto__' });
  }
  return parseInput(attributesSchema, input);
}

/** A file's attributes. A file that never had any has `{}` at version 0. */
export const fileMetaSchema = z.strictObject({
  id: fileIdSchema,
  version: z.number().int().describe('Grows with every change of the attributes; the ETag.'),
  attributes: z.record(z.string(), z.unknown()).describe("A JSON object of the user's own, up to 64 KiB."),
});
export type FileMeta = { readonly id: FileId; readonly version: number; readonly attributes: Attributes };

/**
 * Checks input against a schema of this file.
 * @throws {ForebayError} `INPUT_INVALID`, naming the first field that is wrong and the rule.
 */
export function parseInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new ForebayError('INPUT_INVALID', `${field === '' ? 'the input' : `"${field}"`}: ${issue?.message ?? 'is not valid'}`, { field });
}
