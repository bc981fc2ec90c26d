import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/postgres/index.ts';
import { createFileStore } from '../../src/postgres/index.ts';
import type { FileId, NewFile } from '../../src/files/records.ts';
import { fileId, fileInfoSchema, fileMetaSchema } from '../../src/files/records.ts';
import type { FileBulkStore, FileStore, IndexedFile } from '../../src/files/store.ts';

const newId = (): FileId => fileId(randomUUID());
const given = (more: Partial<NewFile> = {}): NewFile => ({ path: '/data/report.pdf', size: 12, ownerId: 'uid:7', ...more });
const found = (more: Partial<IndexedFile> = {}): IndexedFile => ({
  id: newId(),
  name: 'a.txt',
  path: '/data/a.txt',
  size: 3,
  mimeType: 'text/plain',
  ownerId: 'uid:0',
  tags: ['x'],
  createdAt: '2026-01-02T03:04:05.678Z',
  updatedAt: '2026-01-02T03:04:05.678Z',
  modifiedAt: '2026-01-02T03:04:05.678901Z',
  ...more,
});

/** What holds for every source of truth. `open` gives a migrated database, shared by the tests of the suite and closed by the caller. */
export function describeFileStore(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    let store: FileStore & FileBulkStore;
    const load = async (id: FileId) => (await store.loadInfos([id])).get(id);

    beforeAll(async () => {
      database = await open();
      store = createFileStore(database);
    });

    it('versions are those of the records, without the records', async () => {
      const [first, second] = [await store.create(given()), await store.create(given())];
      const changed = await store.update(first.id, { size: 13 });
      const meta = await store.putMeta(second.id, { a: 1 });
      const ids = [first.id, second.id, newId()];
      expect(await store.infoVersions(ids)).toEqual(
        new Map([
          [first.id, changed.version],
          [second.id, second.version],
        ]),
      );
      expect(await store.metaVersions(ids)).toEqual(
        new Map([
          [first.id, 0],
          [second.id, meta.version],
        ]),
      );
    });

    describe('create', () => {
      it('draws an id, takes the name from the path and gives a frozen record of exactly the documented shape', async () => {
        const before = Date.now();
        const record = await store.create(given());
        expect(fileInfoSchema.parse(record)).toEqual(record);
        expect(record).toMatchObject({ name: 'report.pdf', size: 12, mimeType: 'application/octet-stream', tags: [] });
        expect(Object.keys(record)).not.toContain('sha256');
        expect(Object.keys(record)).not.toContain('pathBytes');
        expect(Object.isFrozen(record) && Object.isFrozen(record.tags)).toBe(true);
        expect(record.createdAt).toBe(record.updatedAt);
        expect(Math.abs(Date.parse(record.createdAt) - before)).toBeLessThan(60_000);
        expect(await load(record.id)).toEqual(record);
      });

      it('keeps the largest size, odd bytes, every optional field and hostile text', async () => {
        const pathBytes = Buffer.from([0x2f, 0xff, 0xfe, 0x2f, 0x61]).toString('base64');
        const name = `it's "quoted" \\ new\nline \u{1F600} \u202e %s $1 ; drop table`;
        const file = given({
          id: newId(),
          size: Number.MAX_SAFE_INTEGER,
          pathBytes,
          name,
          sha256: 'a'.repeat(64),
          tags: ['b', 'a,{}"\\', 'b'],
        });
        const record = await store.create(file);
        expect(await load(record.id)).toEqual(record);
        expect(record).toMatchObject({ size: 2 ** 53 - 1, pathBytes, name, sha256: 'a'.repeat(64), tags: ['a,{}"\\', 'b'] });
      });

      it('refuses a taken id with FILE_EXISTS and changes nothing', async () => {
        const first = await store.create(given());
        await expect(store.create(given({ id: first.id, size: 99 }))).rejects.toMatchObject({ code: 'FILE_EXISTS' });
        expect(await load(first.id)).toEqual(first);
      });

      it('lets exactly one of 20 parallel creates of an id win', async () => {
        const id = newId();
        const results = await Promise.allSettled(Array.from({ length: 20 }, (_, size) => store.create(given({ id, size }))));
        expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
        for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'FILE_EXISTS' });
      });

      it('refuses input that breaks a rule, naming the field', async () => {
        await expect(store.create(given({ size: 2 ** 53 }))).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'size' });
        await expect(store.create(given({ path: `/${'n'.repeat(256)}` }))).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'name' });
        await expect(store.create(given({ path: 'a\0b' }))).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'path' });
      });

      it('gives a record that was deleted and made again a greater version than it ever had', async () => {
        const id = newId();
        await store.create(given({ id }));
        const last = await store.update(id, { size: 1 });
        await store.delete(id);
        expect((await store.create(given({ id }))).version).toBeGreaterThan(last.version);
      });
    });

    describe('update', () => {
      it('changes the fields given, leaves the others and grows the version', async () => {
        const before = await store.create(given({ sha256: 'b'.repeat(64), tags: ['keep'] }));
        const after = await store.update(before.id, { ownerId: 'alice', size: 0 });
        expect(after).toEqual({ ...before, ownerId: 'alice', size: 0, version: after.version, updatedAt: after.updatedAt });
        expect(after.version).toBeGreaterThan(before.version);
        expect(after.updatedAt >= before.updatedAt).toBe(true);
        expect(await load(before.id)).toEqual(after);
      });

      it('removes an optional field with null, and the old bytes and name with a new path', async () => {
        const before = await store.create(given({ sha256: 'b'.repeat(64), pathBytes: '/w==', tags: ['t'] }));
        const after = await store.update(before.id, { sha256: null, path: '/new/place.txt', tags: [] });
        expect(Object.keys(after)).not.toContain('sha256');
        expect(Object.keys(after)).not.toContain('pathBytes');
        expect(after).toMatchObject({ name: 'place.txt', path: '/new/place.txt', tags: [] });
      });

      it('tells a missing record from a moved version', async () => {
        const record = await store.create(given());
        await expect(store.update(newId(), { size: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
        await expect(store.update(newId(), { size: 1 }, { ifVersion: 3 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
        await expect(store.update(record.id, { size: 1 }, { ifVersion: record.version - 1 })).rejects.toMatchObject({
          code: 'VERSION_MISMATCH',
        });
        expect(await load(record.id)).toEqual(record);
        expect(await store.update(record.id, { size: 1 }, { ifVersion: record.version })).toMatchObject({ size: 1 });
      });

      it('lets exactly one of 20 parallel updates of the same version win', async () => {
        const record = await store.create(given());
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, size) => store.update(record.id, { size }, { ifVersion: record.version })),
        );
        const won = results.filter((result) => result.status === 'fulfilled');
        expect(won).toHaveLength(1);
        for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'VERSION_MISMATCH' });
        expect(await load(record.id)).toEqual(won[0]?.value);
      });

      it('loses no unconditional update of 20 in parallel, each with a version of its own', async () => {
        const record = await store.create(given());
        const results = await Promise.all(Array.from({ length: 20 }, (_, size) => store.update(record.id, { size })));
        expect(new Set(results.map((result) => result.version)).size).toBe(20);
        const last = results.reduce((a, b) => (a.version > b.version ? a : b));
        expect(await load(record.id)).toEqual(last);
      });
    });

    describe('delete', () => {
      it('gives the record as it was, then null', async () => {
        const record = await store.create(given());
        expect(await store.delete(record.id)).toEqual(record);
        expect(await store.delete(record.id)).toBeNull();
        expect(await load(record.id)).toBeUndefined();
      });

      it('keeps a record whose version moved', async () => {
        const record = await store.create(given());
        await expect(store.delete(record.id, { ifVersion: record.version + 1 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
        expect(await load(record.id)).toEqual(record);
        expect(await store.delete(record.id, { ifVersion: record.version })).toEqual(record);
      });

      it('lets one of 20 parallel deletes have the record, and the others null', async () => {
        const { id } = await store.create(given());
        const results = await Promise.all(Array.from({ length: 20 }, () => store.delete(id)));
        expect(results.filter((result) => result !== null)).toHaveLength(1);
      });
    });

    describe('attributes', () => {
      const metaOf = async (id: FileId) => (await store.loadMetas([id])).get(id);

      it('are {} at version 0 until they are put, and missing without a file', async () => {
        const { id } = await store.create(given());
        const unknown = newId();
        const metas = await store.loadMetas([id, unknown]);
        expect([...metas]).toEqual([[id, { id, version: 0, attributes: {} }]]);
      });

      it('come back as they were put, frozen all through', async () => {
        const { id } = await store.create(given());
        const attributes = { camera: { model: 'X\u{1F4F7}', lens: [1, 2.5, null, true] }, '': 'empty name', n: 1e21, m: -1e-7 };
        const put = await store.putMeta(id, attributes);
        expect(fileMetaSchema.parse(put)).toEqual({ id, version: put.version, attributes });
        expect(await metaOf(id)).toEqual(put);
        expect(Object.isFrozen(put.attributes['camera'])).toBe(true);
      });

      it('may have 64 KiB as JSON, and no byte more', async () => {
        const { id } = await store.create(given());
        const full = { text: 'x'.repeat(64 * 1024 - '{"text":""}'.length) };
        expect((await store.putMeta(id, full)).attributes).toEqual(full);
        await expect(store.putMeta(id, { text: `${full.text}y` })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
        expect((await metaOf(id))?.attributes).toEqual(full);
      });

      it('do not touch the version of the record', async () => {
        const record = await store.create(given());
        await store.putMeta(record.id, { a: 1 });
        expect(await load(record.id)).toEqual(record);
      });

      it('tell a missing file from a moved version; version 0 means "none yet"', async () => {
        const { id } = await store.create(given());
        await expect(store.putMeta(newId(), {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
        await expect(store.putMeta(newId(), {}, { ifVersion: 0 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
        await expect(store.putMeta(id, { a: 1 }, { ifVersion: 5 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
        const first = await store.putMeta(id, { a: 1 }, { ifVersion: 0 });
        await expect(store.putMeta(id, { a: 2 }, { ifVersion: 0 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
        const second = await store.putMeta(id, { a: 2 }, { ifVersion: first.version });
        expect(second.version).toBeGreaterThan(first.version);
      });

      it('let exactly one of 20 parallel first puts and of 20 parallel later puts win', async () => {
        const { id } = await store.create(given());
        for (const round of ['first', 'later']) {
          const ifVersion = (await metaOf(id))?.version ?? -1;
          const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => store.putMeta(id, { round, n }, { ifVersion })));
          expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
          for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'VERSION_MISMATCH' });
        }
      });

      it('go with the file', async () => {
        const { id } = await store.create(given());
        await store.putMeta(id, { a: 1 });
        await store.delete(id);
        expect(await metaOf(id)).toBeUndefined();
        await store.create(given({ id }));
        expect(await metaOf(id)).toEqual({ id, version: 0, attributes: {} });
      });
    });

    describe('loading many', () => {
      it('gives 1,000 records by one call, leaves out the absent ones and bears ids given twice', async () => {
        const files = Array.from({ length: 1_000 }, (_, n) => found({ path: `/many/${n}`, name: String(n) }));
        await store.upsertIndexed(files);
        const first = files[0] as IndexedFile;
        const infos = await store.loadInfos([...files.map((file) => file.id), newId(), first.id]);
        expect(infos.size).toBe(1_000);
        expect(infos.get(first.id)).toMatchObject({ path: '/many/0', tags: ['x'], createdAt: first.createdAt, updatedAt: first.updatedAt });
        expect(await store.loadInfos([])).toEqual(new Map());
      });
    });

    describe('bulk', () => {
      it('inserts what is missing, changes what differs and leaves the rest with its version', async () => {
        const [same, touched, grown] = [found(), found(), found({ sha256: 'c'.repeat(64) })];
        expect((await store.upsertIndexed([same, touched, grown])).inserted.toSorted()).toEqual([same.id, touched.id, grown.id].toSorted());
        const before = await store.loadInfos([same.id, touched.id, grown.id]);
        const fresh = found();
        const touchedNow = { ...touched, modifiedAt: '2026-01-02T03:04:05.678902Z' };
        const { sha256: _, ...grownNow } = { ...grown, size: 4 };
        const outcome = await store.upsertIndexed([same, touchedNow, grownNow, fresh]);
        expect(outcome.inserted).toEqual([fresh.id]);
        expect(outcome.changed.toSorted()).toEqual([touched.id, grown.id].toSorted());
        expect(outcome.unchanged).toBe(1);
        const after = await store.loadInfos([same.id, touched.id, grown.id]);
        expect(after.get(same.id)).toEqual(before.get(same.id));
        for (const { id } of [touched, grown]) expect(after.get(id)?.version).toBeGreaterThan(before.get(id)?.version ?? Infinity);
        expect(Object.keys(after.get(grown.id) ?? {})).not.toContain('sha256');
      });

      it('sees a changed content by its SHA-256 alone, and keeps a known one when none was computed', async () => {
        const file = found({ sha256: 'd'.repeat(64) });
        await store.upsertIndexed([file]);
        const { sha256: _, ...unhashed } = file;
        expect((await store.upsertIndexed([unhashed])).unchanged).toBe(1);
        expect((await load(file.id))?.sha256).toBe('d'.repeat(64));
        expect((await store.upsertIndexed([{ ...file, sha256: 'e'.repeat(64) }])).changed).toEqual([file.id]);
      });

      it('keeps what a user changed: at once and when the content changes', async () => {
        const file = found();
        await store.upsertIndexed([file]);
        const patched = await store.update(file.id, { ownerId: 'alice', tags: ['mine'], mimeType: 'text/x-mine' });
        expect((await store.upsertIndexed([file])).unchanged).toBe(1);
        expect(await load(file.id)).toEqual(patched);
        await store.upsertIndexed([{ ...file, size: 77 }]);
        expect(await load(file.id)).toMatchObject({ ownerId: 'alice', tags: ['mine'], mimeType: 'text/x-mine', size: 77 });
      });

      it('counts each file once when two indexers write the same batch at once', async () => {
        const files = Array.from({ length: 200 }, () => found());
        const outcomes = await Promise.all([store.upsertIndexed(files), store.upsertIndexed(files.toReversed())]);
        expect(outcomes.flatMap((outcome) => outcome.inserted).toSorted()).toEqual(files.map((file) => file.id).toSorted());
      });

      it('bears two indexers that change, and two that delete, the same records in opposite orders', async () => {
        const files = Array.from({ length: 300 }, () => found());
        await store.upsertIndexed(files);
        for (let size = 100; size < 110; size += 1) {
          const grown = files.map((file) => ({ ...file, size }));
          await Promise.all([store.upsertIndexed(grown), store.upsertIndexed(grown.toReversed())]);
        }
        const ids = files.map((file) => file.id);
        const infos = await store.loadInfos(ids);
        expect(new Set([...infos.values()].map((info) => info.size))).toEqual(new Set([109]));
        const deleted = await Promise.all([store.deleteMany(ids), store.deleteMany(ids.toReversed())]);
        expect(deleted.flat().toSorted()).toEqual(ids.toSorted());
      });

      it('lists exactly the records below a prefix, page by page, long paths and odd bytes included', async () => {
        const deep = `/list/${'d\u{1F600}/'.repeat(600)}`;
        const odd = Buffer.from([...Buffer.from('/list/'), 0xff, 0x80]);
        const paths = ['/list/a', '/list/b/c', '/list/_%', '/list/\u{10FFFF}', `${deep}x`, `${deep}y`, odd.toString('utf8')];
        const inside = paths.map((path) => found({ path }));
        inside.push(found({ path: odd.toString('utf8'), pathBytes: odd.toString('base64') }));
        await store.upsertIndexed([...inside, found({ path: '/list' }), found({ path: '/list0/a' }), found({ path: '/lis/t' })]);
        const listed = [];
        for (let after = undefined as { path: string; id: FileId } | undefined; ;) {
          const page = await store.listBelow('/list/', { limit: 3, ...(after === undefined ? {} : { after }) });
          listed.push(...page);
          after = page.at(-1);
          if (page.length < 3) break;
        }
        const wanted = inside.map(({ id, path, pathBytes }) => (pathBytes === undefined ? { id, path } : { id, path, pathBytes }));
        expect(new Set(listed)).toEqual(new Set(wanted));
        expect(listed).toHaveLength(wanted.length);
        expect((await store.listBelow(deep, { limit: 10 })).map((entry) => entry.path).toSorted()).toEqual([`${deep}x`, `${deep}y`]);
      });

      it('deletes many and names those that were there', async () => {
        const files = [found(), found()];
        await store.upsertIndexed(files);
        expect((await store.deleteMany([...files.map((file) => file.id), newId()])).toSorted()).toEqual(
          files.map((file) => file.id).toSorted(),
        );
        expect((await store.loadInfos(files.map((file) => file.id))).size).toBe(0);
        expect(await store.deleteMany([])).toEqual([]);
      });

      it('refuses a size that no JSON reader keeps exact, and writes nothing of that batch', async () => {
        const good = found();
        await expect(store.upsertIndexed([good, found({ size: 2 ** 53 })])).rejects.toThrow(/size/);
        expect(await load(good.id)).toBeUndefined();
      });
    });

    it('rejects with the reason of a signal that was raised before', async () => {
      const reason = new Error('nobody waits');
      await expect(store.loadInfos([newId()], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      await store.ping();
    });
  });
}
