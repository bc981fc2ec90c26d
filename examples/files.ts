/**
 * Forebay as a library: file records in a Postgres inside this process, without Redis.
 * Run it: `node examples/files.ts`. With servers of your own, give `postgres://…` and `redis://…` as arguments.
 */
import { createForebay } from '../src/index.ts';

const [database = 'pglite:memory', redis = null] = process.argv.slice(2);
const forebay = await createForebay({ database, redis });
const { files } = forebay;

const { record } = await files.create({
  path: '/reports/2026/q3.pdf',
  size: 48_213,
  mimeType: 'application/pdf',
  ownerId: 'ann',
  tags: ['finance'],
});
console.log('first read:', (await files.lookup(record.id)).outcome); // loaded
console.log('second read:', (await files.lookup(record.id)).outcome); // hit

const written = await files.update(record.id, { tags: ['finance', 'final'] }, { ifVersion: record.version });
console.log('version grew:', written.version > record.version, '· caches:', written.invalidation); // true · applied
console.log('own write, read at once:', (await files.get(record.id))?.tags.join(', ')); // final, finance

await files.meta.put(record.id, { pages: 12 });
console.log('attributes:', JSON.stringify((await files.meta.get(record.id))?.attributes)); // {"pages":12}

await files.invalidate({ tags: ['owner:ann'] });
console.log('after its tag was invalidated:', (await files.lookup(record.id)).outcome); // loaded
await forebay.close();
