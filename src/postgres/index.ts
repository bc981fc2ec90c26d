/** The source of truth: Postgres, or Postgres inside this process (PGlite). Drivers are loaded when a URL asks for them. */
export type { Database, DatabaseOptions, PoolStats, Queryable, QueryCall } from './database.ts';
export { openDatabase } from './database.ts';
export { createFileStore } from './file-store.ts';
export { migrate } from './migrate.ts';
export type {
  BulkOutcome,
  FileBulkStore,
  FileStore,
  IndexedFile,
  PathCursor,
  PathEntry,
  StoreCall,
  WriteCondition,
} from '../files/store.ts';
