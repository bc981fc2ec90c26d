import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ForebayError } from '../../../src/core/errors.ts';
import { openDatabase } from '../../../src/postgres/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { freePort } from '../../support/redis.ts';

describe('a database on a Postgres server', () => {
  let server: TestPostgres;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase('work');
  });
  afterAll(() => server.stop());

  const running = async (text: string): Promise<number> => {
    await using watcher = await openDatabase(url);
    const sql = `select pid from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()`;
    return (await watcher.query(sql, [`%${text}%`])).length;
  };

  it('opens while the server is down, says where it looked without the password, and works once the server is there', async () => {
    await using database = await openDatabase(url, { connectTimeoutMs: 2_000 });
    await server.crash();
    const failure: unknown = await database.query('select 1').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ForebayError);
    expect(failure).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining(`"work" on 127.0.0.1:${server.port}`) });
    expect((failure as Error).message).not.toContain('secret');
    await server.start();
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('gives up on an address where nobody accepts within the time to connect', async () => {
    await using database = await openDatabase(`postgres://u:secret@127.0.0.1:${await freePort()}/none`, { connectTimeoutMs: 500 });
    await expect(database.query('select 1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });

  it('names a database that does not exist and what to do about it', async () => {
    await using database = await openDatabase(url.replace('/work', '/nowhere'));
    await expect(database.query('select 1')).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(/"nowhere".*create the database/),
    });
  });

  it('stops a statement on the server when its caller leaves', async () => {
    await using database = await openDatabase(url);
    const leaving = new AbortController();
    const reason = new Error('the caller left');
    const answer = expect(database.query('select pg_sleep(30) /* left */', [], { signal: leaving.signal })).rejects.toBe(reason);
    await vi.waitUntil(async () => (await running('/* left */')) === 1);
    leaving.abort(reason);
    await answer;
    await vi.waitUntil(async () => (await running('/* left */')) === 0);
    expect(await database.query('select 2 as two')).toEqual([{ two: 2 }]);
  });

  it('lets a caller leave the queue for a connection', async () => {
    await using database = await openDatabase(url, { maxConnections: 1 });
    const held = Promise.withResolvers<void>();
    const holder = database.transaction(() => held.promise);
    const leaving = new AbortController();
    const waiting = expect(database.query('select 1', [], { signal: leaving.signal })).rejects.toThrow('left the queue');
    await vi.waitUntil(() => database.stats().waiting === 1);
    leaving.abort(new Error('left the queue'));
    await waiting;
    held.resolve();
    await holder;
    expect(await database.query('select 3 as three')).toEqual([{ three: 3 }]);
  });

  it('ends a statement at its time limit and says so', async () => {
    await using database = await openDatabase(url, { statementTimeoutMs: 50 });
    await expect(database.query('select pg_sleep(30)')).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('time limit'),
    });
  });

  it('gives up on a server that is frozen, and works once it thaws', async () => {
    await using database = await openDatabase(url, { statementTimeoutMs: 100, connectTimeoutMs: 500 });
    await database.query('select 1');
    server.freeze();
    try {
      await expect(database.query('select 1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    } finally {
      server.thaw();
    }
    expect(await database.query('select 4 as four')).toEqual([{ four: 4 }]);
  });

  it('survives the loss of a connection between two statements of a transaction, and rolls back', async () => {
    await using database = await openDatabase(url);
    await using other = await openDatabase(url);
    await database.exec('create table kept (n integer)');
    const lost = database.transaction(async (tx) => {
      await tx.query('insert into kept values (1)');
      const [me] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
      await other.query('select pg_terminate_backend($1)', [me?.pid]);
      await vi.waitUntil(async () => (await other.query('select from pg_stat_activity where pid = $1', [me?.pid])).length === 0);
      await tx.query('insert into kept values (2)');
    });
    await expect(lost).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(await database.query('select * from kept')).toEqual([]);
  });

  it('rolls back when the work fails, and tells a transaction whose failed statement was ignored', async () => {
    await using database = await openDatabase(url);
    await database.exec('create table rolled (n integer primary key)');
    const failing = database.transaction(async (tx) => {
      await tx.query('insert into rolled values (1)');
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    const ignoring = database.transaction(async (tx) => {
      await tx.query('insert into rolled values (2)');
      await tx.query('insert into rolled values (2)').catch(() => {});
    });
    await expect(ignoring).rejects.toThrow('rolled back');
    expect(await database.query('select * from rolled')).toEqual([]);
    expect(database.stats()).toMatchObject({ total: 1, idle: 1 });
  });

  it('reports CLOSED after it was closed, twice over', async () => {
    const database = await openDatabase(url);
    await database.query('select 1');
    await Promise.all([database.close(), database.close()]);
    await expect(database.query('select 1')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it.each(['Asia/Kolkata', 'UTC'])('gives times in UTC and whole numbers exactly, in a session set to %s', async (zone) => {
    await using database = await openDatabase(url);
    await database.transaction(async (tx) => {
      await tx.exec(`set local timezone = '${zone}'`);
      const [row] = await tx.query(`select timestamptz '2026-01-02 03:04:05.678901+00' as at, ${Number.MAX_SAFE_INTEGER}::bigint as n`);
      expect(row).toEqual({ at: '2026-01-02T03:04:05.678Z', n: Number.MAX_SAFE_INTEGER });
    });
    await expect(database.query('select 9007199254740992::bigint')).rejects.toThrow('9007199254740992');
  });
});

describe('a database URL', () => {
  it.each(['mysql://u:secret@h/d', 'pglite:', 'nonsense', 'postgres://u:secret@h:port/d'])(
    '%s is refused without showing its password',
    async (url) => {
      const failure: unknown = await openDatabase(url).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(/give (postgres:|pglite:FOLDER)/) });
      expect((failure as Error).message).not.toContain('secret');
    },
  );
});
