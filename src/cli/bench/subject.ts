import type { BenchRecords } from '../../files/bench-records.ts';
import type { ReadAnswer } from './tally.ts';

/** Loads of the database that were counted since a process began. */
export interface LoadCounts {
  readonly calls: number;
  readonly keys: number;
  /** Time that they took together. */
  readonly ms: number;
}

/** What the server of the database counted for all who use this database. */
export interface ServerCounts {
  readonly transactions: number;
  readonly rowsRead: number;
  /** Time spent on statements, of all connections together; `null` before Postgres 14. */
  readonly activeMs: number | null;
}

/** What is measured: the library in this process, or a service over HTTP. */
export interface Subject {
  readonly kind: 'library' | 'http';
  /** For people: which database and Redis, or which service. */
  readonly description: string;
  /** No read gives what is older than this, in ms. */
  readonly boundMs: number;
  readonly records: BenchRecords;
  /** Never rejects. */
  read(ids: readonly string[]): Promise<ReadAnswer>;
  /** Writes into a record, and resolves to its new version. @throws what went wrong */
  write(id: string, size: number): Promise<number>;
  /** Makes a new version of a record without changing what it says; resolves to that version. @throws what went wrong, `VERSION_MISMATCH` when another one wrote to it meanwhile */
  touch(id: string): Promise<number>;
  loads(): Promise<LoadCounts | null>;
  /** `null` where it cannot be asked. */
  server(): Promise<ServerCounts | null>;
}
