import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import { openDatabase } from '../../src/postgres/index.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

/** A database that has forgotten what it acknowledged, and whose new commits have reached the old numbers before anyone looked: nothing tells the caches, so an operator does (docs/operations.md). */

let redis: TestRedis;
let postgres: TestPostgres;
beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
});
afterAll(() => Promise.all([redis.stop(), postgres.stop()]));

/** Wide, so that a machine that is slow for a moment leaves the caches in use. */
const BOUND_MS = 10_000;
const PATIENT = { timeout: 20_000 };

test.each<[string, string, (one: Forebay, sql: (text: string) => Promise<void>) => Promise<unknown>]>([
  ['a new epoch', 'epoch', (_, sql) => sql('update forebay.sequencer set epoch = left(md5(random()::text), 16)')],
  ['forebay invalidate --all', 'everything', (one) => one.files.invalidate({ all: true })],
])(
  'after %s every cache has what the restored database has, and records get versions that nobody was ever given',
  async (_, name, tell) => {
    const url = await postgres.createDatabase(name);
    const options = { database: url, redis: redis.url, keyPrefix: `${name}:`, maxStalenessMs: BOUND_MS, cache: { budgetMs: 5000 } };
    await using one = await createForebay(options);
    await using two = await createForebay(options);
    await using admin = await openDatabase(url, { maxConnections: 1 });
    const { record: first } = await one.files.create({ path: '/a', size: 1, mimeType: 'text/plain', ownerId: 'ann', tags: [] });
    const lost = await one.files.update(first.id, { tags: ['lost'] });
    for (const forebay of [one, two])
      await vi.waitFor(
        async () => expect(await forebay.files.lookup(first.id)).toMatchObject({ outcome: 'hit', version: lost.version }),
        PATIENT,
      );
    // As the restored database has it: the row of before, and the sequence of versions too.
    await admin.exec(`
    set session_replication_role = replica;
    update forebay.file_info set tags = '{}', version = ${first.version}, updated_at = '${first.updatedAt}';
    select setval('forebay.version', ${first.version});
    set session_replication_role = origin`);
    await vi.waitFor(async () => expect((await two.readiness()).stalenessMs).toBeLessThan(BOUND_MS), PATIENT);
    expect(await two.files.get(first.id)).toMatchObject({ tags: ['lost'] });

    await admin.exec(`select setval('forebay.version', nextval('forebay.version') + 1000000)`);
    await tell(one, (text) => admin.exec(text));
    for (const forebay of [one, two]) await vi.waitFor(async () => expect(await forebay.files.get(first.id)).toEqual(first), PATIENT);
    await using third = await createForebay(options);
    expect(await third.files.get(first.id)).toEqual(first);
    const { version } = await one.files.update(first.id, { tags: ['new'] });
    expect(version).toBeGreaterThan(lost.version);
    expect(await one.files.get(first.id)).toMatchObject({ version, tags: ['new'] });
  },
);
