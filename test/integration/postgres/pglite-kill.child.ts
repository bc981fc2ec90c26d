// Writes records one after the other, saying the id of each when the store acknowledged it, until it is killed.
import { createFileStore, migrate, openDatabase } from '../../../src/postgres/index.ts';

const database = await openDatabase(`pglite:${process.argv[2] ?? ''}`);
await migrate(database);
const store = createFileStore(database);
for (let size = 0; ; size += 1) {
  const { id } = await store.create({ path: `/written/${size}`, size, ownerId: 'child' });
  await store.putMeta(id, { size });
  process.stdout.write(`${id}\n`);
}
