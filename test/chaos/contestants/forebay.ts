import type * as ForebayModule from '../../../src/forebay.ts';
import type * as DatabaseModule from '../../../src/postgres/database.ts';
import type * as MigrateModule from '../../../src/postgres/migrate.ts';
import { pathToFileURL } from 'node:url';
import type { ForebayOptions } from '../../../src/forebay-options.ts';
import type { Database, Queryable } from '../../../src/postgres/database.ts';
import type { Change, Contestant, ContestantOptions, Seen } from '../contestant.ts';
import { markOf, markText } from '../contestant.ts';

const MARK = /^[0-9a-f]{64}$/;
const CONNECTIONS = 10;

const marksIn = (params: readonly unknown[] = []): number[] =>
  params.filter((param): param is string => typeof param === 'string' && MARK.test(param)).map(markOf);

/** The database with a witness of every commit and a count of every record that was asked for. */
function watched(
  database: Database,
  { onCommit, slowLoad }: Pick<ContestantOptions, 'onCommit' | 'slowLoad'>,
  onLoad: (records: number) => void,
): Database {
  const recordsIn = (sql: string, params: readonly unknown[] = []): number =>
    sql.includes('any($1::uuid[])') && Array.isArray(params[0]) ? params[0].length : 0;
  return {
    kind: database.kind,
    description: database.description,
    query: async <Row extends object>(...[sql, params, call]: Parameters<Database['query']>) => {
      const records = recordsIn(sql, params);
      onLoad(records);
      const rows = await database.query<Row>(sql, params, call);
      if (records > 0) await slowLoad();
      const marks = marksIn(params);
      if (marks.length > 0) onCommit(marks);
      return rows;
    },
    exec: (sql) => database.exec(sql),
    transaction: async (work) => {
      const marks: number[] = [];
      const result = await database.transaction((tx) => {
        const inside: Queryable = {
          query: (sql, params, call) => {
            marks.push(...marksIn(params));
            return tx.query(sql, params, call);
          },
          exec: (sql) => tx.exec(sql),
        };
        return work(inside);
      });
      if (marks.length > 0) onCommit(marks);
      return result;
    },
    stats: () => database.stats(),
    lane: () => database.lane(),
    close: () => database.close(),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

/** Forebay itself, from any copy of its source. */
export async function open(options: ContestantOptions): Promise<Contestant> {
  const from = (file: string): string => pathToFileURL(`${options.source}/${file}`).href;
  const { createForebay } = (await import(from('forebay.ts'))) as typeof ForebayModule;
  const { openDatabase } = (await import(from('postgres/database.ts'))) as typeof DatabaseModule;
  const { migrate } = (await import(from('postgres/migrate.ts'))) as typeof MigrateModule;
  let loaded = 0;
  const plain = await openDatabase(options.databaseUrl, { maxConnections: CONNECTIONS, statementTimeoutMs: 10_000 });
  await migrate(plain);
  const database = watched(plain, options, (records) => (loaded += records));
  const settings: ForebayOptions = {
    database,
    redis: options.redisUrl,
    maxStalenessMs: options.boundMs,
    relay: options.relay,
    onFollowerStep: (step) => options.onRelayStep(step),
  };
  const forebay = await createForebay(settings);
  const { files } = forebay;
  return {
    read: async (id): Promise<Seen | null> => {
      const file = await files.get(id);
      return file === null ? null : { version: file.version, mark: markOf(file.sha256) };
    },
    write: async (change: Change): Promise<number> => {
      const { id, kind } = change;
      if (kind === 'delete') {
        const { existed } = await files.delete(id, { ifVersion: change.version });
        if (!existed) throw new Error(`there was no record ${id} to delete`);
        return change.version;
      }
      const sha256 = markText(change.mark);
      if (kind === 'update') return (await files.update(id, { sha256 })).version;
      const file = { id: id as never, path: `/chaos/${id}`, size: 1, mimeType: 'text/plain', ownerId: 'chaos', tags: [], sha256 };
      return (await files.create(file)).version;
    },
    rollBack: async (id, mark) => {
      const purpose = new Error('rolled back on purpose');
      await files
        .transaction(async (tx) => {
          await tx.update(id, { sha256: markText(mark) });
          // Inside, the change is seen; by others, and by the caches, it is not.
          await Promise.all([tx.get(id), files.get(id), files.get(id)]);
          throw purpose;
        })
        .catch((error: unknown) => {
          if (error !== purpose) throw error;
        });
    },
    invalidateTag: async (tag) => void (await files.invalidate({ tags: [tag] })),
    loaded: () => loaded,
    close: async () => {
      await forebay.close();
      await plain.close();
    },
  };
}
