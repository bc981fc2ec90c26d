import { expect, test } from 'vitest';
import { DoctorText } from '../../../src/cli/doctor-text.ts';
import type { CheckReport } from '../../../src/doctor/report.ts';
import { reportOn } from '../../../src/doctor/report.ts';

const ok: CheckReport = { check: 'database.reach', group: 'database', status: 'ok', said: 'it answers', findings: [], tookMs: 3 };
const bad: CheckReport = {
  check: 'database.durability',
  group: 'database',
  status: 'error',
  said: 'commits may be lost',
  findings: [{ severity: 'error', what: 'fsync is off', why: 'a commit is a commit', mend: 'alter system reset fsync' }],
  tookMs: 2,
};
const left: CheckReport = { check: 'redis.reach', group: 'redis', status: 'skipped', said: 'none is wanted', findings: [], tookMs: 0 };
const MORE = { dryRun: false, stopped: false, tookMs: 1234 };

test('checks are lines under the heading of their group, with what is amiss, why, and what mends it below', () => {
  const text = new DoctorText(false);
  expect([ok, bad, left].flatMap((check) => text.check(check))).toEqual([
    'Database',
    '  ok       database.reach          it answers',
    '  error    database.durability     commits may be lost',
    '    error: fsync is off',
    '      why:  a commit is a commit',
    '      mend: alter system reset fsync',
    '',
    'Redis',
    '  skipped  redis.reach             none is wanted',
  ]);
  expect(text.summary(reportOn([ok, bad, left], MORE))).toEqual(['', '2 checks in 1.2 s, 1 skipped: 1 error, 0 warnings']);
});

test('the last line says when all is well, when nothing was written and when it was stopped', () => {
  const text = new DoctorText(false);
  const last = (more: Partial<typeof MORE>): string | undefined => text.summary(reportOn([ok], { ...MORE, ...more })).at(-1);
  expect(last({})).toBe('1 check in 1.2 s, 0 skipped: nothing amiss');
  expect(last({ dryRun: true })).toMatch(/^Nothing was written \(--dry-run\): 1 check/);
  expect(last({ stopped: true })).toMatch(/^It was stopped before its end: 1 check/);
});

test('colours are for those alone who asked for them', () => {
  const escape = '\u001b';
  const lines = (fancy: boolean): string => [bad, left].flatMap((check) => new DoctorText(fancy).check(check)).join('\n');
  expect(lines(false)).not.toContain(escape);
  expect(lines(true)).toContain(`${escape}[31merror`);
});
