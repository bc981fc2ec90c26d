import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame } from '../../../../src/cli/top/frame.ts';
import { widthOf } from '../../../../src/cli/top/cells.ts';
import { liveSchema } from '../../../../src/cli/top/live-schema.ts';
import { paint } from '../../../../src/cli/top/paint.ts';
import { View } from '../../../../src/cli/top/view.ts';
import { Sampler } from '../../../../src/service/dashboard/sampler.ts';
import { calmVitals } from '../../../support/vitals.ts';

const ESC = String.fromCodePoint(0x1b);

/** A view of what the service really tells, by the way that it takes. */
function viewOf({ events = 3, tag = 'owner:ann', url = 'http://127.0.0.1:7070' } = {}): View {
  const snapshot = new Sampler().see({ now: 1000, wallNow: 1_700_000_000_000, vitals: calmVitals(), http: { requests: 0, failed: 0 } });
  const told = Array.from({ length: events }, (_, i) => ({
    number: i + 1,
    at: 1_700_000_000_000,
    kind: 'redis',
    level: 'warning',
    text: `Event ${i} ${tag}`,
  }));
  const view = new View(url, 1000);
  view.begin(liveSchema.parse(JSON.parse(JSON.stringify({ snapshot, events: told }))), 1000);
  view.hot = { keys: [{ id: '018f4e9a-1b2c-7d3e-8f40-123456789abc', cache: 'info', reads: 12 }], tags: [{ tag, reads: 34 }] };
  return view;
}

const linesOf = (view: View, columns: number, rows: number, now = 1000): string[] =>
  frame(view, { columns, rows, now }).map((line) => paint(line, columns, false));

test('whatever the size, no line is wider and no frame is higher than the terminal', () => {
  const view = viewOf({ events: 30, tag: '日本語のタグ'.repeat(8) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 80 }), (columns, rows) => {
      const lines = linesOf(view, columns, rows);
      expect(lines.length).toBeLessThanOrEqual(rows);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    }),
  );
});

test('on 80 x 24 there is everything: rates, hit ratio, latency, staleness, outbox, database, Redis, memory, keys, tags and events', () => {
  const text = linesOf(viewOf(), 80, 24).join('\n');
  for (const word of [
    'reads/s',
    'hit ratio',
    'latency',
    'staleness',
    'outbox',
    'database',
    'Redis',
    'memory',
    '018f4e9a-1b2c-7d3e-8f40-123456789abc',
    'owner:ann',
    'Event 2',
  ])
    expect(text).toContain(word);
});

test('numbers that are old are told to be, and a service that is gone, with why and when it is asked again', () => {
  const view = viewOf();
  expect(linesOf(view, 120, 24, 2500).join('\n')).not.toContain('numbers are old');
  expect(linesOf(view, 120, 24, 3000).join('\n')).toContain('No news for 2 s: the numbers are old.');
  view.link = { state: 'lost', why: 'ECONNREFUSED', nextAt: 6000 };
  expect(linesOf(view, 120, 24, 5000)[1]).toBe('The service is gone (ECONNREFUSED): the numbers are 4 s old. It is asked again in 1 s.');
  view.link = { state: 'lost', why: 'ECONNREFUSED', nextAt: null };
  expect(linesOf(view, 120, 24, 5000)[1]).toContain('It is being asked again.');
});

test('colours are escapes, and without colours there is none', () => {
  const view = viewOf();
  const painted = (color: boolean): string =>
    frame(view, { columns: 100, rows: 40, now: 1000 })
      .map((line) => paint(line, 100, color))
      .join('\n');
  expect(painted(true)).toContain(`${ESC}[33m`);
  expect(painted(false)).not.toContain(ESC);
});

test('without the token it says what hot keys need', () => {
  const view = viewOf();
  view.hot = 'token';
  expect(linesOf(view, 100, 40).join('\n')).toContain('Hot keys and tags need the token of the service');
});
