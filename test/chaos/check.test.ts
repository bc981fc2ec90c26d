import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Findings, Window } from './check.ts';
import { check } from './check.ts';
import { History } from './history.ts';
import type { ReadNote, WriteNote } from './logs.ts';
import { ABSENT, FAILED, ReadLog } from './logs.ts';
import { markFor } from './protocol.ts';
import type { Sighting } from './witness.ts';

const KEY = 3;
const WRITER = 1;
const FIRST = markFor(0, KEY);
const mark = (count: number): number => markFor(WRITER, count);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'forebay-check-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Version 1 is there from the start. */
const first: Sighting = { key: KEY, version: 1, mark: FIRST, beforeAt: 0, seenAt: 0 };

function update(count: number, version: number, committedAt: number): WriteNote[] {
  const write = mark(count);
  return [
    { step: 'begun', write, key: KEY, kind: 'update', at: committedAt - 5 },
    { step: 'committed', write, at: committedAt },
    { step: 'done', write, at: committedAt + 5, version },
  ];
}

const read = (version: number, markRead: number, beganAt: number, endedAt = beganAt + 1): ReadNote => ({
  key: KEY,
  version,
  mark: markRead,
  beganAt,
  endedAt,
});

function find(
  notes: readonly WriteNote[],
  reads: readonly ReadNote[],
  more: { sightings?: Sighting[]; away?: Window[]; writer?: number; settledAt?: number } = {},
): Findings {
  const readLog = path.join(mkdtempSync(path.join(dir, 'log-')), 'reads');
  const log = new ReadLog(readLog);
  for (const note of reads) log.add(note);
  log.close();
  const history = new History(notes, [first, ...(more.sightings ?? [])], 10);
  const logs = [{ process: 0, writer: more.writer ?? 9, readLog }];
  return check({ history, logs, boundMs: 1000, settledAt: more.settledAt ?? 0, faults: [], frozen: [], databaseAway: more.away ?? [] });
}

describe('the checker', () => {
  test('before all have settled, small staleness is not counted, and a broken bound is', () => {
    const reads = [read(1, FIRST, 1200), read(1, FIRST, 2500), read(1, FIRST, 3200)];
    const found = find(update(1, 2, 1000), reads, { settledAt: 3000 });
    expect(found.stale).toEqual({ over0: 1, over10: 1, over100: 1, over1000: 2, overBound: 2 });
  });

  test('a read is as stale as the oldest newer state that it missed', () => {
    const found = find([...update(1, 2, 1000), ...update(2, 3, 5000)], [read(1, FIRST, 5500)]);
    expect(found.worstMs).toBe(4500);
    expect(found.stale).toEqual({ over0: 1, over10: 1, over100: 1, over1000: 1, overBound: 1 });
  });

  test('a read that began before the commit was known owes nothing, however late it ended', () => {
    expect(find(update(1, 2, 1000), [read(1, FIRST, 999, 9000)]).stale.over0).toBe(0);
  });

  test('the newest state is never stale', () => {
    expect(find(update(1, 2, 1000), [read(2, mark(1), 99_000)])).toMatchObject({ worstMs: 0, ghosts: 0, backward: 0 });
  });

  test('a commit that only the witness saw counts from when it saw it', () => {
    const begun: WriteNote = { step: 'begun', write: mark(1), key: KEY, kind: 'update', at: 100 };
    const seen: Sighting = { key: KEY, version: 2, mark: mark(1), beforeAt: 390, seenAt: 400 };
    expect(find([begun], [read(1, FIRST, 2000)], { sightings: [seen] }).worstMs).toBe(1600);
  });

  test('a change that only a tag tells of counts from its invalidation, not from when the witness saw it', () => {
    const begun: WriteNote = { step: 'begun', write: mark(1), key: KEY, kind: 'update', at: 100, told: 'tag' };
    const notes = [begun, ...update(1, 2, 3000).slice(1)];
    const seen: Sighting = { key: KEY, version: 2, mark: mark(1), beforeAt: 390, seenAt: 400 };
    expect(find(notes, [read(1, FIRST, 3500)], { sightings: [seen] }).worstMs).toBe(500);
  });

  test('a read that comes after a newer one of the same process went back in time', () => {
    const reads = [read(2, mark(1), 1001), read(1, FIRST, 1003)];
    expect(find(update(1, 2, 1000), reads).backward).toBe(1);
  });

  test('reads that overlap have no order', () => {
    const reads = [read(2, mark(1), 1001, 1005), read(1, FIRST, 1003, 1006)];
    expect(find(update(1, 2, 1000), reads).backward).toBe(0);
  });

  test('a value that was rolled back, of another key, or of nobody never existed', () => {
    const rolledBack: WriteNote[] = [
      { step: 'begun', write: mark(1), key: KEY, kind: 'update', at: 100 },
      { step: 'rolledBack', write: mark(1), at: 200 },
      { step: 'begun', write: mark(2), key: KEY + 1, kind: 'update', at: 100 },
    ];
    const reads = [
      read(2, mark(1), 300),
      read(3, mark(2), 300),
      read(4, mark(77), 300),
      read(7, FIRST, 300),
      read(ABSENT, Number.NaN, 300),
    ];
    expect(find(rolledBack, reads).ghosts).toBe(5);
  });

  test('a process has to read what it was told that it wrote, from that moment on', () => {
    const reads = [read(1, FIRST, 1004), read(1, FIRST, 1006)];
    expect(find(update(1, 2, 1000), reads, { writer: WRITER }).ownMissed).toBe(1);
    expect(find(update(1, 2, 1000), reads).ownMissed).toBe(0);
  });

  test('an absence is newer than what was deleted and older than what was made after', () => {
    const notes: WriteNote[] = [
      { step: 'begun', write: mark(1), key: KEY, kind: 'delete', at: 900, version: 1 },
      { step: 'done', write: mark(1), at: 1000, version: 1 },
      { step: 'begun', write: mark(2), key: KEY, kind: 'create', at: 1990 },
      { step: 'done', write: mark(2), at: 2000, version: 2 },
    ];
    expect(find(notes, [read(1, FIRST, 1200)]).worstMs).toBe(200);
    expect(find(notes, [read(ABSENT, Number.NaN, 2300)]).worstMs).toBe(300);
    expect(find(notes, [read(ABSENT, Number.NaN, 1200), read(2, mark(2), 2300)])).toMatchObject({ worstMs: 0, backward: 0, ghosts: 0 });
  });

  test('an error is honest only where the database was away', () => {
    const away = [{ process: 0, from: 1000, to: 2000 }];
    const found = find([], [read(FAILED, Number.NaN, 500), read(FAILED, Number.NaN, 1500)], { away });
    expect(found.errors).toEqual({ allowed: 1, other: 1 });
  });
});
