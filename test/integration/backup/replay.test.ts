import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileId } from '../../../src/files/records.ts';
import type { Forebay } from '../../../src/forebay.ts';
import { createForebay } from '../../../src/forebay.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { openDatabase } from '../../../src/postgres/database.ts';
import { createFileStore } from '../../../src/postgres/file-store.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { startCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';
import { startRedis } from '../../support/redis.ts';

/** Requests for product pages, recorded: at 100 a second it takes five minutes to get to the end of what is read before. */
const TRACE = gunzipSync(readFileSync(new URL('../../support/traces/web12.trace.gz', import.meta.url)));
const BEFORE = 20_000;
const MINUTE = 6_000;
const AT_ONCE = 100;
const BOUND_MS = 1000;

const keys = Array.from({ length: BEFORE + MINUTE }, (_, i) => TRACE.readInt32BE(i * 4));
const idOf = (key: number): string => `00000000-0000-4000-8000-${String(key >>> 0).padStart(12, '0')}`;
const before = keys.slice(0, BEFORE).map(idOf);
const minute = keys.slice(BEFORE).map(idOf);
const records = [...new Set([...before, ...minute])];

const SERVERS = { 'one server': startRedis, 'a Cluster': startCluster };
type Servers = Awaited<ReturnType<(typeof SERVERS)[keyof typeof SERVERS]>>;

let postgres: TestPostgres;
let database: Database;
beforeAll(async () => {
  postgres = await startPostgres();
  database = await openDatabase(postgres.url);
  await migrate(database);
  await database.query(
    `insert into forebay.file_info (id, name, path, size, mime_type, owner_id, updated_at)
     select id::uuid, 'first', '/shop/' || id, 1, 'text/html', 'ann', now() - interval '1 year' from unnest($1::text[]) as g (id)`,
    [records],
  );
});
afterAll(async () => {
  await database.close();
  await postgres.stop();
});

/** A process that was just started: nothing in its memory, and Redis is believed. */
async function open({ url }: Servers): Promise<Forebay> {
  const forebay = await createForebay({ database, redis: url, warm: 'off', cache: { budgetMs: 5000, maxEntries: 500 } });
  await eventually(async () => {
    await forebay.files.get(records[0] as string);
    expect((await forebay.files.inspect(records[0] as string)).remote.state).toBe('fresh');
  });
  return forebay;
}

/** Share of these reads that a tier answered, and how many were older than the database was when all had been committed for longer than the bound. */
async function replay({ files }: Forebay, ids: readonly string[]): Promise<{ ratio: number; stale: number }> {
  const store = createFileStore(database);
  let hits = 0;
  let stale = 0;
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const asked = ids.slice(at, at + AT_ONCE);
    const truth = await store.loadInfos(asked.map(fileId));
    for (const [i, lookup] of (await files.lookupMany(asked)).entries()) {
      if (lookup.outcome === 'unavailable') throw lookup.error;
      if (lookup.outcome === 'hit') hits += 1;
      const { version = 0, name = '' } = truth.get(fileId(asked[i] as string)) ?? {};
      const isTrue = lookup.outcome !== 'absent' && lookup.version >= version && lookup.value.name === name;
      if (!isTrue) stale += 1;
    }
  }
  return { ratio: hits / ids.length, stale };
}

async function taken(forebay: Forebay): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of forebay.backup()) pieces.push(piece);
  return pieces;
}

async function* given(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function flushed(servers: Servers): Promise<void> {
  for (const port of 'primaries' in servers ? servers.primaries : [servers.port]) {
    const admin = new Redis({ port, host: '127.0.0.1' });
    await admin.flushall();
    admin.disconnect();
  }
}

/** Every tenth record gets another name, as by psql: the hot ones too. */
const change = (name: string, of = 0): Promise<unknown> =>
  database.query('update forebay.file_info set name = $1 where id = any($2::uuid[])', [name, records.filter((_, i) => i % 10 === of)]);

describe.each([
  ['one server', 'one server'],
  ['one server', 'a Cluster'],
  ['a Cluster', 'one server'],
] as const)('a backup of %s, restored into %s', (from, to) => {
  test('gives the first minute 95 % of the steady hit ratio, and no stale read though a tenth of the records changed before it and a tenth in it', async () => {
    await using source = await SERVERS[from]();
    const steady = await (async () => {
      await using one = await open(source);
      await replay(one, before);
      const pieces = await taken(one);
      const { ratio } = await replay(one, minute);
      return { pieces, ratio };
    })();
    await change(`changed before ${to} ${from}`);
    await using target = from === to ? source : await SERVERS[to]();
    await flushed(target);

    // Without it the same minute is another one.
    const cold = await (async () => {
      await using one = await open(target);
      return await replay(one, minute);
    })();
    expect(cold.ratio).toBeLessThan(0.8 * steady.ratio);
    await flushed(target);

    await using one = await open(target);
    const changes: Promise<unknown>[] = [];
    const report = await one.restore(given(steady.pieces), {
      fast: true,
      onProgress: () => {
        if (changes.length === 0) changes.push(change(`changed meanwhile ${to} ${from}`, 1));
      },
    });
    await Promise.all(changes);
    const committedAt = performance.now();
    expect(report).toMatchObject({ failed: 0, sameHistory: true });
    expect(report.loaded).toBeGreaterThan(report.entries / 20);
    expect(report.restored).toBeGreaterThan(report.entries / 2);
    await using reader = await open(target);
    await eventually(async () => expect(performance.now() - committedAt).toBeGreaterThan(BOUND_MS));
    const warm = await replay(reader, minute);
    console.log(
      `${from} to ${to}: hit ratio ${steady.ratio.toFixed(4)} steady, ${cold.ratio.toFixed(4)} without a restore, ${warm.ratio.toFixed(4)} after it; ${JSON.stringify(report)}`,
    );
    expect([warm.stale, (await replay(one, records)).stale]).toEqual([0, 0]);
    expect(warm.ratio).toBeGreaterThan(0.95 * steady.ratio);
  });
});
