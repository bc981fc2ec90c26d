import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHECKS } from '../../../src/doctor/checks.ts';
import { CHECK_GROUPS } from '../../../src/doctor/report.ts';

const PAGE = new URL('../../../docs/doctor.md', import.meta.url);

const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = [
  '| check | whether | why it matters | what mends it |',
  '| --- | --- | --- | --- |',
  ...CHECKS.map(({ name, asks, why, mends }) => `| \`${name}\` | ${[asks, why, mends].map(cell).join(' | ')} |`),
].join('\n');

test('docs/doctor.md has a row for each check, as the code has it (UPDATE_DOCS=1 writes it)', () => {
  const text = readFileSync(PAGE, 'utf8');
  const expected = text.replace(
    /(<!-- checks:begin -->\n)[^]*(<!-- checks:end -->)/,
    (_all, begin: string, end: string) => `${begin}\n${table}\n\n${end}`,
  );
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(PAGE, expected);
  expect(readFileSync(PAGE, 'utf8')).toBe(expected);
  expect(expected).toContain('| `loop.lag` |');
});

test('checks are in the order of their groups, each with a name of its own, after what they need', () => {
  const names = CHECKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const groups = names.map((name) => CHECK_GROUPS.findIndex((group) => name.startsWith(`${group}.`)));
  expect(groups).toEqual(groups.toSorted((a, b) => a - b));
  for (const [at, { needs = [] }] of CHECKS.entries()) for (const need of needs) expect(names.slice(0, at)).toContain(need);
});
