import { bytes, count, duration, percent } from '../../metrics/report/format.ts';
import { padded } from './cells.ts';
import type { Hot, LiveEvent, LiveSnapshot } from './live-schema.ts';
import type { Line, Part, Style } from './paint.ts';
import { flow, wrap } from './paint.ts';
import type { View } from './view.ts';

export interface FrameOptions {
  readonly columns: number;
  /** Lines at most; what matters less comes later, and is left out first. */
  readonly rows: number;
  /** Monotonic ms. */
  readonly now: number;
}

/** Data are told to be old from here on, in ms: the service tells something every second. */
const OLD_MS = 1_600;
/** From so many columns on keys and tags stand side by side. */
const WIDE = 76;
const KEYS_WIDTH = 52;
/** Without a limit of lines (a file, a pipe), of each list so many are shown. */
const MOST_LISTED = 10;
const LEVELS: Readonly<Record<LiveSnapshot['status']['level'], readonly [Style, string]>> = Object.freeze({
  ok: ['good', 'OK'],
  warning: ['warning', 'WARNING'],
  critical: ['critical', 'CRITICAL'],
});

/** What is to be seen of a service at this moment, line by line. */
export function frame(view: View, { columns, rows, now }: FrameOptions): Line[] {
  const { snapshot } = view;
  const head = heading(view, now);
  if (snapshot === null) return [...head, ['Waiting for its first numbers.']].slice(0, rows);
  const fixed = [...head, ...sentence(snapshot, columns), ...numbers(snapshot, columns), ...alertLines(snapshot, columns)];
  const left = rows - fixed.length;
  const events = eventLines(view.events, Math.min(MOST_LISTED, Math.max(2, Math.floor(left / 3))));
  const hot = hotLines(view.hot, columns, left - events.length);
  return [...fixed, ...hot, ...events].slice(0, rows);
}

function heading({ url, snapshot, link, heardAt }: View, now: number): Line[] {
  const title: Part[] = [['bold', 'forebay top'], `  ${url}`];
  if (snapshot !== null) title.push(['dim', `  ${snapshot.instance}`], `  ${time(snapshot.at)}`);
  const age = `${Math.max(1, Math.round((now - heardAt) / 1000))} s`;
  if (link.state === 'live') return now - heardAt > OLD_MS ? [title, [['warning', `No news for ${age}: the numbers are old.`]]] : [title];
  const next = link.nextAt === null ? 'It is being asked again.' : `It is asked again in ${duration(Math.max(100, link.nextAt - now))}.`;
  return [title, [['critical', `The service is gone (${link.why}): the numbers are ${age} old. ${next}`]]];
}

const time = (at: number): string => new Date(at).toTimeString().slice(0, 8);

function sentence({ status: { level, sentence } }: LiveSnapshot, columns: number): Line[] {
  const [style, word] = LEVELS[level];
  return [...wrap(style, `${word}  ${sentence}`, columns, 3), []];
}

const when = (is: boolean, style: Style, text: string): Part => (is ? [style, text] : text);

function numbers(snapshot: LiveSnapshot, width: number): Line[] {
  return [...readLines(snapshot, width), ...stateLines(snapshot, width)];
}

function readLines({ reads, hitRatio, latency }: LiveSnapshot, width: number): Line[] {
  const rate = (label: string, perSecond: number): string => `${label} ${count(Math.round(perSecond))}`;
  const rates: Part[] = [
    ['bold', count(Math.round(reads.all))],
    rate('memory', reads.local),
    rate('Redis', reads.redis),
    rate('database', reads.database),
    when(reads.failed > 0, 'critical', `failed ${count(Math.ceil(reads.failed))}`),
    ...(reads.stale > 0 ? [['warning', `stale ${count(Math.ceil(reads.stale))}`] as const] : []),
  ];
  const ratios: Part[] =
    hitRatio === null
      ? ['nothing was read']
      : [
          ['bold', percent(hitRatio.local + hitRatio.redis)],
          `memory ${percent(hitRatio.local)}`,
          `Redis ${percent(hitRatio.redis)}`,
          ['dim', 'of the last 10 s'],
        ];
  const times: Part[] =
    latency === null
      ? ['nothing was read']
      : [
          `p50 ${duration(latency.p50Ms)}`,
          `p99 ${duration(latency.p99Ms)}`,
          `p99.9 ${duration(latency.p999Ms)}`,
          ['dim', 'of the last 5 s'],
        ];
  return [...flow('reads/s', rates, width), ...flow('hit ratio', ratios, width), ...flow('latency', times, width)];
}

function stateLines({ staleness, outbox, database, redis, local, http, recovery }: LiveSnapshot, width: number): Line[] {
  const beyond = staleness.ms === null || staleness.ms > staleness.maxMs;
  const proven = staleness.ms === null ? 'nothing is proven' : `at most ${duration(staleness.highestMs ?? staleness.ms)}`;
  const waiting =
    outbox.depth === null ? 'not known' : when(outbox.depth > outbox.alertAbove, 'critical', `${count(outbox.depth)} waiting`);
  const room = [
    `${count(local.entries)} of ${count(local.maxEntries)} entries`,
    `${bytes(local.bytes)} of ${bytes(local.maxBytes)}`,
    `${count(local.evictionsPerSecond)} evicted/s`,
  ];
  const paced = recovery.warming ? `warming, ${count(recovery.loaded)} loaded` : 'calls of the database are paced';
  return [
    ...flow('staleness', [when(beyond, 'critical', proven), `the bound is ${duration(staleness.maxMs)}`], width),
    ...flow('outbox', [waiting, `${count(outbox.changesPerSecond)} changes/s`], width),
    ...flow('database', databaseFields(database), width),
    ...flow('Redis', redisFields(redis), width),
    ...redis.nodes.flatMap((node) => flow('', nodeFields(node), width)),
    ...flow('memory', room, width),
    ...flow('HTTP', [`${count(http.perSecond)} requests/s`, when(http.failed > 0, 'critical', `failed ${count(http.failed)}`)], width),
    ...(recovery.recovering || recovery.warming ? flow('recovery', [['warning', paced]], width) : []),
  ];
}

