/** The source of truth: Postgres, or Postgres inside this process (PGlite). Drivers are loaded when a URL asks for them. */
export type { Database, DatabaseOptions, PoolStats, Queryable, QueryCall } from './database.ts';
export { openDatabase } from './database.ts';
export type { AttachedTable } from './attached.ts';
export { listAttached } from './attached.ts';
export type { AttachOptions, AttachReport } from './attach.ts';
export { attachTable, planAttach } from './attach.ts';
export type { DetachOptions, DetachReport } from './detach.ts';
export { detachTable, planDetach } from './detach.ts';
export type { TableRow, TableSourceOptions } from './table-source.ts';
export { tableSource } from './table-source.ts';
export { createFileStore } from './file-store.ts';
export { migrate } from './migrate.ts';
export type {
  BulkOutcome,
  FileBulkStore,
  FileRecords,
  FileStore,
  FileStoreTransaction,
  IndexedFile,
  Isolation,
  PathCursor,
  PathEntry,
  StoreCall,
  StoreTransactionCall,
  WriteCondition,
} from '../files/store.ts';
