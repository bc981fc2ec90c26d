import type { Database, Row } from './database.ts';
import type { Lag } from './program.ts';

type Loaded = ReadonlyMap<string, Row | null>;

interface Query {
  readonly keys: readonly string[];
  readonly resolve: (rows: Loaded) => void;
  readonly reject: (error: Error) => void;
  /** What the database said; `null` while the query has not reached it. */
  rows: Loaded | null;
}

/** What a process asks the database: each question reaches it at one scheduled moment and is answered at another, in any order among them. */
export interface ScheduledQueries {
  readonly pending: number;
  /** The next so many replies are errors. */
  failures: number;
  /** What can happen next to a query. */
  next(at: number): Lag['part'];
  /** Takes a query one moment further. */
  step(at: number): void;
}

/** A process's loads. */
export class ScheduledSource implements ScheduledQueries {
  readonly #database: Database;
  readonly #queries: Query[] = [];
  failures = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  readonly loadMany = (keys: readonly string[]): Promise<Loaded> =>
    new Promise((resolve, reject) => {
      this.#queries.push({ keys, resolve, reject, rows: null });
    });

  get pending(): number {
    return this.#queries.length;
  }

  next(at: number): 'query' | 'reply' {
    return this.#queries[at]?.rows === null ? 'query' : 'reply';
  }

  step(at: number): void {
    const query = this.#queries[at];
    if (query === undefined) return;
    if (query.rows === null) {
      query.rows = new Map(query.keys.map((key) => [key, this.#database.read(key)]));
      return;
    }
    this.#queries.splice(at, 1);
    if (this.failures === 0) query.resolve(query.rows);
    else {
      this.failures -= 1;
      query.reject(new Error('the database failed'));
    }
  }
}
