import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fileInfoSchema, fileMetaSchema } from '../../src/files/records.ts';
import type { NewFile } from '../../src/files/records.ts';
import type { FileTransaction } from '../../src/files/transactions.ts';
import type { Database } from '../../src/postgres/index.ts';
import type { RecordedFiles } from '../support/recorded-files.ts';
import { recordedFiles } from '../support/recorded-files.ts';

const given = (more: Partial<NewFile> = {}): NewFile => ({ path: '/data/report.pdf', size: 12, ownerId: 'uid:7', ...more });
const info = (id: string): string => `file:info:{${id}}`;
const meta = (id: string): string => `file:meta:{${id}}`;

/** What holds for transactions of files on every database. `open` gives a migrated database, shared by the tests of the suite and closed by the caller. */
export function describeFileTransactions(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    let recorded: RecordedFiles;
    let files: RecordedFiles['files'];
    /** What everyone was told to forget since this was last asked, in order. */
    const told = (): string[] => recorded.told.splice(0).flatMap(({ keys }) => keys);

    beforeAll(async () => {
      database = await open();
      await database.exec('create table own (id uuid primary key, n bigint not null default 0, at timestamptz, body jsonb, bytes bytea)');
    });
    beforeEach(() => {
      recorded = recordedFiles(database);
      ({ files } = recorded);
    });

    describe('what it writes', () => {
      it('is seen inside at once, and outside after the end only, by caches that held the old', async () => {
        const { record: old } = await files.create(given());
        const { record: doomed } = await files.create(given());
        await files.getMany([old.id, doomed.id]);
        const { value, invalidation } = await files.transaction(async (tx) => {
          const made = await tx.create(given({ path: '/made' }));
          const changed = await tx.update(old.id, { size: 13 });
          const put = await tx.meta.put(old.id, { pages: 3 });
          expect(await tx.delete(doomed.id)).toEqual({ existed: true });
          expect(await tx.delete(doomed.id)).toEqual({ existed: false });
          expect(await tx.get(old.id.toUpperCase())).toEqual(changed.record);
          expect(await tx.meta.get(old.id)).toEqual(put.record);
          expect(await tx.getMany([made.record.id, doomed.id])).toEqual(
            new Map([
              [made.record.id, made.record],
              [doomed.id, null],
            ]),
          );
          expect(await tx.meta.getMany([made.record.id])).toEqual(
            new Map([[made.record.id, { id: made.record.id, version: 0, attributes: {} }]]),
          );
          expect([files.peek(old.id), files.peek(doomed.id)]).toEqual([old, doomed]);
          return { made, changed, put };
        });
        expect(invalidation).toBe('applied');
        const { made, changed, put } = value;
        expect(fileInfoSchema.parse(made.record)).toEqual(made.record);
        expect(fileMetaSchema.parse(put.record)).toEqual(put.record);
        expect(made).toEqual({ record: made.record, version: made.record.version });
        expect(await files.get(old.id)).toEqual(changed.record);
        expect(await files.get(made.record.id)).toEqual(made.record);
        expect(await files.meta.get(old.id)).toEqual(put.record);
        expect(await files.get(doomed.id)).toBeNull();
        expect(await files.meta.get(doomed.id)).toBeNull();
      });

      it('leaves no trace once the work throws, not even in a cache that had nothing', async () => {
        const { record } = await files.create(given());
        const thrown = Object.assign(new Error('no such file or directory'), { code: 'ENOENT' });
        let made = '';
        told();
        const failed = files.transaction(async (tx) => {
          await tx.update(record.id, { size: 99 });
          made = (await tx.create(given())).record.id;
          expect((await tx.get(record.id))?.size).toBe(99);
          throw thrown;
        });
        await expect(failed).rejects.toBe(thrown);
        expect([files.peek(record.id), files.peek(made)]).toEqual([undefined, undefined]);
        expect(await files.get(record.id)).toEqual(record);
        expect(await files.get(made)).toBeNull();
        expect(told()).toEqual([]);
      });

      it('may come with statements of its own, committed and rolled back together', async () => {
        const { record } = await files.create(given());
        const both = (fail: boolean) =>
          files.transaction(async (tx) => {
            await tx.query('insert into own (id, n, at, body, bytes) values ($1, $2, $3, $4, $5)', [
              record.id,
              Number.MAX_SAFE_INTEGER,
              '2026-01-02T03:04:05.678Z',
              JSON.stringify({ a: [1] }),
              Buffer.from([1, 255]),
            ]);
            await tx.update(record.id, { size: 5 });
            if (fail) throw new Error('changed my mind');
            return tx.query<{ n: number; at: string; body: unknown; bytes: Uint8Array }>(
              'select n, at, body, bytes from own where id = $1',
              [record.id],
            );
          });
        await expect(both(true)).rejects.toThrow('changed my mind');
        expect(await database.query('select from own where id = $1', [record.id])).toEqual([]);
        const { value } = await both(false);
        expect(value).toEqual([{ n: 2 ** 53 - 1, at: '2026-01-02T03:04:05.678Z', body: { a: [1] }, bytes: expect.anything() }]);
        expect([...(value[0]?.bytes ?? [])]).toEqual([1, 255]);
        expect((await files.get(record.id))?.size).toBe(5);
      });
    });

    describe('what the caches are told', () => {
      it('is what the triggers tell, after the commit, once for each write outside', async () => {
        const seen: unknown[] = [];
        let id = '';
        recorded.onTold = async () => void seen.push((await database.query('select size from forebay.file_info where id = $1', [id]))[0]);
        id = randomUUID();
        await files.create(given({ id, size: 1 }));
        expect(told().toSorted()).toEqual([info(id), meta(id)]);
        await files.update(id, { size: 2 });
        expect(told()).toEqual([info(id)]);
        await files.meta.put(id, {});
        expect(told()).toEqual([meta(id)]);
        await files.delete(id);
        expect(told().toSorted()).toEqual([info(id), meta(id)]);
        expect(seen).toEqual([{ size: 1 }, { size: 1 }, { size: 2 }, { size: 2 }, undefined, undefined]);
        await expect(files.update(id, { size: 3 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
        expect(told()).toEqual([]);
        await files.settle([id]);
        expect(recorded.told.every(({ logged }) => logged === true)).toBe(true);
        expect(told().toSorted()).toEqual([info(id), meta(id)]);
      });

      it('is all of a transaction at its end, each key once', async () => {
        const [one, two] = [(await files.create(given())).record.id, (await files.create(given())).record.id];
        told();
        await files
          .transaction(async (tx) => {
            await tx.update(one, { size: 1 });
            await tx.update(one, { size: 2 });
            await tx.meta.put(two, {});
            const three = (await tx.create(given())).record.id;
            await tx.delete(three);
            expect(told()).toEqual([]);
            return three;
          })
          .then(({ value: three }) => expect(told().toSorted()).toEqual([info(one), info(three), meta(three), meta(two)].toSorted()));
      });

      it('is to wait for the log when only statements of its own may have changed something, and nothing when none was run', async () => {
        await files.transaction((tx) => tx.query('select 1'));
        expect(recorded.told.splice(0)).toMatchObject([{ keys: [], logged: true }]);
        await files.transaction((tx) => tx.get(randomUUID()));
        expect(recorded.told).toEqual([]);
      });
    });

    describe('errors inside', () => {
      it('that Forebay raises may be caught, and the work go on', async () => {
        const { record } = await files.create(given());
        await files.transaction(async (tx) => {
          await expect(tx.create(given({ id: record.id }))).rejects.toMatchObject({ code: 'FILE_EXISTS' });
          await expect(tx.update(record.id, { size: 1 }, { ifVersion: 1 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
          await expect(tx.delete(record.id, { ifVersion: 1 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
          await expect(tx.meta.put(record.id, {}, { ifVersion: 7 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
          await expect(tx.meta.put(randomUUID(), {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
          await expect(tx.update(record.id, { size: -1 })).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'size' });
          await expect(tx.get('no-uuid')).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'id' });
          await tx.update(record.id, { size: 44 }, { ifVersion: record.version });
        });
        expect((await files.get(record.id))?.size).toBe(44);
      });

      it('of a statement that the database refused end the transaction, even where they are ignored', async () => {
        const { record } = await files.create(given());
        told();
        const failed = files.transaction(async (tx) => {
          await tx.update(record.id, { size: 99 });
          await expect(tx.query('select 1 / 0')).rejects.toMatchObject({ code: 'STATEMENT_REFUSED', cause: { code: '22012' } });
          await expect(tx.get(record.id)).rejects.toMatchObject({ code: 'STATEMENT_REFUSED', cause: { code: '25P02' } });
        });
        await expect(failed).rejects.toMatchObject({ code: 'STATEMENT_REFUSED', message: expect.stringContaining('22012') });
        expect(told()).toEqual([]);
        expect(await files.get(record.id)).toEqual(record);
      });

      it('of a statement behind a savepoint do not', async () => {
        const { record } = await files.create(given());
        await files.transaction(async (tx) => {
          await tx.query('savepoint before');
          await expect(tx.query('select 1 / 0')).rejects.toMatchObject({ code: 'STATEMENT_REFUSED' });
          await tx.query('rollback to savepoint before');
          await tx.update(record.id, { size: 45 });
        });
        expect((await files.get(record.id))?.size).toBe(45);
      });

      it.each(['begin', ' COMMIT', 'end;', 'rollback', 'abort', 'start transaction', "prepare transaction 'x'", 'rollback work'])(
        '"%s" is refused before it is run',
        async (sql) => {
          const { value } = await files.transaction(async (tx) => {
            await expect(tx.query(sql)).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'sql' });
            return (await tx.create(given())).record;
          });
          expect(await files.get(value.id)).toEqual(value);
        },
      );
    });

    describe('its end', () => {
      it('refuses with CLOSED what comes after it, committed or not', async () => {
        const kept: FileTransaction[] = [];
        await files.transaction(async (tx) => void kept.push(tx));
        await expect(files.transaction((tx) => Promise.reject(new Error(`${kept.push(tx)}`)))).rejects.toThrow('2');
        for (const tx of kept) {
          await expect(tx.get(randomUUID())).rejects.toMatchObject({ code: 'CLOSED' });
          await expect(tx.create(given())).rejects.toMatchObject({ code: 'CLOSED' });
          await expect(tx.query('select 1')).rejects.toMatchObject({ code: 'CLOSED' });
        }
      });

      it('comes after all statements that were given at once, which run in that order', async () => {
        const { record } = await files.create(given());
        const { value } = await files.transaction((tx) =>
          Promise.all([1, 2, 3].flatMap((size) => [tx.update(record.id, { size }), tx.get(record.id)])),
        );
        expect(value.map((one) => (one !== null && 'record' in one ? one.record : one)?.size)).toEqual([1, 1, 2, 2, 3, 3]);
        expect((await files.get(record.id))?.size).toBe(3);
      });
    });

    describe('a signal', () => {
      const reason = new Error('client was closed');

      it('that was raised before lets nothing begin', async () => {
        let began = false;
        const never = files.transaction(async () => void (began = true), { signal: AbortSignal.abort(reason) });
        await expect(never).rejects.toBe(reason);
        expect(began).toBe(false);
      });

      it('that is raised inside stops the next statement, or else the commit', async () => {
        const { record } = await files.create(given());
        for (const goesOn of [true, false]) {
          const stop = new AbortController();
          const stopped = files.transaction(
            async (tx) => {
              await tx.update(record.id, { size: 99 });
              stop.abort(reason);
              if (goesOn) await expect(tx.get(record.id)).rejects.toBe(reason);
            },
            { signal: stop.signal },
          );
          await expect(stopped).rejects.toBe(reason);
          expect(await files.get(record.id)).toEqual(record);
        }
      });
    });

    it.each(['read committed', 'repeatable read', 'serializable'] as const)('runs at the level %s when asked', async (isolation) => {
      const level = (tx: FileTransaction) => tx.query<{ level: string }>(`select current_setting('transaction_isolation') as level`);
      expect((await files.transaction(level, { isolation })).value).toEqual([{ level: isolation }]);
      expect((await files.transaction(level)).value).toEqual([{ level: 'read committed' }]);
    });

    it('loses no change of 20 transactions that read, and write if the version is still the same', async () => {
      const { record } = await files.create(given({ size: 0 }));
      const addOne = async (): Promise<unknown> => {
        try {
          return await files.transaction(async (tx) => {
            const seen = (await tx.get(record.id)) ?? expect.fail('no record');
            await tx.update(record.id, { size: seen.size + 1 }, { ifVersion: seen.version });
          });
        } catch (error) {
          expect(error).toMatchObject({ code: 'VERSION_MISMATCH' });
          return addOne();
        }
      };
      await Promise.all(Array.from({ length: 20 }, addOne));
      expect((await files.get(record.id))?.size).toBe(20);
    });
  });
}
