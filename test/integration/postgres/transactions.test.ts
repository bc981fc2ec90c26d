import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FileInfo } from '../../../src/files/records.ts';
import type { FileTransaction } from '../../../src/files/transactions.ts';
import type { Database } from '../../../src/postgres/index.ts';
import { migrate, openDatabase } from '../../../src/postgres/index.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { RecordedFiles } from '../../support/recorded-files.ts';
import { recordedFiles } from '../../support/recorded-files.ts';

/** What needs several connections, or a connection that is lost. */
let server: TestPostgres;
let database: Database;
let recorded: RecordedFiles;
let files: RecordedFiles['files'];

beforeAll(async () => {
  // Long enough for a test to bring the deadlock about, which is looked for once; and no wait for a lock outlasts its test.
  server = await startPostgres({ args: ['-c', 'deadlock_timeout=2s', '-c', 'lock_timeout=10s'] });
  database = await openDatabase(server.url);
  await migrate(database);
});
afterAll(async () => {
  await database.close();
  await server.stop();
});
beforeEach(() => {
  recorded = recordedFiles(database);
  ({ files } = recorded);
});

const create = async (size = 0): Promise<FileInfo> => (await files.create({ path: '/a/b', size, ownerId: 'ann' })).record;

/** Waits until so many statements wait for another transaction's rows. */
const locked = (count: number): Promise<unknown> =>
  vi.waitUntil(async () => (await database.query(`select from pg_stat_activity where wait_event_type = 'Lock'`)).length === count, {
    interval: 2,
    timeout: 10_000,
  });

