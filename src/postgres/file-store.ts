import { randomUUID } from 'node:crypto';
import { ForebayError } from '../core/errors.ts';
import type { Attributes, FileId, FileInfo, FileMeta, FilePatch, NewFile } from '../files/records.ts';
import { LIMITS, checkAttributes, fileId, filePatchSchema, newFileSchema, parseInput } from '../files/records.ts';
import type { FileBulkStore, FileStore, StoreCall, WriteCondition } from '../files/store.ts';
import type { Database } from './database.ts';
import { createFileBulkStore } from './file-bulk-store.ts';
import type { InfoRow, MetaRow } from './file-rows.ts';
import { INFO_COLUMNS, infoOf, metaOf } from './file-rows.ts';

const LOAD_INFOS = `select ${INFO_COLUMNS} from forebay.file_info where id = any($1::uuid[])`;

const LOAD_METAS = `
  select id, coalesce(m.version, 0) as version, coalesce(m.attributes, '{}') as attributes
    from forebay.file_info left join forebay.file_meta m using (id)
   where id = any($1::uuid[])`;

const CREATE = `
  insert into forebay.file_info (id, name, path, path_bytes, size, mime_type, owner_id, sha256, tags)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text[])
  on conflict (id) do nothing
  returning ${INFO_COLUMNS}`;

/**
 * `seen` locks the row as it is now, waiting for a writer at work; so its version, the decision and the change are one step.
 * No row: no record. A row whose `id` is null: there is one, at another version.
 */
const UPDATE = `
  with seen as (
    select id as seen_id, version as seen_version from forebay.file_info where id = $1 for update
  ), changed as (
    update forebay.file_info f
       set name = coalesce($3, name),
           path = coalesce($4, path),
           path_bytes = case when $5 then $6::bytea else path_bytes end,
           size = coalesce($7::bigint, size),
           mime_type = coalesce($8, mime_type),
           owner_id = coalesce($9, owner_id),
           sha256 = case when $10 then $11::text else sha256 end,
           tags = coalesce($12::text[], tags),
           updated_at = now()
      from seen
     where f.id = seen_id and seen_version = coalesce($2::bigint, seen_version)
    returning ${INFO_COLUMNS}
  )
  select seen_version, changed.* from seen left join changed on id = seen_id`;

/** As `UPDATE`. */
const DELETE = `
  with seen as (
    select id as seen_id, version as seen_version from forebay.file_info where id = $1 for update
  ), deleted as (
    delete from forebay.file_info f
     using seen
     where f.id = seen_id and seen_version = coalesce($2::bigint, seen_version)
    returning ${INFO_COLUMNS}
  )
  select seen_version, deleted.* from seen left join deleted on id = seen_id`;

/** Version 0 stands for attributes that were never put. A row that another writer made since this statement began is seen by `on conflict` only. */
const PUT_META = `
  insert into forebay.file_meta as m (id, attributes)
  select id, $2::jsonb
    from forebay.file_info
   where id = $1
     and ($3::bigint is null or $3 = 0 or exists (select from forebay.file_meta where id = $1))
  on conflict (id) do update set attributes = excluded.attributes
   where m.version = coalesce($3, m.version)
  returning id, version, attributes`;

/** Tries of a conditional put whose condition came true only between its two statements. */
const PUT_TRIES = 3;

type Seen = { readonly seen_version: number } & (InfoRow | { readonly id: null });

function notFound(id: FileId): ForebayError {
  return new ForebayError('NOT_FOUND', `there is no file ${id}; create it, or index the folder that it lies in`, { field: 'id' });
}

function versionMismatch(id: FileId, expected: number | undefined, actual: number): ForebayError {
  return new ForebayError(
    'VERSION_MISMATCH',
    `file ${id} is at version ${actual}, not ${expected ?? '(none)'}; read it again and repeat the change`,
  );
}

