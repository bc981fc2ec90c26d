import { expect, test } from 'vitest';
import { entryOf } from '../../../src/postgres/change-log.ts';

const CHANGE = { caches: ['file:info'], ids: ['a'], tags: [], everything: false, purge: false };
const EVERYTHING = { number: 7, keys: [], buckets: [], all: true, purge: true, unreadable: true };

test('the changes of one entry are put together', () => {
  expect(entryOf(7, [CHANGE, { ...CHANGE, caches: ['file:info', 'file:meta'], ids: ['a', 'b'], purge: true }])).toEqual({
    number: 7,
    keys: ['file:info:{a}', 'file:info:{b}', 'file:meta:{a}', 'file:meta:{b}'],
    buckets: [],
    all: false,
    purge: true,
  });
});

test.each<[string, unknown]>([
  ['a field that this version does not know', [{ ...CHANGE, prefixes: ['/archive/'] }]],
  ['such a field in one change of several', [CHANGE, { ...CHANGE, kind: 2 }, CHANGE]],
  ['a field less', [{ caches: ['file:info'], ids: ['a'], tags: [], everything: false }]],
  ['another field instead of one', [{ caches: ['file:info'], keys: ['a'], tags: [], everything: false, purge: false }]],
  ['a field of another type', [{ ...CHANGE, ids: 'a' }]],
  ['a list of other things', [{ ...CHANGE, ids: [{ from: 'a', to: 'b' }] }]],
  ['a flag that is none', [{ ...CHANGE, everything: 'files' }]],
  ['a field by the name of one that every object has', [{ caches: [], ids: [], tags: [], everything: false, toString: false }]],
  ['no list', { v: 2, changes: [CHANGE] }],
  ['no object', ['file:info:{a}']],
  ['nothing', null],
])('an entry with %s is read as "everything": it may name records of which this version knows nothing', (_, changes) => {
  expect(entryOf(7, changes)).toEqual(EVERYTHING);
});
