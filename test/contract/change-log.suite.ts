import { beforeEach, describe, expect, it } from 'vitest';
import { createChangeLog } from '../../src/postgres/change-log.ts';
import type { Database } from '../../src/postgres/index.ts';
import { drain, NOTHING, told, toldOf } from './attach.world.ts';

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const info = (...ns: number[]): string[] => ns.map((n) => `file:info:{${id(n)}}`);
const meta = (...ns: number[]): string[] => ns.map((n) => `file:meta:{${id(n)}}`);
const both = (...ns: number[]): string[] => [...info(...ns), ...meta(...ns)];
const insert = (from: number, to = from): string => `
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id)
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a', '/a/' || n, n, 'text/plain', 'ann' from generate_series(${from}, ${to}) n`;

/** What the triggers of our own tables tell the log, in a database that was migrated. */
export function describeChangeLog(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;

    beforeEach(async () => {
      database ??= await open();
      await database.exec('delete from forebay.file_info');
      await database.exec(insert(1, 3));
      await drain(database);
    });

    const outbox = async (): Promise<number> =>
      (await database.query<{ count: number }>('select count(*) from forebay.outbox'))[0]?.count ?? -1;

    it('tells of each change of a file or its attributes, by whatever statement', async () => {
      expect(await toldOf(database, insert(4, 5))).toEqual(told(both(4, 5)));
      expect(await toldOf(database, 'update forebay.file_info set size = size + 1')).toEqual(told(info(1, 2, 3, 4, 5)));
      expect(await toldOf(database, `insert into forebay.file_meta (id, attributes) values ('${id(1)}', '{}')`)).toEqual(told(meta(1)));
      expect(await toldOf(database, `update forebay.file_meta set attributes = '{"a": 1}'`)).toEqual(told(meta(1)));
      expect(await toldOf(database, `delete from forebay.file_info where id in ('${id(1)}', '${id(2)}')`)).toEqual(told(both(1, 2)));
      expect(await toldOf(database, `update forebay.file_info set id = '${id(9)}' where id = '${id(3)}'`)).toEqual(told(both(3, 9)));
      expect(await toldOf(database, 'truncate forebay.file_info cascade')).toEqual({ ...NOTHING, all: true });
    });

    it('tells of no row that a statement left as it was', async () => {
      expect(await toldOf(database, "update forebay.file_info set size = 1 where owner_id = 'nobody'")).toEqual(NOTHING);
      expect(await toldOf(database, `${insert(1, 3)} on conflict do nothing`)).toEqual(NOTHING);
      const upsert = `${insert(2, 4)} on conflict (id) do update set size = 77 where file_info.size = 3`;
      expect(await toldOf(database, upsert)).toEqual(told([...info(3), ...both(4)]));
    });

    it('draws a higher version with each update, whatever the statement says of it', async () => {
      const versions = (): Promise<{ version: number }[]> => database.query('select version from forebay.file_info order by id');
      const before = await versions();
      await database.exec('update forebay.file_info set size = 1, version = 1');
      const after = await versions();
      expect(Math.min(...after.map(({ version }) => version))).toBeGreaterThan(Math.max(...before.map(({ version }) => version)));
    });

    it('leaves no note of an update that failed or was rolled back', async () => {
      await expect(database.exec('update forebay.file_info set size = -1')).rejects.toThrow(/size_check/);
      await expect(
        database.transaction(async (tx) => {
          await tx.exec('update forebay.file_info set size = 2');
          throw new Error('on purpose');
        }),
      ).rejects.toThrow('on purpose');
      expect(await outbox()).toBe(0);
    });

    it('says that the log has reached a moment once all that was committed before it has a number, and not sooner', async () => {
      const log = createChangeLog(database);
      const change = 'update forebay.file_info set size = size + 1';
      await database.exec(change);
      const first = await log.look(null);
      expect(first).toMatchObject({ more: true, reached: false });
      expect(await log.look(first.moment)).toMatchObject({ more: true, reached: false });
      const { last } = await log.advance();
      await database.exec(change);
      const second = await log.look(first.moment);
      expect(second).toMatchObject({ more: true, reached: true, last });
      expect(await log.look(second.moment)).toMatchObject({ more: true, reached: false });
      await drain(database);
      expect(await log.look(second.moment)).toMatchObject({ more: false, reached: true });
    });

    it('gives each of many changes a number once, piece by piece', async () => {
      for (let n = 10; n < 40; n += 1) await database.exec(insert(n));
      await database.exec(insert(100, 2600));
      const numbers: number[] = [];
      const seen: string[] = [];
      const log = createChangeLog(database);
      for (;;) {
        const { last, more, entry } = await log.advance();
        numbers.push(last);
        seen.push(...(entry?.keys ?? []));
        if (!more) break;
      }
      expect(numbers.length).toBeGreaterThan(2);
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(seen).toHaveLength(new Set(seen).size);
      expect(seen).toHaveLength(2 * (30 + 2501));
      expect(await outbox()).toBe(0);
    });
  });
}
