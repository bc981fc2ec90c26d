import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { clean, cleanJson, cut, padded, widthOf } from '../../../../src/cli/top/cells.ts';

const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '\u001b',
      '\u009b',
      '\r',
      '\n',
      '\t',
      '\0',
      '\u007f',
      '\u202e',
      '\u2066',
      '\u2028',
      '\ud800',
      '日',
      'é',
      'e\u0301',
      '👩‍👩‍👧',
      'a',
    ),
    fc.string({ unit: 'binary', maxLength: 2 }),
  ),
  maxLength: 60,
});

test('nothing that a terminal acts on is left in text from elsewhere', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(clean(text)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      expect(clean(text).isWellFormed()).toBe(true);
    }),
  );
  expect(clean('a\u001b[2Jb')).toBe('a\ufffd[2Jb');
  expect(clean('日本 é ß 100 %')).toBe('日本 é ß 100 %');
});

test('JSON for a terminal holds none of it either, and reads back as it was', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(cleanJson({ text })).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      expect(JSON.parse(cleanJson({ text }))).toEqual({ text });
    }),
  );
});

test('a text that was cut never takes more cells than it may, and a padded one takes as many, but for half a wide character', () => {
  fc.assert(
    fc.property(hostile, fc.nat({ max: 40 }), (text, width) => {
      expect(widthOf(cut(clean(text), width))).toBeLessThanOrEqual(width);
      expect(widthOf(padded(clean(text), width))).toBe(width);
    }),
  );
});

test.each([
  ['plain', 5],
  ['日本語', 6],
  ['한국', 4],
  ['e\u0301a', 2],
  ['👩‍👩‍👧', 2],
  ['🇩🇪', 2],
  ['ｆｕｌｌ', 8],
  ['…–µ§', 4],
])('%s takes %d cells', (text, width) => {
  expect(widthOf(text)).toBe(width);
});

test('what is cut off is told', () => {
  expect(cut('abcdef', 4)).toBe('abc…');
  expect(cut('日本語', 4)).toBe('日…');
  expect(cut('abc', 3)).toBe('abc');
  expect(cut('abc', 0)).toBe('');
});