/** The last part of a path; the path itself where it has only slashes. */
function lastPart(path: string): string {
  const name = /([^/]+)\/*$/.exec(path)?.[1] ?? path;
  if (name.length <= LIMITS.nameLength) return name;
  throw new ForebayError(
    'INPUT_INVALID',
    `"name": the last part of the path has ${name.length} characters, ${LIMITS.nameLength} are allowed`,
    {
      field: 'name',
    },
  );
}

const bytesOf = (base64: string | null | undefined): Buffer | null => (typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null);

class SqlFileStore implements FileStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async loadInfos(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, FileInfo>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#database.query<InfoRow>(LOAD_INFOS, [ids], call);
    return new Map(rows.map((row) => [row.id, infoOf(row)]));
  }

  async loadMetas(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, FileMeta>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#database.query<MetaRow>(LOAD_METAS, [ids], call);
    return new Map(rows.map((row) => [row.id, metaOf(row)]));
  }

  async create(input: NewFile): Promise<FileInfo> {
    const file = parseInput(newFileSchema, input);
    const id = file.id ?? fileId(randomUUID());
    const [row] = await this.#database.query<InfoRow>(CREATE, [
      id,
      file.name ?? lastPart(file.path),
      file.path,
      bytesOf(file.pathBytes),
      file.size,
      file.mimeType,
      file.ownerId,
      file.sha256 ?? null,
      file.tags,
    ]);
    if (row === undefined)
      throw new ForebayError('FILE_EXISTS', `there is a file ${id} already; update it, or leave the id out to have one drawn`, {
        field: 'id',
      });
    return infoOf(row);
  }

  async update(id: FileId, input: FilePatch, condition: WriteCondition = {}): Promise<FileInfo> {
    const patch = parseInput(filePatchSchema, input);
    const { path } = patch;
    const [seen] = await this.#database.query<Seen>(UPDATE, [
      fileId(id),
      condition.ifVersion ?? null,
      // A new path has a new last part, and new bytes if it has any.
      patch.name ?? (path === undefined ? null : lastPart(path)),
      path ?? null,
      path !== undefined || patch.pathBytes !== undefined,
      bytesOf(patch.pathBytes),
      patch.size ?? null,
      patch.mimeType ?? null,
      patch.ownerId ?? null,
      patch.sha256 !== undefined,
      patch.sha256 ?? null,
      patch.tags ?? null,
    ]);
    if (seen === undefined) throw notFound(id);
    if (seen.id === null) throw versionMismatch(id, condition.ifVersion, seen.seen_version);
    return infoOf(seen);
  }

  async delete(id: FileId, condition: WriteCondition = {}): Promise<FileInfo | null> {
    const [seen] = await this.#database.query<Seen>(DELETE, [fileId(id), condition.ifVersion ?? null]);
    if (seen === undefined) return null;
    if (seen.id === null) throw versionMismatch(id, condition.ifVersion, seen.seen_version);
    return infoOf(seen);
  }

  async putMeta(id: FileId, input: Attributes, condition: WriteCondition = {}): Promise<FileMeta> {
    const attributes = JSON.stringify(checkAttributes(input));
    for (let tries = 1; ; tries += 1) {
      const [row] = await this.#database.query<MetaRow>(PUT_META, [fileId(id), attributes, condition.ifVersion ?? null]);
      if (row !== undefined) return metaOf(row);
      const current = (await this.loadMetas([fileId(id)])).get(fileId(id));
      if (current === undefined) throw notFound(id);
      if (current.version !== condition.ifVersion || tries === PUT_TRIES) throw versionMismatch(id, condition.ifVersion, current.version);
    }
  }

  async ping(call?: StoreCall): Promise<void> {
    await this.#database.query('select 1', [], call);
  }
}

/** The source of truth on a database that was migrated. The caller keeps the database and closes it. */
export function createFileStore(database: Database): FileStore & FileBulkStore {
  const records = new SqlFileStore(database);
  const bulk = createFileBulkStore(database);
  return Object.freeze({
    loadInfos: records.loadInfos.bind(records),
    loadMetas: records.loadMetas.bind(records),
    create: records.create.bind(records),
    update: records.update.bind(records),
    delete: records.delete.bind(records),
    putMeta: records.putMeta.bind(records),
    ping: records.ping.bind(records),
    ...bulk,
  });
}
