import type { Registry } from 'prom-client';
import type { Follower, FollowerStats } from '../cache/follower-types.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

/** Counters of how changes travel: name, help, labels, and where the numbers stand. */
const COUNTERS: readonly (readonly [
  name: string,
  help: string,
  labels: readonly string[],
  read: (stats: FollowerStats) => readonly Sample[],
])[] = [
  ['forebay_log_looks_total', 'Looks at the log of changes.', [], ({ counts }) => one(counts.asked)],
  ['forebay_log_looks_failed_total', 'Looks that the database did not answer in time.', [], ({ counts }) => one(counts.failed)],
  [
    'forebay_log_entries_total',
    'Entries of the log, by how this process heard of them first.',
    ['by'],
    ({ counts }) => [
      [{ by: 'bus' }, counts.heardByBus],
      [{ by: 'relay' }, counts.heardByRelay],
      [{ by: 'log' }, counts.heardByLog],
    ],
  ],
  ['forebay_bus_messages_total', 'Messages of the bus, those included that told nothing new.', [], ({ counts }) => one(counts.messages)],
  [
    'forebay_bus_gaps_total',
    'Messages of the bus that were missed or late, and connections of the bus that were made (again).',
    [],
    ({ counts }) => one(counts.gaps),
  ],
  [
    'forebay_log_unreadable_total',
    'What this version cannot read, as another one wrote it: messages of the bus, whose entries are read from the log; and entries of the log, by each of which everything was forgotten.',
    ['what'],
    ({ counts }) => [
      [{ what: 'message' }, counts.unreadableMessages],
      [{ what: 'entry' }, counts.unreadableEntries],
    ],
  ],
  [
    'forebay_log_catch_ups_total',
    'Times that entries were read from the log itself, since nothing had brought them.',
    [],
    ({ counts }) => one(counts.catchUps),
  ],
  [
    'forebay_log_restarts_total',
    'Times process memory was emptied since the log did not reach back far enough, or began anew.',
    [],
    ({ counts }) => one(counts.restarts),
  ],
  ['forebay_log_swept_total', 'Entries that this process removed from the log after the retention.', [], ({ counts }) => one(counts.swept)],
  [
    'forebay_relay_rounds_total',
    'Times that this relay set out to bring Redis level with the log.',
    [],
    ({ relay }) => one(relay?.rounds ?? 0),
  ],
  [
    'forebay_relay_rounds_failed_total',
    'Of those, the ones that ended before Redis was level, since Redis or the database was away.',
    [],
    ({ relay }) => one(relay?.failed ?? 0),
  ],
  [
    'forebay_relay_entries_total',
    'Entries that this relay brought to Redis: applied; ahead, since another relay had applied them; behind, since one before them was missing.',
    ['outcome'],
    ({ relay }) => (['applied', 'ahead', 'behind'] as const).map((outcome): Sample => [{ outcome }, relay?.[outcome] ?? 0]),
  ],
  [
    'forebay_relay_redis_restarts_total',
    'Times Redis had to begin anew since the log did not reach back to where it was.',
    [],
    ({ relay }) => one(relay?.restarts ?? 0),
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
  for (const [name, help, labels, read] of COUNTERS) counterAtScrape(registry, { name, help, labels }, () => read(follower.stats()));
  for (const [name, help, read] of GAUGES) gaugeAtScrape(registry, { name, help }, async () => one(await read(follower)));
}