/** Runs `inside` in a transaction that stays open while `beside` runs, until that one lets go. */
async function whileOpen<T>(
  inside: (tx: FileTransaction) => Promise<unknown>,
  beside: (end: () => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const [done, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const open = files.transaction(async (tx) => {
    await inside(tx);
    done.resolve();
    await go.promise;
  });
  await Promise.race([done.promise, open]);
  const end = (): Promise<unknown> => {
    go.resolve();
    return open;
  };
  try {
    return await beside(end);
  } finally {
    await end();
  }
}

describe('two transactions at once', () => {
  it('of the level repeatable read see no commit of others, and one that writes over it is told TRANSACTION_CONFLICT', async () => {
    const { id } = await create(1);
    const attempt = files.transaction(
      async (tx) => {
        expect((await tx.get(id))?.size).toBe(1);
        await files.update(id, { size: 2 });
        expect((await tx.get(id))?.size).toBe(1);
        await tx.update(id, { size: 3 });
      },
      { isolation: 'repeatable read' },
    );
    await expect(attempt).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT', cause: { code: '40001' } });
    expect((await files.get(id))?.size).toBe(2);
  });

  it('of the level read committed see it', async () => {
    const { id } = await create(1);
    const { value } = await files.transaction(async (tx) => {
      await tx.get(id);
      await files.update(id, { size: 2 });
      return tx.get(id);
    });
    expect(value?.size).toBe(2);
  });

  it('of the level serializable that each read what the other writes do not both commit, nor when the error is ignored, nor do caches hear of the loser', async () => {
    const [one, two] = [await create(), await create()];
    const swap = (read: string, write: string, meet: () => Promise<void>) =>
      files.transaction(
        async (tx) => {
          const seen = await tx.get(read);
          await meet();
          await tx.update(write, { size: (seen?.size ?? 0) + 1 }).catch(() => {});
        },
        { isolation: 'serializable' },
      );
    const both = Promise.withResolvers<void>();
    let here = 0;
    const meet = async (): Promise<void> => {
      here += 1;
      if (here === 2) both.resolve();
      await both.promise;
    };
    recorded.told.length = 0;
    const results = await Promise.allSettled([swap(one.id, two.id, meet), swap(two.id, one.id, meet)]);
    const lost = results.filter((result) => result.status === 'rejected');
    expect(lost).toEqual([{ status: 'rejected', reason: expect.objectContaining({ code: 'TRANSACTION_CONFLICT' }) }]);
    expect(recorded.told).toHaveLength(1);
    expect(new Set([(await files.get(one.id))?.size, (await files.get(two.id))?.size])).toEqual(new Set([0, 1]));
  });

  it('that wait for each other are told apart: one commits, one is told TRANSACTION_CONFLICT', async () => {
    const [one, two] = [await create(), await create()];
    const inOrder = (first: FileInfo, second: FileInfo, meet: () => Promise<void>) =>
      files.transaction(async (tx) => {
        await tx.update(first.id, { size: 1 });
        await meet();
        await tx.update(second.id, { size: 1 });
      });
    const both = Promise.withResolvers<void>();
    let here = 0;
    const meet = async (): Promise<void> => {
      here += 1;
      if (here === 2) both.resolve();
      await both.promise;
    };
    const results = await Promise.allSettled([inOrder(one, two, meet), inOrder(two, one, meet)]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(results).toContainEqual({
      status: 'rejected',
      reason: expect.objectContaining({ code: 'TRANSACTION_CONFLICT', cause: expect.objectContaining({ code: '40P01' }) }),
    });
  });
});

describe('a write beside an open transaction', () => {
  it('that had to give way to it is run again', async () => {
    const { id } = await create();
    await files.meta.put(id, { a: 1 });
    let deleted: Promise<unknown> = Promise.resolve();
    await files.transaction(async (tx) => {
      // The deletion is the one that looks for a deadlock.
      await tx.query(`set local deadlock_timeout = '1min'`);
      await tx.query(`update forebay.file_meta set attributes = '{}' where id = $1`, [id]);
      deleted = files.delete(id);
      // It holds the record now, and waits for the attributes.
      await locked(1);
      await tx.update(id, { size: 1 });
    });
    expect(await deleted).toEqual({ existed: true, invalidation: 'applied' });
    expect(await files.get(id)).toBeNull();
  });

  it('that makes a record of the same id gets a greater version than the old one ever had, deleted or not', async () => {
    const { id } = await create();
    let last = 0;
    const made = await whileOpen(
      async (tx) => {
        last = (await tx.update(id, { size: 1 })).version;
        await tx.delete(id);
      },
      async (end) => {
        const making = files.create({ id, path: '/again', size: 2, ownerId: 'bob' });
        await locked(1);
        // Drawn after the creation began.
        const { version } = await create();
        await end();
        return { record: (await making).record, version };
      },
    );
    expect(made.record.version).toBeGreaterThan(last);
    expect(made.record.version).toBeGreaterThan(made.version);
    expect(await files.get(id)).toEqual(made.record);
  });

  it('that makes a record of the same id is refused when the transaction changed the old one and kept it', async () => {
    const { id } = await create();
    const refused = await whileOpen(
      (tx) => tx.update(id, { size: 1 }),
      async (end) => {
        const making = files.create({ id, path: '/again', size: 2, ownerId: 'bob' }).catch((error: unknown) => error);
        await locked(1);
        await end();
        return making;
      },
    );
    expect(refused).toMatchObject({ code: 'FILE_EXISTS' });
    expect((await files.get(id))?.size).toBe(1);
  });

  it('that puts attributes of a file that it deletes finds no file', async () => {
    const { id } = await create();
    const put = await whileOpen(
      (tx) => tx.delete(id),
      async (end) => {
        const putting = files.meta.put(id, { a: 1 }).catch((error: unknown) => error);
        await locked(1);
        await end();
        return putting;
      },
    );
    expect(put).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('that changes a record whose attributes it puts does not wait for it', async () => {
    const { id } = await create();
    const { record } = await whileOpen(
      (tx) => tx.meta.put(id, { a: 1 }),
      () => files.update(id, { size: 8 }),
    );
    expect(await files.get(id)).toEqual(record);
  });
});

describe('when the answer to the commit is lost', () => {
  it.each([
    ['it was committed', 'toClient', 7],
    ['it was not', 'toServer', 1],
  ] as const)('nobody is told that it happened, nor that it did not, and the caches forget: %s', async (_case, direction, size) => {
    await using proxy = await FaultProxy.start({ target: server.port });
    await using through = await openDatabase(server.url.replace(`:${server.port}/`, `:${proxy.port}/`));
    const { files: cut, told, caches } = recordedFiles(through);
    const { record } = await cut.create({ path: '/a/b', size: 1, ownerId: 'ann' });
    await cut.get(record.id);
    told.length = 0;
    const work = Promise.withResolvers<() => void>();
    const lost = cut.transaction(async (tx) => {
      await tx.update(record.id, { size: 7 });
      work.resolve(proxy.impose({ [direction]: { stop: true } }));
    });
    const rejected = expect(lost).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    const lift = await work.promise;
    await setImmediate();
    if (size === 7)
      await vi.waitUntil(
        async () => (await database.query('select from forebay.file_info where id = $1 and size = 7', [record.id])).length === 1,
      );
    proxy.cut('reset');
    await rejected;
    lift();
    expect(told.flatMap(({ keys }) => keys)).toEqual([`file:info:{${record.id}}`]);
    expect(caches.info.peek(record.id)).toBeUndefined();
    expect((await cut.get(record.id))?.size).toBe(size);
  });
});

it('a transaction whose caller leaves the queue for a connection never begins', async () => {
  await using narrow = await openDatabase(server.url, { maxConnections: 1 });
  const { files: queued } = recordedFiles(narrow);
  const held = Promise.withResolvers<void>();
  const holder = narrow.transaction(() => held.promise);
  const leaving = new AbortController();
  let began = false;
  const waiting = expect(queued.transaction(async () => void (began = true), { signal: leaving.signal })).rejects.toThrow('left the queue');
  await vi.waitUntil(() => narrow.stats().waiting === 1);
  leaving.abort(new Error('left the queue'));
  await waiting;
  held.resolve();
  await holder;
  expect(began).toBe(false);
});

describe('more transactions than connections, each of which needs another connection before it can end', () => {
  it('all end: one connection is kept for what is asked outside', async () => {
    await using small = await openDatabase(server.url, { maxConnections: 4, connectTimeoutMs: 10_000 });
    const begun: number[] = [];
    const work = Array.from({ length: 12 }, (_, n) =>
      small.transaction(async (tx) => {
        begun.push(n);
        await tx.query('select 1');
        return small.query<{ n: number }>('select $1::int as n', [n]);
      }),
    );
    const rows = await Promise.all(work);
    expect(rows.map(([row]) => row?.n)).toEqual(begun.toSorted((a, b) => a - b));
  });

  it('one that waits too long is told so, one that nobody waits for leaves the queue, and both places go on', async () => {
    await using small = await openDatabase(server.url, { maxConnections: 2, connectTimeoutMs: 300 });
    const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const open = small.transaction(() => {
      begun.resolve();
      return end.promise;
    });
    await begun.promise;
    const controller = new AbortController();
    const left = small.transaction(() => Promise.resolve('never'), { signal: controller.signal });
    controller.abort(new Error('nobody waits'));
    await expect(left).rejects.toThrow('nobody waits');
    await expect(small.transaction(() => Promise.resolve('never'))).rejects.toMatchObject({ code: 'OVERLOADED' });
    end.resolve();
    await open;
    await expect(small.transaction(() => Promise.resolve('done'))).resolves.toBe('done');
  });
});

it('a connection that was begun when the process, or the server, stood still is made again before a caller hears of it', async () => {
  await using proxy = await FaultProxy.start({ target: server.port });
  // The first connection is accepted and gets no answer, as one that was on its way when everything stood still.
  let stalled: number | undefined;
  proxy.impose({ select: ({ id }) => id === (stalled ??= id), toClient: { stop: true } });
  const url = new URL(server.url);
  url.port = String(proxy.port);
  await using database = await openDatabase(url.href, { connectTimeoutMs: 1000 });
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
});
