import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type * as ForebayModule from '../../src/forebay.ts';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openDatabase } from '../../src/postgres/index.ts';
import { makeNewerVersion } from '../chaos/newer-version.ts';
import type { SourceCopy } from '../chaos/source-copy.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestRedis } from '../support/redis.ts';
import { startRedis } from '../support/redis.ts';

/** What it costs that two versions share a Redis, and what becomes of the older one when the database is migrated past it. That nothing is misread is played in test/chaos (rolling-upgrade). */

const KEYS = 50;
const PATIENT = { timeout: 20_000 };

let redis: TestRedis;
let postgres: TestPostgres;
let url: string;
let open: Forebay[];
let copies: SourceCopy[];
let made = 0;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
});
afterAll(() => Promise.all([redis.stop(), postgres.stop()]));
beforeEach(async () => {
  made += 1;
  url = await postgres.createDatabase(`versions_${made}`);
  open = [];
  copies = [];
});
afterEach(async () => {
  await Promise.all(open.map((forebay) => forebay.close()));
  for (const copy of copies) copy[Symbol.dispose]();
});

async function start(create: typeof createForebay, options: Partial<Parameters<typeof createForebay>[0]> = {}): Promise<Forebay> {
  const forebay = await create({
    database: url,
    redis: redis.url,
    keyPrefix: `${made}:`,
    warm: 'off',
    cache: { budgetMs: 5000 },
    ...options,
  });
  open.push(forebay);
  return forebay;
}

async function newerVersion(readsToday: boolean): Promise<typeof createForebay> {
  const copy = makeNewerVersion(new URL('../../src', import.meta.url).pathname, { readsToday });
  copies.push(copy);
  return ((await import(pathToFileURL(`${copy.source}/forebay.ts`).href)) as typeof ForebayModule).createForebay;
}

const file = (n: number) => ({ path: `/a/${n}`, size: n, mimeType: 'text/plain', ownerId: 'ann', tags: [] });

describe('entries of a version that the other cannot read', () => {
  /** Records that an instance which has only just started asks of the database when it reads all of them. */
  async function loadsOf(create: typeof createForebay, ids: readonly string[]): Promise<number> {
    const forebay = await start(create);
    // Redis is asked, and what it holds is judged: found, not found, or not to be read by this version.
    await vi.waitFor(async () => {
      const { remote } = await forebay.files.inspect(ids[0] ?? '');
      expect(remote.state === 'unavailable' ? remote.reason : 'damaged').toBe('damaged');
    }, PATIENT);
    const lookups = await Promise.all(ids.map((id) => forebay.files.lookup(id)));
    // Fills are not waited for by reads; a record that is read once more waits for none.
    await vi.waitFor(async () => {
      for (const id of ids) expect((await forebay.files.inspect(id)).remote.state).toBe('fresh');
    }, PATIENT);
    return lookups.filter(({ outcome }) => outcome === 'loaded').length;
  }

  test.each([
    ['reads those of today', true, [KEYS, 0, KEYS, 0, 0, 0]],
    ['does not', false, [KEYS, 0, KEYS, 0, KEYS, KEYS]],
  ])('are loaded once and replaced: by a newer version that %s', async (_, readsToday, expected) => {
    const newer = await newerVersion(readsToday);
    const writer = await start(newer);
    const ids: string[] = [];
    for (let n = 0; n < KEYS; n += 1) ids.push((await writer.files.create(file(n))).record.id);
    const loads: number[] = [];
    for (const create of [newer, newer, createForebay, createForebay, newer, createForebay]) loads.push(await loadsOf(create, ids));
    expect(loads).toEqual(expected);
  });
});

describe('a migration that older versions cannot work with', () => {
  test('leaves those that run without a proof: they read the database, and say why; none of them starts again', async () => {
    const errors: string[] = [];
    const logger = { ...silentLogger, error: (_: object, text: string) => void errors.push(text) };
    const older = await start(createForebay, { logger, maxStalenessMs: 200 });
    const { record } = await older.files.create(file(1));
    await vi.waitFor(async () => expect(await older.files.lookup(record.id)).toMatchObject({ outcome: 'hit' }), PATIENT);
    await using database = await openDatabase(url);
    await database.transaction(async (tx) => {
      await tx.exec(
        'alter function forebay.advance(integer) rename to advance_2; alter function forebay.look(pg_snapshot) rename to look_2',
      );
      await tx.exec("insert into forebay.migrations (number, name) select max(number) + 1, 'another-log.sql' from forebay.migrations");
      await tx.exec('update forebay.file_info set size = 2');
    });
    await vi.waitFor(
      async () => expect(await older.files.lookup(record.id)).toMatchObject({ outcome: 'loaded', value: { size: 2 } }),
      PATIENT,
    );
    await vi.waitFor(
      async () => expect((await older.readiness()).reasons).toEqual([expect.stringContaining('the caches are not used')]),
      PATIENT,
    );
    await database.exec('update forebay.file_info set size = 3');
    // What was loaded may be served for as long as the bound is, and no longer.
    await vi.waitFor(async () => expect(await older.files.get(record.id)).toMatchObject({ size: 3 }), PATIENT);
    expect(errors).toEqual([
      expect.stringMatching(/caches are not used: the log of changes is not as this version .* a newer one has migrated the database/),
    ]);
    await expect(start(createForebay)).rejects.toMatchObject({
      code: 'SCHEMA_NEWER',
      message: expect.stringContaining('run a version at least as new'),
    });
  });
});