function databaseFields({ kind, state, answerMs, pool, queued, load, calmLoad }: LiveSnapshot['database']): Part[] {
  return [
    when(state !== 'up', state === 'slow' ? 'warning' : 'critical', state),
    kind,
    answerMs === null ? 'has not answered' : duration(answerMs),
    `load ${count(Math.round(load))} ms/s${calmLoad === null ? '' : ` (calm ${count(Math.round(calmLoad))})`}`,
    `${pool.total - pool.idle} of ${pool.total} connections`,
    when(queued > 0, 'warning', `${count(queued)} waiting`),
  ];
}

function redisFields({ state, breaker, silent, verifying, hears }: LiveSnapshot['redis']): Part[] {
  if (state === 'off') return ['none'];
  return [
    when(state === 'down', 'critical', state),
    ...(breaker === null ? [] : [when(breaker.state !== 'closed', 'warning', `breaker ${breaker.state}`)]),
    ...(silent ? [['warning', 'does not answer'] as const] : []),
    ...(verifying ? [['warning', 'being verified, not read'] as const] : []),
    ...(hears === null ? [] : [when(!hears, 'warning', hears ? 'bus heard' : 'bus lost')]),
  ];
}

function nodeFields({
  node,
  connected,
  breaker,
  pingMs,
  role,
  usedMemoryBytes,
  maxMemoryBytes,
  keys,
  evictedKeys,
}: LiveSnapshot['redis']['nodes'][number]): Part[] {
  const room = maxMemoryBytes === null || maxMemoryBytes === 0 ? '' : ` of ${bytes(maxMemoryBytes)}`;
  return [
    node,
    when(!connected, 'critical', connected ? 'connected' : 'away'),
    ...(breaker === 'closed' ? [] : [['warning', `breaker ${breaker}`] as const]),
    ...(role === null || role === 'primary' ? [] : [role]),
    ...(pingMs === null ? [] : [`ping ${duration(pingMs)}`]),
    ...(usedMemoryBytes === null ? [] : [`${bytes(usedMemoryBytes)}${room}`]),
    ...(keys === null ? [] : [`${count(keys)} keys`]),
    ...(evictedKeys === null ? [] : [`${count(evictedKeys)} evicted`]),
  ];
}

/** Findings about the settings of Redis are among the events. */
function alertLines({ alerts }: LiveSnapshot, width: number): Line[] {
  return alerts.flatMap(({ severity, alert, summary }) =>
    wrap(severity === 'critical' ? 'critical' : 'warning', `alert ${alert}: ${summary}`, width, 2),
  );
}

function hotLines(hot: View['hot'], columns: number, room: number): Line[] {
  if (hot === null || room < 3) return [];
  if (hot === 'token') return [[], [['dim', 'Hot keys and tags need the token of the service: FOREBAY_TOKEN, --token-file or --token.']]];
  if (columns >= WIDE) return sideBySide(hot, Math.min(MOST_LISTED, room - 2));
  const each = Math.min(MOST_LISTED, Math.floor((room - 4) / 2));
  if (each < 1) return [];
  const keys = hot.keys.slice(0, each).map((key): Line => [keyText(key)]);
  const tags = hot.tags.slice(0, each).map((tag): Line => [tagText(tag)]);
  return [[], [['dim', 'hot keys, of the last 10 s']], ...keys, [], [['dim', 'hot tags, since the start']], ...tags];
}

const keyText = ({ id, cache, reads }: Hot['keys'][number]): string => `${count(reads).padStart(7)} ${cache} ${id}`;
const tagText = ({ tag, reads }: Hot['tags'][number]): string => `${count(reads).padStart(7)} ${tag}`;

function sideBySide({ keys, tags }: Hot, most: number): Line[] {
  const lines = Array.from({ length: Math.min(most, Math.max(keys.length, tags.length)) }, (_, i): Line => {
    const key = keys[i];
    const tag = tags[i];
    // What may hold wide characters comes last, so that nothing stands behind it that would be moved.
    return [padded(key === undefined ? '' : keyText(key), KEYS_WIDTH), tag === undefined ? '' : tagText(tag)];
  });
  return [
    [],
    [
      ['dim', padded('hot keys, of the last 10 s', KEYS_WIDTH)],
      ['dim', 'hot tags, since the start'],
    ],
    ...lines,
  ];
}

function eventLines(events: readonly LiveEvent[], most: number): Line[] {
  const styles: Readonly<Record<LiveEvent['level'], Style>> = { good: 'good', info: 'plain', warning: 'warning', critical: 'critical' };
  const last = events.slice(-most).toReversed();
  if (last.length === 0) return [];
  return [
    [],
    [['dim', 'what happened, the newest first']],
    ...last.map(({ at, level, text }): Line => [
      ['dim', `${time(at)} `],
      [styles[level], text],
    ]),
  ];
}
