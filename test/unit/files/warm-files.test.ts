import { beforeEach, expect, test } from 'vitest';
import { Pacer } from '../../../src/cache/pacer.ts';
import { ROUNDS } from '../../../src/cache/rounds.ts';
import { WARMING } from '../../../src/cache/warming.ts';
import { ForebayError } from '../../../src/core/errors.ts';
import { parseCondition } from '../../../src/files/condition/parse.ts';
import type { FileCaches } from '../../../src/files/file-caches.ts';
import type { FileFinder } from '../../../src/files/finder.ts';
import type { FileId } from '../../../src/files/records.ts';
import { fileId } from '../../../src/files/records.ts';
import type { FilesWarmed, WarmedSoFar, WarmFilesOptions } from '../../../src/files/warm-files.ts';
import { WARM_FILES, warmFiles } from '../../../src/files/warm-files.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const id = (n: number): FileId => fileId(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);
const ids = (from: number, to: number): FileId[] => Array.from({ length: to - from + 1 }, (_, n) => id(from + n));

let clock: FakeClock;
/** Keys that are in the cache, and how often each that cannot be brought in yet still fails. */
let stored: Set<string>;
let failing: Map<string, number>;
let sizes: number[];
let pages: FileId[][];
let about: number | null;

beforeEach(() => {
  clock = new FakeClock();
  stored = new Set();
  failing = new Map();
  sizes = [];
  pages = [];
  about = null;
});

/** As much of a cache as warming asks for. */
const cache = {
  isStored: (keys: readonly FileId[]) => Promise.resolve(keys.map((key) => stored.has(key))),
  warm: (keys: readonly FileId[]) => {
    sizes.push(keys.length);
    const result = { present: 0, absent: 0, failed: 0, loaded: 0 };
    for (const key of keys) {
      const left = failing.get(key) ?? 0;
      if (left > 0) {
        failing.set(key, left - 1);
        result.failed += 1;
        continue;
      }
      result.present += 1;
      if (!stored.has(key)) result.loaded += 1;
      stored.add(key);
    }
    return Promise.resolve(result);
  },
};
const finder: FileFinder = {
  find: (_, { after }) => {
    const at = after === null || after === undefined ? 0 : pages.findIndex((page) => page.at(-1) === after) + 1;
    const page = pages[at] ?? [];
    return Promise.resolve({ ids: page, seen: page.length, last: at + 1 < pages.length ? (page.at(-1) ?? null) : null });
  },
  about: () => Promise.resolve(about),
};

async function warmed(
  what: Parameters<typeof warmFiles>[1],
  options: Partial<WarmFilesOptions> = {},
): Promise<FilesWarmed & { tookMs: number }> {
  const startedAt = clock.now();
  const parts = {
    caches: { info: cache, meta: cache } as unknown as FileCaches,
    finder,
    pacer: new Pacer({ clock, isUp: () => true }),
    clock,
  };
  const ended: { result?: FilesWarmed; thrown?: unknown } = {};
  void warmFiles(parts, what, {
    limit: Number.MAX_SAFE_INTEGER,
    meta: false,
    dryRun: false,
    signal: new AbortController().signal,
    onProgress: () => {},
    ...options,
  }).then(
    (result) => Object.assign(ended, { result }),
    (thrown: unknown) => Object.assign(ended, { thrown }),
  );
  const isUnderWay = (): boolean => ended.result === undefined && ended.thrown === undefined;
  for (let turns = 0; isUnderWay() && turns < 5000; turns += 1) await clock.pass(10);
  if (ended.result === undefined) throw ended.thrown ?? new Error('it does not end');
  return { ...ended.result, tookMs: clock.now() - startedAt };
}

const everything = { condition: parseCondition('size >= 0') };

test('files that are found go in rounds, and how far it is follows the walk', async () => {
  pages = [ids(1, 1200), ids(1201, 1300)];
  about = 1300;
  stored = new Set(ids(1, 100));
  const told: WarmedSoFar[] = [];
  const { outcome, counts } = await warmed(everything, { onProgress: (progress) => void told.push(progress) });
  expect({ outcome, counts }).toEqual({
    outcome: 'done',
    counts: { done: 1300, loaded: 1200, found: 100, absent: 0, failed: 0, missing: 0, share: 1 },
  });
  expect(sizes).toEqual([500, 500, 200, 100]);
  expect(told.map(({ share }) => Number((share ?? 0).toFixed(2)))).toEqual([0.38, 0.77, 0.92, 0.99]);
});

test('rounds of which something failed are smaller, and gone through again when leases that were lost have ended', async () => {
  pages = [ids(1, 1000)];
  for (const key of ids(1, 3)) failing.set(key, 1);
  const { outcome, counts, tookMs } = await warmed(everything);
  expect(sizes).toEqual([500, 250, 250, 500]);
  expect({ outcome, counts }).toMatchObject({ outcome: 'done', counts: { done: 1000, loaded: 1000, found: 0, failed: 0 } });
  expect(tookMs).toBeGreaterThanOrEqual(WARMING.betweenPassesMs);
});

test('what fails in all passes has failed', async () => {
  pages = [ids(1, 20)];
  failing.set(id(7), 10);
  expect(await warmed(everything)).toMatchObject({ outcome: 'done', counts: { done: 20, loaded: 19, found: 0, failed: 1 } });
  expect(failing.get(id(7))).toBe(10 - WARM_FILES.passes);
});

test('of files by id those that failed are named and left to the caller, at once', async () => {
  failing.set(id(600), 1);
  const { outcome, counts, missed, tookMs } = await warmed({ ids: ids(1, 700) });
  expect({ outcome, counts, missed: missed.length }).toMatchObject({ outcome: 'done', counts: { done: 500, failed: 0 }, missed: 200 });
  expect(tookMs).toBeLessThan(WARMING.betweenPassesMs);
});

test('where nothing can be brought in it gives up, and says so', async () => {
  for (const key of ids(1, 5000)) failing.set(key, 100);
  const { outcome, counts } = await warmed({ ids: ids(1, 5000) });
  expect({ outcome, counts }).toMatchObject({ outcome: 'failed', counts: { loaded: 0 } });
  expect(sizes).toHaveLength(ROUNDS.maxBad);
});

test('a limit counts files, and a dry run loads none', async () => {
  pages = [ids(1, 400), ids(401, 900)];
  expect(await warmed(everything, { limit: 450, meta: true })).toMatchObject({ outcome: 'done', counts: { done: 900 } });
  const before = stored.size;
  expect(await warmed(everything, { dryRun: true })).toMatchObject({ counts: { done: 900, found: 450, missing: 450, loaded: 0 } });
  expect(stored.size).toBe(before);
});

test('called off it says what was done', async () => {
  const stop = new AbortController();
  pages = [ids(1, 400), ids(401, 900)];
  const { outcome, counts } = await warmed(everything, {
    signal: stop.signal,
    onProgress: () => stop.abort(new ForebayError('CLOSED', 'told to')),
  });
  expect({ outcome, counts }).toMatchObject({ outcome: 'stopped', counts: { done: 400, loaded: 400 } });
});
