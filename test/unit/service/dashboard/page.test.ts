import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COLUMNS } from '../../../../src/service/dashboard/history.ts';
import { explainEntry } from '../../../../src/service/dashboard/page/explain-entry.js';
import { bytes, count, duration, percent } from '../../../../src/service/dashboard/page/format.js';
import { History } from '../../../../src/service/dashboard/page/history.js';

const page = new URL('../../../../src/service/dashboard/page/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, page), 'utf8');

describe('numbers on the page', () => {
  it('have three digits and a unit that fits them', () => {
    expect([0, 0.25, 3, 12.34, 480, 1234, 12_345, 2_500_000, null].map(count)).toEqual([
      '0',
      '0.25',
      '3',
      '12.3',
      '480',
      '1,234',
      '12.3k',
      '2.5M',
      '–',
    ]);
    const plain = (text: string): string => text.replaceAll('\u00A0', ' ');
    expect([0, 0.0002, 0.431, 12, 640.4, 1500, 65_000, 150_000, 7_200_000, 259_200_000].map((ms) => plain(duration(ms)))).toEqual([
      '0 ms',
      '0.20 µs',
      '431 µs',
      '12 ms',
      '640 ms',
      '1.5 s',
      '65 s',
      '2.5 min',
      '2 h',
      '3 days',
    ]);
    expect([0, 0.5, 0.7213, 0.9999, 1].map((share) => plain(percent(share)))).toEqual(['0 %', '50 %', '72.1 %', '> 99.9 %', '100 %']);
    expect([0, 1023, 1_572_864, 268_435_456].map((n) => plain(bytes(n)))).toEqual(['0 B', '1 KiB', '1.5 MiB', '256 MiB']);
  });
});

describe('the answer of the look-up in words', () => {
  const held = { state: 'fresh', absent: false, version: 17, ageMs: 12_000, ttlLeftMs: 48_000, bytes: 412, tags: [] } as const;
  const nothing = { key: 'file:info:{x}', local: { state: 'none' }, remote: { state: 'none' }, flight: null, lease: null } as const;
  const say = (changes: object): { headline: string; lines: string[] } => {
    const { headline, lines } = explainEntry(Object.assign({}, nothing, changes), 1000);
    return { headline, lines: lines.map((line) => line.replaceAll('\u00A0', ' ')) };
  };

  it('says where it is, how old, with which TTL, and until when it may be served', () => {
    expect(say({ local: { ...held, tags: [] } })).toEqual({
      headline: 'A read now: process memory would answer with version 17.',
      lines: [
        'Process memory holds version 17, loaded 12 s ago (412 B). It may be served for 48 s more, unless the file changes: its TTL is 60 s.',
        'Redis holds nothing of it.',
      ],
    });
    expect(say({ remote: held }).headline).toBe('A read now: Redis would answer with version 17.');
    expect(say({}).headline).toBe('A read now: no cache would answer, the database would be asked.');
    expect(say({ local: { ...held, absent: true } }).headline).toContain('there is no such file');
  });

  it.each([
    ['its time is over', { ...held, state: 'stale', ttlLeftMs: -3000 }, /refused: its TTL ended 3 s ago/],
    ['nothing proves it fresh', { ...held, state: 'stale' }, /refused: it is not proven that nothing has changed in the last 1 s/],
    ['a tag of it was invalidated', { ...held, state: 'invalidated' }, /refused: one of its tags, or everything, was invalidated/],
    ['Redis is not asked', { state: 'unavailable', reason: 'breaker' }, /could not be asked: its breaker lets no call pass/],
    ['Redis lacks changes', { state: 'unavailable', reason: 'unverified' }, /could not be asked: it has not heard of every change yet/],
  ])('says why it would be refused: %s', (_why, remote, says) => {
    const { headline, lines } = say({ remote });
    expect(lines[1]).toMatch(says);
    expect(headline).toContain('the database would be asked');
  });

  it('tells of a load under way and of who may fill it', () => {
    const { headline, lines } = say({
      flight: { ageMs: 20, waiters: 3, tainted: true },
      lease: { holder: 'a', leftMs: 300 },
    });
    expect(headline).toContain('it is already');
    expect(lines[2]).toMatch(/loading it for 20 ms; 3 callers wait\. A change met it/);
    expect(lines[3]).toMatch(/fill it in Redis for 300 ms more/);
  });
});

describe('what the charts are drawn from', () => {
  it('has the columns that the service sends, and no others', () => {
    expect(Object.keys(new History().columns).toSorted()).toEqual(Object.keys(COLUMNS).toSorted());
  });

  it('is gathered by minutes for who reads it as a table', () => {
    const history = new History();
    const at = [60_000, 90_000, 120_000, 150_000];
    const none = at.map(() => null);
    history.replace({ ...Object.fromEntries(Object.keys(COLUMNS).map((name) => [name, none])), at, local: [1, 3, 10, null] } as never);
    expect(history.minutes(['local'])).toEqual([
      { at: 120_000, values: [{ mean: 10, highest: 10 }] },
      { at: 60_000, values: [{ mean: 2, highest: 3 }] },
    ]);
  });
});

describe('the colours', () => {
  /** `name -> [light, dark]`, from the custom properties. */
  const colors = new Map(
    [...read('page.css').matchAll(/--([\w-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)/g)].map(([, name = '', light = '', dark = '']) => [
      name,
      [light, dark] as const,
    ]),
  );

  function luminance(hex: string): number {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  /** By WCAG 2.2. */
  function contrast(a: string, b: string): number {
    const [low = 0, high = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  }

  const onSurfaces = (...names: string[]): [string, string][] =>
    names.flatMap((name) => [[name, 'surface'] as [string, string], [name, 'page']]);
  const text: [string, string][] = [
    ...onSurfaces('ink', 'muted', 'accent', 'good', 'warn', 'bad'),
    ['on-accent', 'accent'],
    ...['ok-page', 'warn-page', 'bad-page', 'lost-page'].map((back): [string, string] => ['ink', back]),
    ['good', 'ok-page'],
    ['warn', 'warn-page'],
    ['bad', 'bad-page'],
  ];
  const shapes: [string, string][] = [
    ['soft', 'surface'],
    ['control', 'surface'],
    ['control', 'page'],
  ];

  it('are known to this test, each of those that text or a line has', () => {
    const used = new Set([...read('page.css').matchAll(/(?<![-\w])color: var\(--([\w-]+)\)/g)].map(([, name]) => name));
    expect(used.size).toBeGreaterThan(5);
    for (const name of used) expect(text.map(([front]) => front)).toContain(name);
    expect(colors.size).toBeGreaterThan(15);
  });

  it.each(['light', 'dark'] as const)(
    '%s: text stands out from what is behind it by 4.5, lines and edges of controls by 3 (WCAG AA)',
    (theme) => {
      const of = (name: string): string => colors.get(name)?.[theme === 'light' ? 0 : 1] ?? '';
      const pairs = [
        ...text.map(([front, back]) => [front, back, 4.5] as const),
        ...shapes.map(([front, back]) => [front, back, 3] as const),
      ];
      expect(
        pairs
          .filter(([front, back, least]) => !(contrast(of(front), of(back)) >= least))
          .map(([front, back]) => [front, back, contrast(of(front), of(back))]),
      ).toEqual([]);
    },
  );

  it('would be found too faint', () => {
    expect(contrast('#ffffff', '#000000')).toBeCloseTo(21);
    expect(contrast('#a0a0a0', '#ffffff')).toBeLessThan(3);
  });
});

describe('the files of the page', () => {
  const names = readdirSync(page).filter((name) => !name.endsWith('.d.ts'));

  it('ask nobody else for anything, and hold nothing inline', () => {
    for (const name of names) {
      const code = read(name).replaceAll('http://www.w3.org/2000/svg', '');
      expect([name, /https?:|\/\/[a-z]+\.[a-z]/.test(code)]).toEqual([name, false]);
      if (name.endsWith('.html')) expect(code).not.toMatch(/<style|style=|<script(?![^>]*src=)|\son\w+=/);
      expect([name, /innerHTML|outerHTML|insertAdjacentHTML|eval\(/.test(code)]).toEqual([name, false]);
    }
  });

  it('are all handed out by the service', () => {
    const routes = readFileSync(new URL('../page-routes.ts', page), 'utf8');
    for (const name of names) expect(routes).toContain(`'${name}'`);
  });

  it('move nothing for whoever wants no motion', () => {
    const css = read('page.css');
    const outside = css.slice(0, css.indexOf('prefers-reduced-motion: no-preference'));
    expect(outside).not.toMatch(/transition|animation/);
  });
});
