import type { BigIntStats } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordOf } from '../../../../src/files/index-tree/describe.ts';
import { newFileSchema } from '../../../../src/files/records.ts';
import type { IndexedFile } from '../../../../src/files/store.ts';

const PATH = Buffer.from('/data/a.txt');
const stats = (more: Partial<Record<'size' | 'mtimeNs' | 'birthtimeNs', bigint>> = {}): BigIntStats =>
  ({ isFile: () => true, uid: 7n, size: 1n, mtimeNs: 0n, birthtimeNs: 0n, ...more }) as BigIntStats;
const record = (given: BigIntStats, path = PATH) => recordOf(path, given, { tags: [], ownerId: undefined });

describe('the record of a file', () => {
  test('holds 2^53 - 1 bytes exactly; one more is refused with the size named', () => {
    expect(record(stats({ size: 2n ** 53n - 1n }))).toMatchObject({ size: Number.MAX_SAFE_INTEGER });
    expect(record(stats({ size: 2n ** 53n }))).toEqual({ reason: 'too-large', detail: expect.stringContaining('9007199254740992 bytes') });
  });

  test('keeps microseconds of the time of change, rounded down before 1970 too', () => {
    expect(record(stats({ mtimeNs: 1_234_567_890_123_456_789n }))).toMatchObject({
      modifiedAt: '2009-02-13T23:31:30.123456Z',
      updatedAt: '2009-02-13T23:31:30.123Z',
    });
    expect(record(stats({ mtimeNs: -1n }))).toMatchObject({ modifiedAt: '1969-12-31T23:59:59.999999Z' });
  });

  test('has times that are RFC 3339, in order, for any time that a file system may hold', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
        fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
        (mtimeNs, birthtimeNs) => {
          const { createdAt, updatedAt, modifiedAt } = record(stats({ mtimeNs, birthtimeNs })) as IndexedFile;
          expect(modifiedAt).toMatch(/^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
          expect(new Date(updatedAt).toISOString()).toBe(updatedAt);
          expect(createdAt <= updatedAt).toBe(true);
        },
      ),
    );
  });

  test('refuses a path above the limit of a record', () => {
    expect(record(stats(), Buffer.from(`/${'d/'.repeat(2_050)}f`))).toMatchObject({ reason: 'too-long' });
  });

  test('is one that clients could have given too', () => {
    const { id, name, path, size, mimeType, ownerId, tags } = record(stats()) as IndexedFile;
    expect(newFileSchema.parse({ id, name, path, size, mimeType, ownerId, tags })).toMatchObject({
      id,
      ownerId: 'uid:7',
      mimeType: 'text/plain',
    });
  });
});
