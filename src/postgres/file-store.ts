import { randomUUID } from 'node:crypto';
import { ForebayError } from '../core/errors.ts';
import type { Attributes, FileId, FileInfo, FileMeta, FilePatch, NewFile } from '../files/records.ts';
import { LIMITS, checkAttributes, fileId, filePatchSchema, newFileSchema, parseInput } from '../files/records.ts';
import type {
  FileBulkStore,
  FileRecords,
  FileStore,
  FileStoreTransaction,
  StoreCall,
  StoreTransactionCall,
  WriteCondition,
} from '../files/store.ts';
import type { Database, Queryable } from './database.ts';
import { createFileBulkStore } from './file-bulk-store.ts';
import type { InfoRow, MetaRow } from './file-rows.ts';
import { INFO_COLUMNS, infoOf, metaOf } from './file-rows.ts';
import { runFileTransaction } from './file-transaction.ts';
import { givingWay } from './giving-way.ts';

const LOAD_INFOS = `select ${INFO_COLUMNS} from forebay.file_info where id = any($1::uuid[])`;

const LOAD_METAS = `
  select id, coalesce(m.version, 0) as version, coalesce(m.attributes, '{}') as attributes
    from forebay.file_info left join forebay.file_meta m using (id)
   where id = any($1::uuid[])`;

const INFO_VERSIONS = 'select id, version from forebay.file_info where id = any($1::uuid[])';

const META_VERSIONS = `
  select id, coalesce(m.version, 0) as version
    from forebay.file_info left join forebay.file_meta m using (id)
   where id = any($1::uuid[])`;

/**
 * `taken` waits for a writer at work on a row of this id, before the version is drawn: if that one changes and then deletes the row, the new record's version is greater than all of the old one's.
 * (It costs 4 us of 45.) `on conflict` is for a row that another writer made since this statement began. One order of events is left in which the version is smaller: this statement draws it, another
 * transaction makes a record of the same id, changes it and deletes it, and only then this one comes to its insert.
 */
const CREATE = `
  with taken as materialized (
    select from forebay.file_info where id = $1 for no key update
  )
  insert into forebay.file_info (id, name, path, path_bytes, size, mime_type, owner_id, sha256, tags)
  select $1::uuid, $2::text, $3::text, $4::bytea, $5::bigint, $6::text, $7::text, $8::text, $9::text[]
   where not exists (select from taken)
  on conflict (id) do nothing
  returning ${INFO_COLUMNS}`;

/**
 * `seen` locks the row as it is now, waiting for a writer at work; so its version, the decision and the change are one step. It is the lock that the update takes: a put of the file's attributes goes on beside it.
 * No row: no record. A row whose `id` is null: there is one, at another version. The time is the statement's own: that of its transaction's beginning may lie before changes that it waited for.
 */
const UPDATE = `
  with seen as (
    select id as seen_id, version as seen_version from forebay.file_info where id = $1 for no key update
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
           updated_at = statement_timestamp()
      from seen
     where f.id = seen_id and seen_version = coalesce($2::bigint, seen_version)
    returning ${INFO_COLUMNS}
  )
  select seen_version, changed.* from seen left join changed on id = seen_id`;

/** As `UPDATE`, with the lock of a deletion. */
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

/**
 * Version 0 stands for attributes that were never put. A row that another writer made since this statement began is seen by `on conflict` only. The lock waits for a writer that deletes the file at this
 * moment: there is then no file, where the foreign key would give an error that ends a whole transaction.
 */
const PUT_META = `
  insert into forebay.file_meta as m (id, attributes)
  select id, $2::jsonb
    from forebay.file_info
   where id = $1
     and ($3::bigint is null or $3 = 0 or exists (select from forebay.file_meta where id = $1))
     for key share
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

/** Records through whatever runs SQL: the database, or one transaction. */
class SqlFileRecords implements FileRecords {
  readonly #sql: Pick<Queryable, 'query'>;

  constructor(sql: Pick<Queryable, 'query'>) {
    this.#sql = sql;
  }

  async loadInfos(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, FileInfo>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#sql.query<InfoRow>(LOAD_INFOS, [ids], call);
    return new Map(rows.map((row) => [row.id, infoOf(row)]));
  }

  async loadMetas(ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, FileMeta>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#sql.query<MetaRow>(LOAD_METAS, [ids], call);
    return new Map(rows.map((row) => [row.id, metaOf(row)]));
  }

  async create(input: NewFile): Promise<FileInfo> {
    const file = parseInput(newFileSchema, input);
    const id = file.id ?? fileId(randomUUID());
    const [row] = await this.#sql.query<InfoRow>(CREATE, [
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
    const [seen] = await this.#sql.query<Seen>(UPDATE, [
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
    const [seen] = await this.#sql.query<Seen>(DELETE, [fileId(id), condition.ifVersion ?? null]);
    if (seen === undefined) return null;
    if (seen.id === null) throw versionMismatch(id, condition.ifVersion, seen.seen_version);
    return infoOf(seen);
  }

  async putMeta(id: FileId, input: Attributes, condition: WriteCondition = {}): Promise<FileMeta> {
    const attributes = JSON.stringify(checkAttributes(input));
    for (let tries = 1; ; tries += 1) {
      const [row] = await this.#sql.query<MetaRow>(PUT_META, [fileId(id), attributes, condition.ifVersion ?? null]);
      if (row !== undefined) return metaOf(row);
      const current = (await this.loadMetas([fileId(id)])).get(fileId(id));
      if (current === undefined) throw notFound(id);
      if (current.version !== condition.ifVersion || tries === PUT_TRIES) throw versionMismatch(id, condition.ifVersion, current.version);
    }
  }
}

/** The source of truth on a database that was migrated. The caller keeps the database and closes it. */
export function createFileStore(database: Database): FileStore & FileBulkStore {
  return Object.freeze({
    ...recordsOn(givingWay(database)),
    transaction: <T>(work: (tx: FileStoreTransaction) => Promise<T>, call?: StoreTransactionCall) =>
      runFileTransaction(database, (tx) => work({ ...recordsOn(tx), query: tx.queryOfCaller }), call),
    infoVersions: (ids: readonly FileId[], call?: StoreCall) => versionsOf(database, INFO_VERSIONS, ids, call),
    metaVersions: (ids: readonly FileId[], call?: StoreCall) => versionsOf(database, META_VERSIONS, ids, call),
    ping: async (call?: StoreCall) => void (await database.query('select 1', [], call)),
    ...createFileBulkStore(database),
  });
}

async function versionsOf(database: Database, sql: string, ids: readonly FileId[], call?: StoreCall): Promise<Map<FileId, number>> {
  const rows = await database.query<{ id: FileId; version: number }>(sql, [ids], call);
  return new Map(rows.map(({ id, version }) => [id, version]));
}

function recordsOn(sql: Pick<Queryable, 'query'>): FileRecords {
  const records = new SqlFileRecords(sql);
  return {
    loadInfos: records.loadInfos.bind(records),
    loadMetas: records.loadMetas.bind(records),
    create: records.create.bind(records),
    update: records.update.bind(records),
    delete: records.delete.bind(records),
    putMeta: records.putMeta.bind(records),
  };
}
