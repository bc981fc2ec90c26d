import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configOptions } from '../../../src/service/config.ts';
import { settingsTables } from '../../../src/service/config/document.ts';
import { PROBLEMS } from '../../../src/service/problem.ts';

const path = (name: string): URL => new URL(`../../../docs/${name}`, import.meta.url);
const read = (name: string): string => readFileSync(path(name), 'utf8');

describe('docs/configuration.md', () => {
  it('has the tables that the settings give', () => {
    const text = read('configuration.md');
    const expected = text.replace(
      /(<!-- settings:begin -->\n)[^]*(<!-- settings:end -->)/,
      (_all, begin: string, end: string) => `${begin}\n${settingsTables(configOptions)}\n\n${end}`,
    );
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(path('configuration.md'), expected);
    expect(read('configuration.md')).toBe(expected);
    for (const { flag, env } of configOptions) expect(expected).toMatch(new RegExp(`\`${flag}[ \`].*\`${env}\``));
  });
});

describe('docs/errors.md', () => {
  const source = readFileSync(new URL('../../../src/core/errors.ts', import.meta.url), 'utf8');
  const libraryCodes = [...(/export type ErrorCode =([^;]+);/.exec(source)?.[1] ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
  const sections = [...read('errors.md').matchAll(/^### (\w+)\n\n(.+)/gm)].map(([, code = '', text = '']) => ({ code, text }));

  it('has one section with a text for each code, and none for others', () => {
    expect(libraryCodes.length).toBeGreaterThan(10);
    expect(Object.keys(PROBLEMS)).toEqual(expect.arrayContaining(libraryCodes));
    expect(sections.map(({ code }) => code).toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
  });

  it('gives the status that the service answers with', () => {
    for (const { code, text } of sections) {
      const said = /^HTTP (\d{3})/.exec(text)?.[1];
      // Codes that end a start-up never reach a client.
      if (said === undefined) expect([code, PROBLEMS[code as keyof typeof PROBLEMS].status]).toEqual([code, 500]);
      else expect([code, PROBLEMS[code as keyof typeof PROBLEMS].status]).toEqual([code, Number(said)]);
    }
  });
});
