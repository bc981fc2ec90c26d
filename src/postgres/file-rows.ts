import type { Attributes, FileId, FileInfo, FileMeta } from '../files/records.ts';

/** The columns of a record, in `select` and `returning` lists. */
export const INFO_COLUMNS = 'id, name, path, path_bytes, size, mime_type, owner_id, sha256, tags, created_at, updated_at, version' as const;

export interface InfoRow {
  readonly id: FileId;
  readonly name: string;
  readonly path: string;
  readonly path_bytes: Uint8Array | null;
  readonly size: number;
  readonly mime_type: string;
  readonly owner_id: string;
  readonly sha256: string | null;
  readonly tags: readonly string[];
  readonly created_at: string;
  readonly updated_at: string;
  readonly version: number;
}

export interface MetaRow {
  readonly id: FileId;
  readonly version: number;
  readonly attributes: Attributes;
}

export function infoOf(row: InfoRow): FileInfo {
  return Object.freeze({
    id: row.id,
    name: row.name,
    path: row.path,
    ...(row.path_bytes === null ? {} : { pathBytes: Buffer.from(row.path_bytes).toString('base64') }),
    size: row.size,
    mimeType: row.mime_type,
    ownerId: row.owner_id,
    ...(row.sha256 === null ? {} : { sha256: row.sha256 }),
    tags: Object.freeze(row.tags),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  });
}

/** Attributes are at most 64 KiB of JSON, which bounds the depth of this. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

export function metaOf(row: MetaRow): FileMeta {
  return Object.freeze({ id: row.id, version: row.version, attributes: deepFreeze(row.attributes) });
}
