/** Writes for `writers.ts` where there is no pgbench, until it is ended. Its argument: `WriterOptions` in JSON. */
import { createHash, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { WriterOptions } from './writers.ts';

const { url, clients, rows, rate } = JSON.parse(process.argv[2] ?? '{}') as WriterOptions;
const UPDATE = 'update forebay.file_info set size = size % 1000000 + 1 where id = $1';

const connections = await Promise.all(
  Array.from({ length: clients }, async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    return client;
  }),
);
const startedAt = performance.now();
let writes = 0;

async function write(client: Client): Promise<never> {
  for (;;) {
    const early = rate === undefined ? 0 : startedAt + (writes / rate) * 1_000 - performance.now();
    if (early > 0) {
      await sleep(early);
      continue;
    }
    writes += 1;
    const hash = createHash('md5').update(String(randomInt(1, rows + 1)));
    await client.query({ name: 'write', text: UPDATE, values: [hash.digest('hex')] });
  }
}

await Promise.all(connections.map(write));
