import { Client } from 'pg';

/** Statements that took their time, in ms, of one kind. */
export interface Latencies {
  readonly reads: number[];
  readonly writes: number[];
}

export interface LoadOptions {
  readonly url: string;
  /** Ids are `md5(n)` for n from 1 to `rows`. */
  readonly table: string;
  readonly rows: number;
  readonly readers: number;
  readonly writers: number;
}

/** Readers and writers of single rows by id, without pauses, and a watch on the waits for table locks among them. */
export class Load implements AsyncDisposable {
  readonly #options: LoadOptions;
  readonly #clients: Client[] = [];
  readonly #running: Promise<void>[] = [];
  #latencies: Latencies = { reads: [], writes: [] };
  #longestWaitMs = 0;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { readers, writers, table, rows } = this.#options;
    const id = 'md5(ceil(random() * $1)::text)::uuid';
    const read = `select * from ${table} where id = ${id.replace('random()', '(select random())')}`;
    const write = `update ${table} set size = size + 1 where id = (select ${id})`;
    const kinds = [...Array.from({ length: readers }, () => 'reads' as const), ...Array.from({ length: writers }, () => 'writes' as const)];
    const connected = await Promise.all(kinds.map(async (kind) => ({ kind, client: await this.#connect() })));
    for (const { kind, client } of connected) this.#running.push(this.#repeat(client, kind === 'reads' ? read : write, [rows], kind));
    const watcher = await this.#connect();
    this.#running.push(this.#watch(watcher));
  }

  /** What was measured since the last call. */
  take(): Latencies & { readonly longestWaitMs: number } {
    const taken = { ...this.#latencies, longestWaitMs: this.#longestWaitMs };
    this.#latencies = { reads: [], writes: [] };
    this.#longestWaitMs = 0;
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#running);
    await Promise.all(this.#clients.map((client) => client.end()));
  }

  async #connect(): Promise<Client> {
    const client = new Client({ connectionString: this.#options.url, application_name: 'load' });
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  async #repeat(client: Client, text: string, values: unknown[], kind: keyof Latencies): Promise<void> {
    while (!this.#stopped) {
      const from = performance.now();
      await client.query({ name: kind, text, values });
      this.#latencies[kind].push(performance.now() - from);
    }
  }

  /** Latencies tell of the machine too; how long a statement waited for a table, the server itself says. */
  async #watch(client: Client): Promise<void> {
    const text = `select coalesce(extract(epoch from max(clock_timestamp() - l.waitstart)) * 1000, 0)::float8 as ms
                    from pg_locks l join pg_stat_activity a using (pid) where not l.granted and l.locktype = 'relation' and a.application_name = 'load'`;
    while (!this.#stopped) {
      const { rows } = await client.query<{ ms: number }>({ name: 'watch', text });
      this.#longestWaitMs = Math.max(this.#longestWaitMs, rows[0]?.ms ?? 0);
      await new Promise((resolve) => void setTimeout(resolve, 2));
    }
  }
}

/** Somebody who changes a row and keeps the transaction open, again and again; the change concerns nobody else. */
export async function withOpenTransactions<T>(url: string, table: string, openMs: number, work: () => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: 'open' });
  await client.connect();
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  const running = (async () => {
    while (!stop.signal.aborted) {
      await client.query('begin');
      await client.query(`update ${table} set size = size where id = md5('0')::uuid`);
      first.resolve();
      await new Promise((resolve) => void setTimeout(resolve, openMs));
      await client.query('commit');
      await new Promise((resolve) => void setTimeout(resolve, openMs / 4));
    }
  })();
  await first.promise;
  try {
    return await work();
  } finally {
    stop.abort();
    await running;
    await client.end();
  }
}
