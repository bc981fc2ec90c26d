import { ForebayError } from '../core/errors.ts';
import type { Isolation, StoreTransactionCall } from '../files/store.ts';
import type { Database, Queryable } from './database.ts';
import { asTransactionError } from './failures.ts';

const SET_ISOLATION: Readonly<Record<Isolation, string>> = Object.freeze({
  'read committed': 'set transaction isolation level read committed',
  'repeatable read': 'set transaction isolation level repeatable read',
  serializable: 'set transaction isolation level serializable',
});

/** Statements that would begin or end a transaction under the one that is open. `rollback to` a savepoint is none. */
const ENDS_TRANSACTION =
  /^\s*(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))\b/i;

/** What runs a transaction's statements, one after the other, until `end`. */
class Statements implements Pick<Queryable, 'query'> {
  /** The first statement that failed, as it was told. */
  failure: unknown;
  readonly #tx: Queryable;
  readonly #description: string;
  readonly #signal: AbortSignal | undefined;
  /** The driver takes a statement at a time. Settles when the last one that was given is done. */
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(tx: Queryable, description: string, signal: AbortSignal | undefined) {
    this.#tx = tx;
    this.#description = description;
    this.#signal = signal;
  }

  query<Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    const running = this.#last.then(() => this.#send<Row>(sql, params));
    this.#last = running.catch(() => {});
    return running;
  }

  readonly queryOfCaller = async <Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]> => {
    const found = ENDS_TRANSACTION.exec(sql);
    if (found !== null) {
      const what = `"${found[0].trim()}" in a transaction: it begins and ends by itself; return to commit, throw to roll back`;
      throw new ForebayError('INPUT_INVALID', what, { field: 'sql' });
    }
    return this.query<Row>(sql, params);
  };

  async #send<Row extends object>(sql: string, params: readonly unknown[] | undefined): Promise<Row[]> {
    if (this.#ended) throw new ForebayError('CLOSED', 'the transaction has ended; await all that is done in it before its work resolves');
    this.#signal?.throwIfAborted();
    try {
      return await this.#tx.query<Row>(sql, params);
    } catch (thrown) {
      const error = asTransactionError(thrown, this.#description);
      this.failure ??= error;
      throw error;
    }
  }

  /** Refuses statements from now on, and waits for the one under way. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last;
  }
}

/** Runs `work` on one connection, in one transaction; see `FileStore.transaction`. */
export async function runFileTransaction<T>(
  database: Database,
  work: (statements: Statements) => Promise<T>,
  { signal, isolation, onCommit }: StoreTransactionCall = {},
): Promise<T> {
  signal?.throwIfAborted();
  let statements: Statements | undefined;
  // What `work` threw, or the signal, is told as it is, whatever the database makes of it: it may look like an error of the driver, and be none.
  let thrownInside: { readonly error: unknown } | undefined;
  try {
    return await database.transaction(
      async (tx) => {
        statements = new Statements(tx, database.description, signal);
        if (isolation !== undefined) await statements.query(SET_ISOLATION[isolation]);
        let value: T;
        try {
          value = await work(statements);
          await statements.end();
          signal?.throwIfAborted();
        } catch (error) {
          thrownInside = { error };
          throw error;
        } finally {
          await statements.end();
        }
        onCommit?.();
        return value;
      },
      signal === undefined ? {} : { signal },
    );
  } catch (thrown) {
    if (thrownInside !== undefined) throw thrownInside.error;
    throw endingError(asTransactionError(thrown, database.description), statements?.failure);
  }
}

/** Why a transaction whose `work` had nothing against it was not committed: because of the statement whose failure `work` ignored, if there was one. */
function endingError(error: unknown, failure: unknown): unknown {
  if (!(error instanceof ForebayError && error.code === 'STATEMENT_REFUSED' && failure instanceof ForebayError)) return error;
  return new ForebayError(
    failure.code,
    `the transaction was rolled back: a statement in it failed, and its error was ignored (${failure.message})`,
    {
      cause: failure,
    },
  );
}
