import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketOf } from '../../../../src/cache/reuse-histogram.ts';
import { buildReport } from '../../../../src/metrics/report/build.ts';
import type { EfficiencyReport } from '../../../../src/metrics/report/efficiency-report.ts';
import { bytes, count, duration, percent } from '../../../../src/metrics/report/format.ts';
import { REPORT_COLOURS } from '../../../../src/metrics/report/html-style.ts';
import { reportHtml } from '../../../../src/metrics/report/html.ts';
import { markup } from '../../../../src/metrics/report/svg.ts';
import { reportText, sparkline } from '../../../../src/metrics/report/text.ts';
import { cacheOf, reuseOf, snapshotOf, START } from './world.ts';

const EVIL = '</code><script>alert("1")</script>\u001b[2J\u0007&amp;\u202e';

function busyReport(name = 'file 7'): EfficiencyReport {
  const cache = cacheOf({
    lookups: { localHit: 9000, remoteHit: 600, loaded: 400 },
    reuse: reuseOf(1000, [bucketOf(100), 6000], [bucketOf(900), 3000]),
    taken: {
      local: { count: 9000, ms: 9 },
      remote: { count: 600, ms: 300 },
      source: { count: 400, ms: 2000 },
      load: { count: 100, ms: 400 },
    },
    loads: { calls: 100, keys: 400, refused: 0, timedOut: 0, failed: 0 },
    hot: { keys: [{ key: name, reads: 500, error: 0 }], tags: [{ key: name, reads: 900, error: 0 }] },
  });
  Object.assign(cache.counts.remoteReads, { served: 600, missed: 400, bytes: 180_000 });
  const remote = { reuse: reuseOf(400, [bucketOf(2000), 600]), servers: { keys: 20_000, usedBytes: 30e6, maxBytes: 60e6, evicted: 3 } };
  return buildReport(null, snapshotOf(100_000, [cache], remote), { periodMs: null, startedAt: { now: 5000, at: START } });
}

/** Text between tags, and values of attributes: what a page shows. */
const shown = (html: string): string => html.replaceAll(/<style>[^]*?<\/style>/g, '').replaceAll(/<[^>]*>/g, ' ');

describe('numbers for people', () => {
  test.each([
    [bytes(0), '0 B'],
    [bytes(1023), '1023 B'],
    [bytes(1024 ** 2 - 1), '1 MiB'],
    [bytes(128 * 1024 ** 2), '128 MiB'],
    [bytes(1536), '1.5 KiB'],
    [bytes(null), '–'],
    [count(12_345), '12,345'],
    [count(999_949), '999,949'],
    [count(1_234_567), '1.23 M'],
    [count(2.345), '2.35'],
    [count(0), '0'],
    [duration(0.000_34), '0.34 µs'],
    [duration(0.34), '340 µs'],
    [duration(12.54), '12.5 ms'],
    [duration(999.6), '1 s'],
    [duration(61_000), '61 s'],
    [duration(7_199_000), '120 min'],
    [duration(86_400_000), '24 h'],
    [duration(3 * 86_400_000), '3 d'],
    [percent(0.94), '94.0 %'],
    [percent(null), '–'],
  ])('%s is %s', (text, expected) => expect(text).toBe(expected));
});

describe('the text', () => {
  test('without a terminal has no escape sequence and nothing but ASCII in its charts, and the numbers of the report', () => {
    const text = reportText(busyReport(), { fancy: false });
    expect(text).not.toContain('\u001b');
    expect(text).not.toMatch(/[\u2580-\u259f]/);
    expect(text).toMatch(/process memory +#{27}\.{3} +90\.0 % +9,000/);
    expect(text).toMatch(/\d+ KiB +#+\.+ +\d+\.\d % {2}now \(measured 90\.0 %\)/);
    expect(text).toContain('recommended');
    expect(text).toMatch(/file 7 +500 +5\.0 % {2}file:info/);
  });

  test('for a terminal has colours and block characters', () => {
    const text = reportText(busyReport(), { fancy: true });
    expect(text).toContain('\u001b[1m');
    expect(text).toContain('█');
    expect(sparkline([0, 0.5, 1, 2, -1])).toBe('▁▅██▁');
  });

  test('no name of a key or tag can move the cursor or turn the writing', () => {
    const text = reportText(busyReport(EVIL), { fancy: false });
    expect(text).toContain('</code><script>alert("1")</script>?[2J?&amp;?');
    expect(/\p{Cc}|\p{Cf}/u.test(text.replaceAll('\n', ''))).toBe(false);
  });

  test('keeps its sentences within the width', () => {
    const lines = reportText(busyReport(), { fancy: false, width: 60 }).split('\n');
    const from = lines.findIndex((line) => line.startsWith('- '));
    for (const line of lines.slice(from, lines.indexOf('Reads'))) expect(line.length).toBeLessThanOrEqual(60);
  });
});

describe('the page', () => {
  test('shows a name as it is and lets nothing of it be markup', () => {
    const html = reportHtml(busyReport(EVIL));
    expect(html).not.toContain('<script');
    expect(html).toContain('&lt;/code&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;\uFFFD[2J\uFFFD&amp;amp;');
  });

  test('no text leaves the place that it is put into', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const html = markup`<p title="${text}">${text}</p>`.text;
        expect(html.match(/[<>]/g)).toEqual(['<', '>', '<', '>']);
        expect(html.match(/"/g)).toEqual(['"', '"']);
        expect(html.isWellFormed()).toBe(true);
      }),
    );
  });

  test('asks no network for anything and runs no script', () => {
    const html = reportHtml(busyReport());
    expect(html).not.toMatch(
      /\b(?:src|href|srcset|action)\s*=|url\(|@import|<(?:script|link|iframe|img|object|embed)\b|\son\w+=|\sstyle=/i,
    );
    expect(html).not.toMatch(/https?:/);
  });

  test('has the numbers of the report and a plot for each tier', () => {
    const html = reportHtml(busyReport());
    expect(html.match(/<polyline class="curve"/g)).toHaveLength(2);
    for (const text of ['90.0 %', '9,000', '57.2 MiB', 'file 7']) expect(shown(html)).toContain(text);
    expect(shown(reportHtml(buildReport(null, snapshotOf(1000, []), { periodMs: null, startedAt: { now: 0, at: START } })))).toContain(
      'Nothing was read.',
    );
  });

  test('opens and closes its elements in order', () => {
    const open: string[] = [];
    for (const [, close, name = '', empty] of reportHtml(busyReport(EVIL)).matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
      if (close === '/') expect(open.pop()).toBe(name);
      else if (empty !== '/' && name !== 'meta') open.push(name);
    }
    expect(open).toEqual([]);
  });

  const luminance = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  /** WCAG 2.2's contrast of two colours. */
  const contrast = (one: string, other: string): number => {
    const [light, dark] = [luminance(one), luminance(other)].toSorted((a, b) => b - a) as [number, number];
    return (light + 0.05) / (dark + 0.05);
  };

  test.each(Object.entries(REPORT_COLOURS))('has the contrast of WCAG AAA for text and AA for what is drawn, %s', (_, colours) => {
    for (const text of [colours.text, colours.quiet]) expect(contrast(text, colours.ground)).toBeGreaterThanOrEqual(7);
    for (const drawn of [colours.local, colours.remote, colours.source, colours.other]) {
      expect(contrast(drawn, colours.ground)).toBeGreaterThanOrEqual(3);
      expect(contrast(drawn, colours.grid)).toBeGreaterThanOrEqual(3);
    }
  });
});
