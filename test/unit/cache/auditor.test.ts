import { expect, test } from 'vitest';
import type { AuditedCache, SampledEntry, StaleFinding } from '../../../src/cache/auditor.ts';
import { Auditor } from '../../../src/cache/auditor.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const BOUND_MS = 1000;

function open(entries: Map<string, number | null>, source: Map<string, number>) {
  const clock = new FakeClock();
  const found: StaleFinding[] = [];
  let away = false;
  const entry = (key: string): SampledEntry | undefined => {
    const version = entries.get(key);
    return version === undefined ? undefined : { key, version };
  };
  const cache: AuditedCache = {
    name: 'row',
    sample: (most) => [...entries.keys()].slice(0, most).flatMap((key) => entry(key) ?? []),
    holds: entry,
  };
  const auditor = new Auditor({
    targets: [{ cache, versions: async () => (away ? Promise.reject(new Error('away')) : new Map(source)) }],
    perSecond: 10,
    maxStalenessMs: BOUND_MS,
    clock,
    onStale: (finding) => found.push(finding),
  });
  return { clock, auditor, found, setAway: (is: boolean) => (away = is) };
}

test('an entry that differs within the bound and is then forgotten is not stale', async () => {
  const entries = new Map<string, number | null>([['a', 1]]);
  const { clock, auditor, found } = open(entries, new Map([['a', 2]]));
  await clock.pass(1000);
  entries.set('a', 2);
  await clock.pass(3000);
  expect(auditor.counts).toMatchObject({ stale: 0, worstAgeMs: 0 });
  expect(auditor.counts.checked).toBeGreaterThan(1);
  expect(found).toEqual([]);
});

test('an entry that is still served longer than the bound after the source was seen to differ is told once, and its age grows', async () => {
  const { clock, auditor, found } = open(new Map([['a', 1]]), new Map([['a', 2]]));
  await clock.pass(1000);
  expect(auditor.counts.stale).toBe(0);
  await clock.pass(2000);
  expect(found).toEqual([{ cache: 'row', key: 'a', held: 1, current: 2, ageMs: 2000 }]);
  await clock.pass(3000);
  expect(found).toHaveLength(1);
  expect(auditor.counts).toMatchObject({ stale: 1, worstAgeMs: 5000 });
});

test('a record that is gone, and one that is there though its absence is kept, are differences too', async () => {
  const { clock, found } = open(
    new Map<string, number | null>([
      ['a', 1],
      ['b', null],
    ]),
    new Map([['b', 3]]),
  );
  await clock.pass(4000);
  expect(found.map(({ key, held, current }) => [key, held, current])).toEqual([
    ['a', 1, null],
    ['b', null, 3],
  ]);
});

test('a source that does not answer is counted and asked again', async () => {
  const { clock, auditor, setAway } = open(new Map([['a', 1]]), new Map([['a', 1]]));
  setAway(true);
  await clock.pass(2000);
  expect(auditor.counts).toMatchObject({ checked: 0, failed: 2 });
  setAway(false);
  await clock.pass(1000);
  expect(auditor.counts.checked).toBe(1);
  auditor.close();
  await clock.pass(5000);
  expect(auditor.counts.checked).toBe(1);
  expect(clock.timers).toBe(0);
});
