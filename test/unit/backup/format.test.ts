import { describe, expect, test } from 'vitest';
import { compressionsHere, defaultCompression } from '../../../src/backup/compress.ts';
import type { Compression } from '../../../src/backup/format.ts';
import { LIMITS } from '../../../src/backup/format.ts';
import type { BackedUpEntry } from '../../../src/backup/lines.ts';
import { Lines, linesOf, readEntryLine, readPopularLine } from '../../../src/backup/lines.ts';
import type { Frame, ReadOptions } from '../../../src/backup/reader.ts';
import { readBackup } from '../../../src/backup/reader.ts';
import { sumOf } from '../../../src/backup/sum.ts';
import { BackupWriter } from '../../../src/backup/writer.ts';
import { ForebayError } from '../../../src/core/errors.ts';

const FACTS = {
  createdAt: '2026-01-02T03:04:05.678Z',
  forebay: '0.1.0',
  source: { topology: 'standalone', keyPrefix: '' },
  caches: ['file:info', 'file:meta'],
  database: { epoch: 'e1', number: 7, timeline: '00000001' },
  expected: 12,
};
const ENTRIES: readonly BackedUpEntry[] = [
  { key: 'a', version: 17, ttlLeftMs: 3_600_000, json: Buffer.from('{"id":"a","version":17,"name":"é \\n"}') },
  { key: 'b', version: 0, ttlLeftMs: 12, json: null },
];
const POPULAR = { cache: 'file:info', key: 'a', heat: 81_234.567_890_123 };

const linesWith = (...entries: readonly BackedUpEntry[]): Lines => {
  const made = new Lines();
  for (const entry of entries) expect(made.addEntry(entry)).toBe(true);
  return made;
};
const popular = (): Lines => {
  const made = new Lines();
  made.addPopular(POPULAR);
  return made;
};

async function pieces(compression: Compression = defaultCompression()): Promise<Buffer[]> {
  const writer = new BackupWriter(compression);
  return [
    writer.header(FACTS),
    await writer.popular(popular()),
    await writer.entries('file:info', linesWith(...ENTRIES), 1_767_322_000_000),
    await writer.entries('file:meta', linesWith(...ENTRIES), 1_767_322_000_001),
    writer.end(),
  ];
}

async function* inParts(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, options: ReadOptions & { size?: number } = {}): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readBackup(inParts(bytes, options.size ?? 4096), options)) frames.push(frame);
  return frames;
}

/** Why it is refused; fails when it is not. */
async function refusal(bytes: Buffer, options?: ReadOptions): Promise<string> {
  const error = await read(bytes, options).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ForebayError)) throw new Error(`it was read: ${String(error)}`);
  expect(error.code).toBe('BACKUP_INVALID');
  return error.message;
}

describe('a backup that was written', () => {
  test.each(compressionsHere())('is read as it was, compressed by %s, however its bytes come', async (compression) => {
    const bytes = Buffer.concat(await pieces(compression));
    for (const size of [1, 7, 4096]) {
      const frames = await read(bytes, { size });
      expect(frames.map(({ kind }) => kind)).toEqual(['header', 'popular', 'entries', 'entries', 'end']);
      expect(frames[0]?.head).toMatchObject({ ...FACTS, compression });
      expect(frames[4]?.head).toMatchObject({ entries: { 'file:info': 2, 'file:meta': 2 }, popular: 1 });
      expect(Buffer.concat(frames.map(({ encoded }) => encoded))).toEqual(bytes);
      const [, hot, entries] = frames;
      if (hot?.kind !== 'popular' || entries?.kind !== 'entries') throw new Error('other pieces');
      expect((await linesOf(hot.head, hot.payload, compression)).map(readPopularLine)).toEqual([POPULAR]);
      expect((await linesOf(entries.head, entries.payload, compression)).map(readEntryLine)).toEqual(ENTRIES);
      expect(entries.head).toMatchObject({ cache: 'file:info', at: 1_767_322_000_000 });
    }
  });

  test('lets every line be read as JSON', () => {
    expect(
      String(linesWith(...ENTRIES).take().text)
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      ['a', 17, 3_600_000, { id: 'a', version: 17, name: 'é \n' }],
      ['b', 0, 12, null],
    ]);
  });

  test('has no entry whose key or size is none of ours', () => {
    const [entry] = ENTRIES as [BackedUpEntry];
    for (const key of ['', 'a"b', 'a\\b', 'a\nb', 'é', 'x'.repeat(300)]) expect(new Lines().addEntry({ ...entry, key })).toBe(false);
    expect(new Lines().addEntry({ ...entry, json: Buffer.from('{"a":\n1}') })).toBe(false);
    expect(new Lines().addEntry({ ...entry, json: Buffer.alloc(LIMITS.lineBytes, '1') })).toBe(false);
  });
});

