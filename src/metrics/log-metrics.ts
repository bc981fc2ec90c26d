import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import type { Follower, FollowerStats } from '../cache/follower-types.ts';

type Sample = readonly [value: number, labels?: Record<string, string>];

/** Counters of how changes travel: name, help, label, and where the numbers stand. */
const COUNTERS: readonly (readonly [
  name: string,
  help: string,
  label: string | null,
  read: (stats: FollowerStats) => readonly Sample[],
])[] = [
  ['forebay_log_looks_total', 'Looks at the log of changes.', null, ({ counts }) => [[counts.asked]]],
  ['forebay_log_looks_failed_total', 'Looks that the database did not answer in time.', null, ({ counts }) => [[counts.failed]]],
  [
    'forebay_log_entries_total',
    'Entries of the log, by how this process heard of them first.',
    'by',
    ({ counts }) => [
      [counts.heardByBus, { by: 'bus' }],
      [counts.heardByRelay, { by: 'relay' }],
      [counts.heardByLog, { by: 'log' }],
    ],
  ],
  [
    'forebay_log_gaps_total',
    'Messages of the bus that were missed, late or not to be read, and lost connections of the bus.',
    null,
    ({ counts }) => [[counts.gaps]],
  ],
  [
    'forebay_log_restarts_total',
    'Times process memory was emptied since the log did not reach back far enough, or began anew.',
    null,
    ({ counts }) => [[counts.restarts]],
  ],
  [
    'forebay_log_swept_total',
    'Entries that this process removed from the log after the retention.',
    null,
    ({ counts }) => [[counts.swept]],
  ],
  [
    'forebay_relay_entries_total',
    'Entries that this relay brought to Redis, by what came of it.',
    'outcome',
    ({ relay }) =>
      Object.entries(relay ?? {}).flatMap(([outcome, count]): Sample[] => (outcome === 'restarts' ? [] : [[count, { outcome }]])),
  ],
  [
    'forebay_relay_redis_restarts_total',
    'Times Redis had to begin anew since the log did not reach back to where it was.',
    null,
    ({ relay }) => [[relay?.restarts ?? 0]],
  ],
];

const GAUGES: readonly (readonly [name: string, help: string, read: (follower: Follower) => number | Promise<number>])[] = [
  ['forebay_log_number', 'Number up to which this process has followed the log.', (follower) => follower.stats().number],
  [
    'forebay_writes_settling',
    'Writes that wait until every cache has forgotten what they changed.',
    (follower) => follower.stats().settling,
  ],
  [
    'forebay_outbox_depth',
    'Changes that wait to be given a number, and numbered ones that wait for Redis; absent while the database does not answer.',
    (follower) => follower.depth(),
  ],
];

/** Registers the metrics of following the log. */
export function registerLogMetrics(registry: Registry, follower: Follower): void {
  const registers = [registry];
  for (const [name, help, label, read] of COUNTERS) {
    const counter = new Counter({
      name,
      help,
      registers,
      labelNames: label === null ? [] : [label],
      collect() {
        this.reset();
        for (const [value, labels = {}] of read(follower.stats())) this.inc(labels, value);
      },
    });
    void counter;
  }
  for (const [name, help, read] of GAUGES) {
    const gauge = new Gauge({
      name,
      help,
      registers,
      async collect() {
        try {
          this.set(await read(follower));
        } catch {
          this.reset();
          this.remove();
        }
      },
    });
    void gauge;
  }
}
