import { expect, test } from 'vitest';
import type { LogEntry } from '../../../src/cache/change-log.ts';
import { LogTags } from '../../../src/cache/log-tags.ts';
import { UNKNOWN_POINT } from '../../../src/cache/tags.ts';

const EPOCH = 'e1';
const entry = (number: number, more: Partial<LogEntry> = {}): LogEntry => ({
  number,
  keys: [],
  buckets: [],
  all: false,
  purge: false,
  ...more,
});
const at = (stamp: number, generation = EPOCH) => ({ generation, stamp });

function begun(number: number): LogTags {
  const tags = new LogTags();
  tags.begin(EPOCH, number);
  return tags;
}

test('before this process follows the log, nothing is good, not even what was loaded then', () => {
  const tags = new LogTags();
  expect([tags.behind, tags.isGood(tags.point, []), tags.isGood(at(1), [])]).toEqual([true, false, false]);
  tags.begin(EPOCH, 3);
  expect([tags.behind, tags.isGood(UNKNOWN_POINT, []), tags.isGood(at(3), [1])]).toEqual([false, false, true]);
});

test('an entry bars what was loaded before it and carries one of its buckets, and nothing else', () => {
  const tags = begun(3);
  tags.follow(entry(4, { buckets: [1, 4095] }));
  expect(tags.point).toEqual(at(4));
  expect([tags.isGood(at(3), [7, 1]), tags.isGood(at(3), [4095]), tags.isGood(at(3), [7]), tags.isGood(at(3), [])]).toEqual([
    false,
    false,
    true,
    true,
  ]);
  expect([tags.isGood(at(4), [1]), tags.isGood(at(9), [1])]).toEqual([true, true]);
});

test('an entry of everything bars all that was loaded before it', () => {
  const tags = begun(3);
  tags.follow(entry(4, { all: true }));
  expect([tags.isGood(at(3), []), tags.isGood(at(4), [1])]).toEqual([false, true]);
});

test('stamps of before come by merging and never go back', () => {
  const tags = begun(9);
  expect(tags.isGood(at(1), [1])).toBe(true);
  tags.follow(entry(10, { buckets: [2] }));
  tags.merge([
    [1, 5],
    [2, 6],
    [4096, 9],
  ]);
  tags.merge([[1, 4]]);
  expect([tags.isGood(at(4), [1]), tags.isGood(at(5), [1]), tags.isGood(at(9), [2]), tags.isGood(at(10), [2])]).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

test('a restart bars all that was loaded before it; another history bars everything', () => {
  const tags = begun(3);
  tags.follow(entry(4, { buckets: [1] }));
  tags.restart(EPOCH, 8);
  expect([tags.point, tags.isGood(at(7), []), tags.isGood(at(8), [1])]).toEqual([at(8), false, true]);
  tags.begin('e2', 2);
  expect([tags.isGood(at(9), []), tags.isGood(at(2, 'e2'), [1]), tags.isGood(at(1, 'e2'), [])]).toEqual([false, true, true]);
});

test('a bucket that does not exist comes from damaged bytes and is never good', () => {
  expect(begun(3).isGood(at(3), [4096])).toBe(false);
});

test('changes grow with what may bar something, and with nothing else', () => {
  const tags = begun(3);
  const grows = (change: () => void): boolean => {
    const before = tags.changes;
    change();
    return tags.changes > before;
  };
  expect(grows(() => tags.follow(entry(4, { keys: ['f:{1}'] })))).toBe(false);
  expect(grows(() => tags.follow(entry(5, { buckets: [1] })))).toBe(true);
  expect(grows(() => tags.follow(entry(6, { all: true })))).toBe(true);
  expect(grows(() => tags.merge([]))).toBe(true);
  expect(grows(() => tags.restart(EPOCH, 9))).toBe(true);
});