describe('a backup is refused', () => {
  test('cut off anywhere', async () => {
    const bytes = Buffer.concat(await pieces());
    for (let length = 0; length < bytes.length; length += 1)
      expect(await refusal(bytes.subarray(0, length)), `${length} bytes`).toMatch(length < 17 ? /no backup of Forebay/ : /ends early/);
  });

  test('with any one byte changed', async () => {
    const bytes = Buffer.concat(await pieces());
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(await refusal(changed), `byte ${at}`).toMatch(/damaged|no backup|ends early|has the format/);
    }
  });

  test('with a chunk taken out, doubled, moved, or of another backup', async () => {
    const [header, popular, info, meta, end] = (await pieces()) as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const [, , other] = (await pieces()) as [Buffer, Buffer, Buffer];
    expect(await refusal(Buffer.concat([header, popular, meta, end]))).toContain('chunk 2 is missing');
    expect(await refusal(Buffer.concat([header, popular, info, info, meta, end]))).toContain('chunk 3 is missing');
    expect(await refusal(Buffer.concat([header, info, popular, meta, end]))).toContain('chunk 1 is missing');
    expect(await refusal(Buffer.concat([header, popular, other, meta, end]))).toContain('of another backup');
    expect(await refusal(Buffer.concat([header, header.subarray(17), popular]))).toContain('second header');
    expect(await refusal(Buffer.concat([header.subarray(0, 17), popular]))).toContain('does not begin with its header');
    expect(await refusal(Buffer.concat([header, popular, info, meta, end, end]))).toContain('follows its end');
  });

  test('of another format or kind, with what to do', async () => {
    expect(await refusal(Buffer.from('forebay-backup 2\n'))).toContain('has the format 2, and this version reads 1');
    expect(await refusal(Buffer.from('PK\u0003\u0004 something else, and long enough to be no first line'))).toBe(
      'this is no backup of Forebay',
    );
    expect(await refusal(Buffer.from(''))).toBe('this is no backup of Forebay');
    const [header] = (await pieces()) as [Buffer];
    const kind = Buffer.from('{"kind":"later","bytes":0}');
    const later = Buffer.concat([Buffer.from(`${sumOf(kind, Buffer.alloc(0))} `), kind, Buffer.from('\n')]);
    expect(await refusal(Buffer.concat([header, later]))).toContain('a kind that this version does not know');
  });

  test('that broke off when it was made, with the reason', async () => {
    const writer = new BackupWriter('none');
    const bytes = Buffer.concat([writer.header(FACTS), writer.failed(new ForebayError('REDIS_UNAVAILABLE', 'Redis went away'))]);
    expect(await refusal(bytes)).toBe('the backup broke off when it was made: REDIS_UNAVAILABLE: Redis went away');
  });

  test('with a chunk that says it is larger than any, before memory is taken for it', async () => {
    const head = Buffer.from(`{"kind":"entries","bytes":${LIMITS.rawBytes + 1}}`);
    const [header] = (await pieces()) as [Buffer];
    expect(await refusal(Buffer.concat([header, Buffer.from(`${'0'.repeat(32)} `), head, Buffer.from('\n')]))).toContain('damaged');
  });
});

test('parts of a backup are read without the others, and are as little believed', async () => {
  const [header, , info, meta] = (await pieces()) as [Buffer, Buffer, Buffer, Buffer];
  expect((await read(Buffer.concat([header, meta]), { partial: true })).map(({ kind }) => kind)).toEqual(['header', 'entries']);
  expect(await refusal(Buffer.concat([header, info.subarray(0, -1)]), { partial: true })).toContain('ends early');
  expect(await refusal(info, { partial: true })).toContain('no backup');
  expect(await refusal(Buffer.alloc(0), { partial: true })).toContain('no backup');
});

test('a chunk that unpacks to more than it says, or less, is refused without unpacking it whole', async () => {
  const bomb = await new BackupWriter('gzip').entries(
    'file:info',
    linesWith({ key: 'a', version: 1, ttlLeftMs: 1, json: Buffer.alloc(LIMITS.chunkBytes - 11, 'a') }),
    0,
  );
  const payload = bomb.subarray(bomb.indexOf('\n') + 1);
  const chunk = { n: 1, raw: 1000, lines: 1 };
  await expect(linesOf(chunk, payload, 'gzip')).rejects.toMatchObject({
    code: 'BACKUP_INVALID',
    message: expect.stringContaining('cannot be unpacked'),
  });
  await expect(linesOf({ ...chunk, raw: LIMITS.rawBytes }, payload, 'gzip')).rejects.toMatchObject({ code: 'BACKUP_INVALID' });
  await expect(linesOf({ ...chunk, raw: LIMITS.chunkBytes, lines: 2 }, payload, 'gzip')).rejects.toMatchObject({
    code: 'BACKUP_INVALID',
  });
  expect(await linesOf({ ...chunk, raw: LIMITS.chunkBytes }, payload, 'gzip')).toHaveLength(1);
});

test.each(['["a",1,2,{}', '["a",-1,2,{}]', '["a",1,{}]', '{}', ''])('%s is no entry', (line) => {
  expect(() => readEntryLine(Buffer.from(line))).toThrow(/an entry is none/);
});

test.each(['["a","b"]', '["a","b",null]', '[1,"b",2]', 'null', '{'])('%s is no popular key', (line) => {
  expect(() => readPopularLine(Buffer.from(line))).toThrow(/a popular key is none/);
});
