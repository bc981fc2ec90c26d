import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import type { Trace } from '../../../../src/cli/bench/trace-file.ts';
import { readTrace } from '../../../../src/cli/bench/trace-file.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'forebay-trace-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const never = new AbortController().signal;
const read = (bytes: string | Buffer): Promise<Trace> => {
  const file = path.join(dir, 'trace');
  writeFileSync(file, bytes);
  return readTrace(file, never);
};
const integers = (...keys: number[]): Buffer => {
  const bytes = Buffer.alloc(keys.length * 4);
  for (const [i, key] of keys.entries()) bytes.writeInt32BE(key, i * 4);
  return bytes;
};

test.each([
  ['text', 'b\na\nb\n'],
  ['text without a last line feed', 'b\na\nb'],
  ['text of another system', 'b\r\na\r\nb\r\n'],
  ['text with wide characters', 'schlüssel 1\n日本\nschlüssel 1\n'],
  ['compressed text', gzipSync('b\na\nb\n')],
  ['integers', integers(70_000, 3, 70_000)],
  ['compressed integers', gzipSync(integers(70_000, 3, 70_000))],
])('%s gives its keys numbered by their first appearance', async (_, bytes) => {
  expect(await read(bytes)).toEqual({ reads: Int32Array.of(0, 1, 0), keys: 2, isCut: false });
});

test('a recorded trace of the repository is read whole', async () => {
  const trace = await readTrace(fileURLToPath(new URL('../../../support/traces/web12.trace.gz', import.meta.url)), never);
  expect({ reads: trace.reads.length, keys: trace.keys }).toEqual({ reads: 95_607, keys: 13_756 });
});

test('keys may lie across the pieces that a file comes in', async () => {
  const text = Array.from({ length: 30_000 }, (_, i) => `key ${i % 1000}`).join('\n');
  const trace = await read(text);
  expect({ reads: trace.reads.length, keys: trace.keys, last: trace.reads[29_999] }).toEqual({ reads: 30_000, keys: 1000, last: 999 });
});

/** The same with a stretch in its middle overwritten. */
const damaged = (bytes: Buffer): Buffer => bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 50);

test.each([
  ['an empty file', '', 'it has no keys'],
  ['an empty line', 'a\n\nb\n', 'line 2 is empty'],
  [
    'a line that is no text',
    Buffer.concat([Buffer.from('a\nb'), Buffer.alloc(64, 'x'), Buffer.from([10, 99, 7, 10])]),
    'line 3 holds bytes that are no text',
  ],
  ['bytes that are no UTF-8', Buffer.from([97, 10, 255, 254, 10]), 'line 2 holds bytes that are no text'],
  ['a line that is too long', `a\n${'x'.repeat(300)}\n`, 'line 2 is longer than 256 bytes'],
  ['a file without line feeds', 'x'.repeat(300_000), 'is longer than 256 bytes'],
  ['integers that end in the middle', integers(1, 2).subarray(0, 7), 'it ends in the middle of a key: 3 bytes'],
  ['gzip that ends in the middle', gzipSync('a\nb\n'.repeat(5000)).subarray(0, 40), 'the gzip data are not whole'],
  [
    'gzip that is damaged',
    damaged(gzipSync(Array.from({ length: 3000 }, (_, n) => `key ${(n * 7919) % 3001}\n`).join(''))),
    'its gzip data are damaged',
  ],
])('%s is refused, with where and why', async (_, bytes, words) => {
  await expect(read(bytes)).rejects.toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining(words) });
});

test.each([
  ['a file that is not there', 'none', 'there is no such file'],
  ['a folder', '.', 'it is a folder'],
])('%s is refused', async (_, name, words) => {
  await expect(readTrace(path.join(dir, name), never)).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringContaining(words),
  });
});
