/**
 * Several records changed together, with a statement of one's own in the same transaction.
 * Run it: `node examples/transaction.ts`. With servers of your own, give `postgres://…` and `redis://…` as arguments.
 */
import { randomUUID } from 'node:crypto';
import { createForebay } from '../src/index.ts';
import type { FileTransaction } from '../src/index.ts';

const [database = 'pglite:memory', redis = null] = process.argv.slice(2);
const forebay = await createForebay({ database, redis });
const { files } = forebay;

const owner = `ann-${randomUUID()}`;
const { record: draft } = await files.create({ path: '/drafts/q3.pdf', size: 48_213, ownerId: owner });
const { record: old } = await files.create({ path: '/reports/q3.pdf', size: 40_000, ownerId: owner });
await files.getMany([draft.id, old.id]); // Both are in the caches now.

/** Puts the draft in the place of the old report, if nobody changed it since it was read. */
async function publish(tx: FileTransaction): Promise<string[]> {
  await tx.delete(old.id);
  await tx.update(draft.id, { path: old.path }, { ifVersion: draft.version });
  await tx.meta.put(draft.id, { published: true });
  const rows = await tx.query<{ path: string }>('select path from forebay.file_info where owner_id = $1', [owner]);
  return rows.map(({ path }) => path);
}

const failed = files.transaction(async (tx) => {
  await publish(tx);
  throw new Error('changed my mind');
});
await failed.catch((error: unknown) => console.log('rolled back:', error instanceof Error ? error.message : error)); // changed my mind
console.log('draft:', (await files.get(draft.id))?.path, '· old one there:', (await files.get(old.id)) !== null); // /drafts/q3.pdf · true

const { value, invalidation } = await files.transaction(publish);
console.log('committed:', value.join(', '), '· caches:', invalidation); // /reports/q3.pdf · applied
console.log('draft:', (await files.get(draft.id))?.path, '· old one there:', (await files.get(old.id)) !== null); // /reports/q3.pdf · false
await forebay.close();
