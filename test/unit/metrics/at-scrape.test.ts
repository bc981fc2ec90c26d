import { Registry } from 'prom-client';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Histogram, LATENCY_BOUNDS_MS } from '../../../src/cache/latency.ts';
import { noRecorder, TTL_BOUNDS_MS } from '../../../src/cache/recorder.ts';
import type { Sample } from '../../../src/metrics/at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, histogramAtScrape, oncePerScrape, one } from '../../../src/metrics/at-scrape.ts';
import { registerTimings } from '../../../src/metrics/timing-metrics.ts';

afterEach(() => void vi.useRealTimers());

/** The samples of a text exposition, without comments. */
const samplesOf = async (registry: Registry): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('a histogram at the scrape', () => {
  test('shows cumulative buckets, all values under +Inf, and sum and count in the unit that it is named after', async () => {
    const registry = new Registry();
    const counted = new Histogram([1, 10, 100, 1000]);
    for (const ms of [0.5, 1, 5, 50, 500, 5000]) counted.record(ms);
    const options = { name: 'x_seconds', help: 'X.', labels: ['cache'], bounds: [1, 100], divisor: 1000 };
    histogramAtScrape(registry, options, () => [[{ cache: 'a' }, counted.snapshot()]]);
    expect(await samplesOf(registry)).toEqual([
      'x_seconds_bucket{le="0.001",cache="a"} 2',
      'x_seconds_bucket{le="0.1",cache="a"} 4',
      'x_seconds_bucket{le="+Inf",cache="a"} 6',
      'x_seconds_sum{cache="a"} 5.5565',
      'x_seconds_count{cache="a"} 6',
    ]);
    expect(await registry.metrics()).toContain('# TYPE x_seconds histogram');
  });

  test('shows what was counted meanwhile at the next scrape', async () => {
    const registry = new Registry();
    const counted = new Histogram([1]);
    histogramAtScrape(registry, { name: 'x', help: 'X.', bounds: [1], divisor: 1 }, () => [[{}, counted.snapshot()]]);
    expect(await samplesOf(registry)).toContain('x_count 0');
    counted.record(1);
    expect(await samplesOf(registry)).toContain('x_count 1');
  });

  test('has none but bounds that are counted by, from 10 µs to 10 s four or more a decade', async () => {
    const registry = new Registry();
    registerTimings(registry, () => [['a', noRecorder.snapshot()]]);
    const shown = (name: string): number[] => [
      ...new Set(text.matchAll(new RegExp(`^${name}_bucket\\{le="([^+"]+)"`, 'gm')).map(([, le]) => Number(le) * 1000)),
    ];
    const text = await registry.metrics();
    for (const name of ['forebay_read_duration_seconds', 'forebay_remote_read_duration_seconds', 'forebay_load_duration_seconds']) {
      const bounds = shown(name);
      for (const bound of bounds) expect(LATENCY_BOUNDS_MS.some((ms) => Math.abs(ms / bound - 1) < 1e-9)).toBe(true);
      for (const from of [0.01, 0.1, 1, 10, 100, 1000])
        expect(bounds.filter((bound) => bound > from * 1.0001 && bound <= from * 10.0001).length).toBeGreaterThanOrEqual(4);
    }
    expect(shown('forebay_ttl_seconds')).toEqual(TTL_BOUNDS_MS);
  });
});

describe('a gauge at the scrape', () => {
  test('is absent when it cannot be read, rather than 0 or what it was', async () => {
    const registry = new Registry();
    let read = (): Sample[] => one(5);
    gaugeAtScrape(registry, { name: 'x', help: 'X.' }, () => read());
    expect(await samplesOf(registry)).toEqual(['x 5']);
    read = () => {
      throw new Error('away');
    };
    expect(await samplesOf(registry)).toEqual([]);
  });

  test('is absent when it takes longer than a scrape may', async () => {
    vi.useFakeTimers();
    const registry = new Registry();
    gaugeAtScrape(registry, { name: 'slow', help: 'X.' }, () => new Promise(() => {}));
    gaugeAtScrape(registry, { name: 'quick', help: 'X.' }, () => one(1));
    const scrape = samplesOf(registry);
    await vi.advanceTimersByTimeAsync(900);
    expect(await scrape).toEqual(['quick 1']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('forgets labels that are gone', async () => {
    const registry = new Registry();
    let nodes = ['a', 'b'];
    gaugeAtScrape(registry, { name: 'up', help: 'X.', labels: ['node'] }, () => nodes.map((node): Sample => [{ node }, 1]));
    expect(await samplesOf(registry)).toEqual(['up{node="a"} 1', 'up{node="b"} 1']);
    nodes = ['b'];
    expect(await samplesOf(registry)).toEqual(['up{node="b"} 1']);
  });
});

test('what all metrics of a scrape read is read once, and again at the next', async () => {
  const registry = new Registry();
  let reads = 0;
  const read = oncePerScrape(() => (reads += 1));
  for (const name of ['a', 'b', 'c']) counterAtScrape(registry, { name, help: 'X.' }, () => one(read()));
  expect(await samplesOf(registry)).toEqual(['a 1', 'b 1', 'c 1']);
  expect(await samplesOf(registry)).toEqual(['a 2', 'b 2', 'c 2']);
});
