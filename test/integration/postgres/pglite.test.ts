import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { fileId } from '../../../src/files/records.ts';
import { createFileStore, migrate, openDatabase } from '../../../src/postgres/index.ts';
import { tempDir } from '../../support/temp.ts';

const CHILD = fileURLToPath(new URL('pglite-kill.child.ts', import.meta.url));

/** Runs the writing child until it acknowledged `count` records, kills it, and gives all that it acknowledged by then. */
async function writeAndKill(folder: string, count: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === count) child.kill('SIGKILL');
  }
  expect(await exit).toEqual([null, 'SIGKILL']);
  // The last line may have been cut off in the pipe.
  return acknowledged.filter((line) => line.length === 36);
}

describe('a database in a folder (PGlite)', () => {
  it('has every acknowledged record after SIGKILL, twice over, and goes on', async () => {
    await using dir = await tempDir();
    const folder = path.join(dir.path, 'made', 'on', 'the', 'way');
    const ids = [...(await writeAndKill(folder, 150)), ...(await writeAndKill(folder, 300))].map(fileId);
    expect(ids.length).toBeGreaterThanOrEqual(450);
    await using database = await openDatabase(`pglite:${folder}`);
    const store = createFileStore(database);
    const infos = await store.loadInfos(ids);
    const metas = await store.loadMetas(ids);
    for (const id of ids) expect(metas.get(id)?.attributes).toEqual({ size: infos.get(id)?.size ?? 'lost' });
    expect(await store.create({ path: '/after', size: 1, ownerId: 'me' })).toMatchObject({ path: '/after' });
  });

  it('keeps its log and dead rows from growing without bound, which nothing else does in PGlite', async () => {
    await using dir = await tempDir();
    await using database = await openDatabase(`pglite:${dir.path}`);
    await migrate(database);
    await database.exec(`
      insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
      select gen_random_uuid(), repeat('n', 200), '/' || n, n, 'm', 'o' from generate_series(1, 10000) n`);
    for (let round = 0; round < 12; round += 1) await database.exec('update forebay.file_info set size = size + 1');
    const dead = async (): Promise<number> =>
      (await database.query<{ n: number }>(`select n_dead_tup as n from pg_stat_user_tables where relname = 'file_info'`))[0]?.n ?? 0;
    const log = async (): Promise<number> =>
      (await database.query<{ n: number }>('select (pg_current_wal_lsn() - redo_lsn)::bigint as n from pg_control_checkpoint()'))[0]?.n ??
      0;
    expect(await dead()).toBeGreaterThan(50_000);
    expect(await log()).toBeGreaterThan(64 * 1024 * 1024);
    await vi.waitUntil(async () => (await dead()) < 1_000 && (await log()) < 64 * 1024 * 1024, { timeout: 30_000, interval: 1 });
  });

  it('says which folder it cannot use', async () => {
    await using dir = await tempDir();
    const file = path.join(dir.path, 'a-file');
    writeFileSync(file, 'not a folder');
    await expect(openDatabase(`pglite:${file}`)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining(file),
    });
    expect(readdirSync(dir.path)).toEqual(['a-file']);
  });

  it('rolls back a transaction whose work fails, serves others after it, and reports CLOSED once closed', async () => {
    const database = await openDatabase('pglite:memory');
    await database.exec('create table t (n integer)');
    const failing = database.transaction(async (tx) => {
      await tx.query('insert into t values (1)');
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await database.query('select * from t')).toEqual([]);
    expect(database.stats()).toEqual({ total: 1, idle: 1, limit: 1, waiting: 0 });
    await Promise.all([database.close(), database.close()]);
    await expect(database.query('select 1')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
