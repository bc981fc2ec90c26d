import type * as DatabaseModule from '../../src/postgres/database.ts';
import type * as MigrateModule from '../../src/postgres/migrate.ts';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { markText } from './contestant.ts';
import { idOf, markFor, tagOf } from './protocol.ts';

const TEMPLATE = 'chaos_template';

/** A Postgres for the runs of one lane: each gets a database of its own, with the same records to begin with. */
export class Databases implements AsyncDisposable {
  readonly #server: TestPostgres;
  #made = 0;

  private constructor(server: TestPostgres) {
    this.#server = server;
  }

  static async start(source: string, keys: number): Promise<Databases> {
    const server = await startPostgres({ args: ['-c', 'max_connections=200'] });
    const url = await server.createDatabase(TEMPLATE);
    const from = (file: string): string => pathToFileURL(`${source}/postgres/${file}`).href;
    const { openDatabase } = (await import(from('database.ts'))) as typeof DatabaseModule;
    const { migrate } = (await import(from('migrate.ts'))) as typeof MigrateModule;
    const database = await openDatabase(url);
    await migrate(database);
    await database.close();
    const client = new Client({ connectionString: url });
    await client.connect();
    for (let key = 0; key < keys; key += 1) {
      await client.query(
        `insert into forebay.file_info (id, name, path, size, mime_type, owner_id, sha256, tags)
         values ($1, 'chaos', $2, 1, 'text/plain', 'chaos', $3, array[$4])`,
        [idOf(key), `/chaos/${key}`, markText(markFor(0, key)), tagOf(key)],
      );
    }
    await client.end();
    return new Databases(server);
  }

  get port(): number {
    return this.#server.port;
  }

  /** A fresh copy, by its URL past all proxies. */
  make(): Promise<string> {
    this.#made += 1;
    return this.#server.createDatabase(`chaos_${this.#made}`, TEMPLATE);
  }

  async drop(url: string): Promise<void> {
    const client = new Client({ connectionString: this.#server.url });
    await client.connect();
    await client.query(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
    await client.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.stop();
  }
}
