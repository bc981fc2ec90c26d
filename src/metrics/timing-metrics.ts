import type { Registry } from 'prom-client';
import type { RecorderSnapshot } from '../cache/recorder.ts';
import { TTL_BOUNDS_MS } from '../cache/recorder.ts';
import type { HistogramSample } from './at-scrape.ts';
import { histogramAtScrape } from './at-scrape.ts';

/** Five bounds a decade from 10 µs to 10 s, and fewer below. All are among those that are counted by. */
const BOUNDS_MS: readonly number[] = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  ...[-2, -1, 0, 1, 2, 3].flatMap((power) => [1, 1.6, 2.5, 4, 6.3].map((step) => Number(`${step}e${power}`))),
  10_000,
];

const TIMES: readonly (readonly [
  name: string,
  help: string,
  labels: readonly string[],
  read: (latency: RecorderSnapshot) => HistogramSample[],
])[] = [
  [
    'forebay_read_duration_seconds',
    'Time of whole reads, by the tier that answered (stale: with an entry past its time; none: nobody could say). Of local ones one in 256 is timed and stands for the others.',
    ['tier'],
    ({ read }) => Object.entries(read).map(([tier, snapshot]) => [{ tier }, snapshot]),
  ],
  [
    'forebay_remote_read_duration_seconds',
    'Time of reads of Redis, those included that found nothing or ran out of time.',
    [],
    ({ remote }) => [[{}, remote]],
  ],
  [
    'forebay_load_duration_seconds',
    'Time of calls of the database, each for one key or more, without the wait for a turn.',
    [],
    ({ load }) => [[{}, load]],
  ],
];

/** Registers how long things took, and the TTLs that were chosen. */
export function registerTimings(registry: Registry, caches: () => readonly (readonly [cache: string, latency: RecorderSnapshot])[]): void {
  const samples = (read: (latency: RecorderSnapshot) => HistogramSample[]) => (): HistogramSample[] =>
    caches().flatMap(([cache, latency]) => read(latency).map(([labels, snapshot]): HistogramSample => [{ cache, ...labels }, snapshot]));
  for (const [name, help, labels, read] of TIMES)
    histogramAtScrape(registry, { name, help, labels: ['cache', ...labels], bounds: BOUNDS_MS, divisor: 1000 }, samples(read));
  histogramAtScrape(
    registry,
    {
      name: 'forebay_ttl_seconds',
      help: 'TTLs of loaded values, jitter included.',
      labels: ['cache'],
      bounds: TTL_BOUNDS_MS,
      divisor: 1000,
    },
    samples(({ ttl }) => [[{}, ttl]]),
  );
}
