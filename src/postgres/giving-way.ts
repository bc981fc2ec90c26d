import type { Database, Queryable } from './database.ts';
import { asTransactionError, gaveWay } from './failures.ts';

const TRIES = 5;

/**
 * Statements that are transactions of their own, run again when the database let another one through instead: it had locked the same rows in another order. Nothing was written then.
 * @throws {ForebayError} `TRANSACTION_CONFLICT` after five tries
 */
export function givingWay(database: Database): Pick<Queryable, 'query'> {
  return {
    query: async <Row extends object>(...statement: Parameters<Queryable['query']>): Promise<Row[]> => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await database.query<Row>(...statement);
        } catch (thrown) {
          if (!gaveWay(thrown)) throw thrown;
          if (tries === TRIES) throw asTransactionError(thrown, database.description);
        }
      }
    },
  };
}
