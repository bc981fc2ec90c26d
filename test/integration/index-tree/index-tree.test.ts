import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { indexTree } from '../../../src/files/index-tree/index-tree.ts';
import type { IndexOptions } from '../../../src/files/index-tree/options.ts';
import { bytesOfRecord, pathId } from '../../../src/files/index-tree/path-bytes.ts';
import { countFiles } from '../../../src/files/index-tree/walk.ts';
import type { FileId, FileInfo } from '../../../src/files/records.ts';
import type { Database } from '../../../src/postgres/index.ts';
import { createFileStore, migrate, openDatabase } from '../../../src/postgres/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { tempDir } from '../../support/temp.ts';

const idOf = (file: string): FileId => pathId(Buffer.from(file));

describe.each(['pglite', 'postgres'] as const)('indexing a tree into %s', (kind) => {
  let server: TestPostgres | undefined;
  let database: Database;
  let store: ReturnType<typeof createFileStore>;
  let dir: Awaited<ReturnType<typeof tempDir>>;
  let root: string;

  const at = (...parts: string[]): string => path.join(root, ...parts);
  function write(name: string, content = name): string {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), content);
    return at(name);
  }
  const index = (options: Partial<IndexOptions> = {}) => indexTree(root, { store, ...options });
  async function all(): Promise<FileInfo[]> {
    const listed = await store.listBelow(`${root}/`, { limit: 100_000 });
    return [...(await store.loadInfos(listed.map((entry) => entry.id))).values()];
  }
  const reasons = (report: Awaited<ReturnType<typeof index>>) => report.skippedByReason;

  beforeAll(async () => {
    server = kind === 'postgres' ? await startPostgres() : undefined;
    database = await openDatabase(server === undefined ? 'pglite:memory' : await server.createDatabase('files'));
    await migrate(database);
    store = createFileStore(database);
  });
  afterAll(async () => {
    await database.close();
    await server?.stop();
  });
  beforeEach(async () => {
    dir = await tempDir();
    root = path.join(dir.path, 'root');
    mkdirSync(root);
  });
  afterEach(async () => {
    await dir[Symbol.asyncDispose]();
  });

  it('records every regular file with its size, type, owner, times and tags', async () => {
    const file = write('docs/read me.pdf', 'twelve bytes');
    utimesSync(file, 1_700_000_000.1234, 1_700_000_000.1234);
    write('no-extension', '');
    const report = await index({ tags: ['b', 'a'] });
    expect(report).toMatchObject({
      discovered: 2,
      files: 2,
      bytes: 12,
      folders: 2,
      inserted: 2,
      changed: 0,
      unchanged: 0,
      pruned: 0,
      gone: 0,
    });
    const record = (await store.loadInfos([idOf(file)])).get(idOf(file));
    expect(record).toEqual({
      id: idOf(file),
      name: 'read me.pdf',
      path: file,
      size: 12,
      mimeType: 'application/pdf',
      ownerId: `uid:${process.getuid?.()}`,
      tags: ['a', 'b'],
      createdAt: '2023-11-14T22:13:20.123Z',
      updatedAt: '2023-11-14T22:13:20.123Z',
      version: record?.version,
    });
    expect(await store.loadInfos([idOf(at('no-extension'))]).then((infos) => [...infos.values()][0])).toMatchObject({
      mimeType: 'application/octet-stream',
      size: 0,
    });
  });

  it('changes nothing in a second run when no file changed', async () => {
    for (let n = 0; n < 50; n += 1) write(`d${n % 5}/f${n}`);
    await index({ batchSize: 7 });
    const before = await all();
    const changed: FileId[] = [];
    const report = await index({ batchSize: 11, onChanged: (ids) => void changed.push(...ids) });
    expect(report).toMatchObject({ files: 50, inserted: 0, changed: 0, unchanged: 50, gone: 0 });
    expect(changed).toEqual([]);
    expect(await all()).toEqual(before);
  });

  it('changes exactly the record of a file that was touched, to a greater version, and tells its id', async () => {
    for (const name of ['a', 'b', 'c']) write(name);
    await index();
    const before = new Map((await all()).map((record) => [record.id, record]));
    utimesSync(at('b'), 1_800_000_000, 1_800_000_000);
    const changed: FileId[] = [];
    expect(await index({ onChanged: (ids) => void changed.push(...ids) })).toMatchObject({ changed: 1, unchanged: 2 });
    expect(changed).toEqual([idOf(at('b'))]);
    for (const record of await all()) {
      const old = before.get(record.id) as FileInfo;
      if (record.name !== 'b') expect(record).toEqual(old);
      else expect(record.version).toBeGreaterThan(old.version);
    }
  });

  it("keeps a user's owner and tags, also when the file's content changes", async () => {
    const id = idOf(write('mine', 'one'));
    await index();
    await store.update(id, { ownerId: 'alice', tags: ['precious'] });
    expect(await index()).toMatchObject({ unchanged: 1, changed: 0 });
    write('mine', 'longer');
    expect(await index()).toMatchObject({ changed: 1 });
    expect((await store.loadInfos([id])).get(id)).toMatchObject({ ownerId: 'alice', tags: ['precious'], size: 6 });
  });

  it('hashes contents when asked, large and empty ones included, and sees a change that keeps size and time', async () => {
    const big = Buffer.alloc(700_001, 'x');
    writeFileSync(at('big'), big);
    const same = write('same', 'AAAA');
    utimesSync(same, 1_700_000_000, 1_700_000_000);
    write('empty', '');
    await index({ hash: true });
    const sha = new Map((await all()).map((record) => [record.name, record.sha256]));
    expect(sha.get('big')).toBe(createHash('sha256').update(big).digest('hex'));
    expect(sha.get('empty')).toBe(createHash('sha256').digest('hex'));
    write('same', 'BBBB');
    utimesSync(same, 1_700_000_000, 1_700_000_000);
    expect(await index()).toMatchObject({ unchanged: 3 });
    expect(await index({ hash: true })).toMatchObject({ unchanged: 2, changed: 1 });
    const record = (await store.loadInfos([idOf(same)])).get(idOf(same));
    expect(record?.sha256).toBe(createHash('sha256').update('BBBB').digest('hex'));
  });

  it('keeps every file name byte for byte, and each file its own record', async () => {
    const special = [
      '\u{1F600}',
      'new\nline',
      `"quoted' \\ back`,
      '%s $1 {}',
      ' ',
      '\u202e',
      'x'.repeat(255),
      '\u{10FFFF}',
      '..a',
      'é',
      'e\u0301',
    ];
    const odd = [[0xff], [0xfe], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0x80, 0x62], Array.from({ length: 255 }, () => 0xff)];
    const byte = fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f);
    const name = fc.array(byte, { minLength: 1, maxLength: 255 }).map((bytes) => Buffer.from(bytes));
    const names = fc.array(name, { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(names, async (drawn) => {
        const folder = mkdtempSync(at('names-'));
        const given = drawn.filter((bytes) => !['.', '..'].includes(bytes.toString('latin1')));
        for (const bytes of given) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), bytes]), '');
        const expected = new Set(given.map((bytes) => `${folder}/${bytes.toString('latin1')}`));
        const report = await indexTree(folder, { store });
        expect(report).toMatchObject({ inserted: expected.size, skipped: [] });
        const listed = await store.listBelow(`${folder}/`, { limit: 1_000 });
        expect(new Set(listed.map((entry) => bytesOfRecord(entry).toString('latin1')))).toEqual(expected);
        expect(await indexTree(folder, { store, prune: true })).toMatchObject({ unchanged: expected.size, pruned: 0 });
      }),
      { numRuns: 15, examples: [[[...special.map((text) => Buffer.from(text)), ...odd.map((bytes) => Buffer.from(bytes))]]] },
    );
  });

  it('indexes a root whose own path is not UTF-8', async () => {
    const folder = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]);
    mkdirSync(folder);
    const file = Buffer.concat([folder, Buffer.from('/inner.txt')]);
    writeFileSync(file, 'x');
    expect(await indexTree(folder, { store })).toMatchObject({ inserted: 1 });
    rmSync(file);
    expect(await indexTree(folder, { store, prune: true })).toMatchObject({ pruned: 1 });
  });

  it.skipIf(!existsSync('/dev/shm'))('records 2^53 - 1 bytes exactly, and skips a file of one more with the reason', async () => {
    const shm = mkdtempSync('/dev/shm/forebay-test-');
    try {
      execFileSync('truncate', ['-s', '9007199254740991', path.join(shm, 'largest')]);
      execFileSync('truncate', ['-s', '9007199254740992', path.join(shm, 'larger')]);
      const report = await indexTree(shm, { store });
      expect(report).toMatchObject({ inserted: 1, skippedByReason: { 'too-large': 1 } });
      expect(report.skipped).toEqual([
        { path: path.join(shm, 'larger'), reason: 'too-large', detail: expect.stringContaining('9007199254740992 bytes') },
      ]);
      const id = idOf(path.join(shm, 'largest'));
      expect((await store.loadInfos([id])).get(id)?.size).toBe(Number.MAX_SAFE_INTEGER);
    } finally {
      rmSync(shm, { recursive: true });
    }
  });

  it('skips symbolic links, pipes and excluded folders, and counts them', async () => {
    write('real');
    write('private/secret');
    symlinkSync('real', at('link'));
    symlinkSync('.', at('loop'));
    execFileSync('mkfifo', [at('pipe')]);
    const report = await index({ exclude: [at('private')] });
    expect(report).toMatchObject({ files: 1, folders: 1 });
    expect(reasons(report)).toEqual({ symlink: 2, 'not-a-file': 1, excluded: 1 });
    expect(await countFiles(root, { exclude: [at('private')] })).toBe(1);
  });

  it('follows links out of the tree when asked, each folder once, and reports loops and broken links', async () => {
    const outside = path.join(dir.path, 'outside');
    mkdirSync(path.join(outside, 'deep'), { recursive: true });
    writeFileSync(path.join(outside, 'o.txt'), '');
    writeFileSync(path.join(outside, 'deep', 'd.txt'), '');
    symlinkSync('..', path.join(outside, 'deep', 'up'));
    write('r.txt');
    symlinkSync(outside, at('out1'));
    symlinkSync(outside, at('out2'));
    symlinkSync(path.join(outside, 'o.txt'), at('linked.txt'));
    symlinkSync('r.txt', at('again.txt'));
    symlinkSync('.', at('self'));
    symlinkSync('nowhere', at('broken'));
    symlinkSync('ring-b', at('ring-a'));
    symlinkSync('ring-a', at('ring-b'));
    const report = await index({ followSymlinks: true });
    expect((await all()).map((record) => record.name).toSorted()).toEqual(['d.txt', 'linked.txt', 'o.txt', 'r.txt']);
    expect(reasons(report)).toEqual({ 'symlink-loop': 4, 'already-indexed': 2, 'broken-symlink': 1 });
    expect(await index({ followSymlinks: true, prune: true })).toMatchObject({ unchanged: 4, pruned: 0 });
  });

  it('reports files that vanish between listing and looking, and goes on', async () => {
    for (let n = 0; n < 6; n += 1) write(`f${n}`);
    const report = await index({
      batchSize: 1,
      onProgress: ({ files }) => {
        if (files === 1) for (let n = 0; n < 6; n += 1) rmSync(at(`f${n}`), { force: true });
      },
    });
    expect(report.skippedByReason.vanished).toBeGreaterThanOrEqual(3);
    expect(report.files + (report.skippedByReason.vanished ?? 0)).toBe(6);
  });

  it('reports a folder whose path is too long for the system and indexes the rest', async () => {
    write('plain');
    const deep = `for (let n = 0; n < 18; n += 1) { fs.mkdirSync('d'.repeat(250)); process.chdir('d'.repeat(250)); } fs.writeFileSync('deepest', '')`;
    execFileSync(process.execPath, ['-e', deep], { cwd: root });
    try {
      const report = await index();
      expect(report).toMatchObject({ files: 1, skippedByReason: { 'unreadable-folder': 1 } });
      expect(report.skipped[0]?.detail).toContain('ENAMETOOLONG');
    } finally {
      // The tests' own clean-up works with full paths, and cannot remove it.
      execFileSync('rm', ['-rf', root]);
    }
  });

  it('counts the records of vanished files, and deletes them only when asked to prune', async () => {
    for (const name of ['stay', 'go', 'sub/gone', 'sub/deeper/gone']) write(name);
    await index();
    const elsewhere = await store.create({ path: at('made-by-a-client'), size: 1, ownerId: 'me' });
    const moved = await store.update(idOf(at('sub/deeper/gone')), { path: '/renamed/by/a/user' });
    rmSync(at('go'));
    rmSync(at('sub'), { recursive: true });
    writeFileSync(at('sub'), 'now a file');
    expect(await index()).toMatchObject({ gone: 2, pruned: 0 });
    const changed: FileId[] = [];
    expect(await index({ prune: true, onChanged: (ids) => void changed.push(...ids) })).toMatchObject({ gone: 0, pruned: 2 });
    expect(changed.toSorted()).toEqual([idOf(at('go')), idOf(at('sub/gone'))].toSorted());
    expect((await all()).map((record) => record.path).toSorted()).toEqual([at('made-by-a-client'), at('stay'), at('sub')].toSorted());
    expect((await store.loadInfos([elsewhere.id, moved.id])).size).toBe(2);
  });

  it('prunes below the root only, and what is excluded or reached through a link by now', async () => {
    for (const name of ['inside/a', 'hidden/b', 'linked/c', 'sibling/d']) write(name);
    await index();
    rmSync(at('sibling/d'));
    rmSync(at('inside/a'));
    execFileSync('mv', [at('linked'), path.join(dir.path, 'target')]);
    symlinkSync(path.join(dir.path, 'target'), at('linked'));
    expect(await indexTree(at('inside'), { store, prune: true })).toMatchObject({ pruned: 1 });
    expect(await index({ prune: true, exclude: [at('hidden')] })).toMatchObject({ pruned: 3, files: 0 });
  });

  it('prunes nothing below a folder that could not be read in this run', async () => {
    const id = idOf(write('sub/file'));
    for (let n = 0; n < 6; n += 1) write(`f${n}`);
    await index();
    const report = await index({
      prune: true,
      batchSize: 1,
      // While the root is read, the folder turns into a link to itself (ELOOP), as a broken mount would fail.
      onProgress: ({ files }) => {
        if (files !== 1) return;
        rmSync(at('sub'), { recursive: true, force: true });
        symlinkSync('sub', at('sub'));
      },
      // Before pruning it is there again, empty: only the failed reading says that the file may still exist.
      onSkipped: () => {
        rmSync(at('sub'));
        mkdirSync(at('sub'));
      },
    });
    expect(report).toMatchObject({ pruned: 0, gone: 0, skippedByReason: { 'unreadable-folder': 1 } });
    expect((await store.loadInfos([id])).size).toBe(1);
    expect(await index({ prune: true })).toMatchObject({ pruned: 1 });
  });

  it('stops between batches when its signal is raised: what was written stays, nothing else comes', async () => {
    for (let n = 0; n < 40; n += 1) write(`f${n}`);
    const stop = new AbortController();
    const reason = new Error('stopped by the test');
    const stopped = index({
      batchSize: 5,
      signal: stop.signal,
      onChanged: () => stop.abort(reason),
    });
    await expect(stopped).rejects.toBe(reason);
    expect(await all()).toHaveLength(5);
    expect(await index()).toMatchObject({ inserted: 35, unchanged: 5 });
  });

  it('lists the first 100 skips of a reason, counts them all and tells each', async () => {
    for (let n = 0; n < 130; n += 1) symlinkSync('nowhere', at(`link${n}`));
    let told = 0;
    const report = await index({ onSkipped: () => (told += 1) });
    expect(report.skipped).toHaveLength(100);
    expect(report.skippedByReason).toEqual({ symlink: 130 });
    expect(told).toBe(130);
  });

  it.each([
    [{}, 'nowhere', 'root'],
    [{}, 'a-file', 'root'],
    [{ batchSize: 0 }, '.', 'batchSize'],
    [{ tags: Array.from({ length: 33 }, String) }, '.', 'tags'],
    [{ ownerId: '' }, '.', ''],
  ])('refuses %j on %s, naming the field', async (options, name, field) => {
    write('a-file');
    await expect(indexTree(at(name), { store, ...options })).rejects.toMatchObject({ code: 'INPUT_INVALID', field });
  });
});
