import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  absolute,
  bytesOfRecord,
  isAtOrBelow,
  isBelow,
  joined,
  nameOf,
  parentOf,
  pathId,
  pathText,
} from '../../../../src/files/index-tree/path-bytes.ts';
import { fileId } from '../../../../src/files/records.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

describe('the id of a path', () => {
  test('never changes from one version of Forebay to the next', () => {
    expect(pathId(bytes('/etc/hosts'))).toBe('6fa62f71-3fc4-5d29-8fa6-fba317373cb7');
  });

  test('is a UUID of version 5 for any bytes, and differs where the bytes differ', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (one, other) => {
        const id = pathId(Buffer.from(one));
        expect(fileId(id)).toBe(id);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(id === pathId(Buffer.from(other))).toBe(Buffer.compare(one, other) === 0);
      }),
    );
  });

  test('is the one that RFC 9562 prescribes for the namespace', () => {
    const namespace = Buffer.from('7afa56dd6431430396e2388d2543354d', 'hex');
    const digest = createHash('sha1').update(namespace).update('/a').digest('hex');
    expect(pathId(bytes('/a')).replaceAll('-', '').slice(0, 12)).toBe(digest.slice(0, 12));
  });
});

describe('a path as text', () => {
  test('comes back to the same bytes, and has `pathBytes` exactly where text cannot hold it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (drawn) => {
        const given = Buffer.from(drawn);
        const text = pathText(given);
        expect(bytesOfRecord(text).equals(given)).toBe(true);
        expect(text.path.isWellFormed()).toBe(true);
        expect(text.pathBytes !== undefined).toBe(!Buffer.from(given.toString('utf8')).equals(given));
      }),
    );
  });
});

describe('parts of paths', () => {
  test('a sibling whose name begins the same is not below a folder', () => {
    expect(isBelow(bytes('/a/b'), bytes('/a'))).toBe(true);
    expect(isBelow(bytes('/ab'), bytes('/a'))).toBe(false);
    expect(isBelow(bytes('/a'), bytes('/a'))).toBe(false);
    expect(isAtOrBelow(bytes('/a'), bytes('/a'))).toBe(true);
    expect(isBelow(bytes('/a'), bytes('/'))).toBe(true);
  });

  test('the root of the system has no doubled slash below it', () => {
    expect(joined(bytes('/'), bytes('a')).toString()).toBe('/a');
    expect(parentOf(bytes('/a')).toString()).toBe('/');
    expect(parentOf(bytes('/a/b')).toString()).toBe('/a');
    expect(nameOf(bytes('/a/b')).toString()).toBe('b');
  });

  test('slashes at the end and relative parts are gone from an absolute path', () => {
    expect(absolute('/a/b/../c/').toString()).toBe('/a/c');
    expect(absolute(bytes('/a//')).toString()).toBe('/a');
    expect(absolute(bytes('/')).toString()).toBe('/');
    expect(absolute('x').toString()).toBe(`${process.cwd()}/x`);
  });
});
