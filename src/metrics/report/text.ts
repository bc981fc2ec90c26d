import type { CurveReport, EfficiencyReport, HotReport } from './efficiency-report.ts';
import { bytes, count, duration, percent } from './format.ts';

export interface TextOptions {
  /** Escape sequences for bold and colours, and charts of block characters; else plain ASCII in charts. */
  readonly fancy: boolean;
  /** Columns. @defaultValue 100 */
  readonly width?: number;
}

const ESCAPE = '\u001b';
const BAR_WIDTH = 30;
const SPARKS = '▁▂▃▄▅▆▇█';
const EIGHTHS = ' ▏▎▍▌▋▊▉';
const NAME_WIDTH = 48;

/** The report for a terminal, or for a file. */
export function reportText(report: EfficiencyReport, { fancy, width = 100 }: TextOptions): string {
  const paint = painter(fancy);
  const lines = [
    paint.bold('Forebay: what the caches did'),
    `${isoMinute(report.period.from)} to ${isoMinute(report.period.to)} (${duration(report.period.ms)}${report.period.sinceStart ? ', since the start' : ''}), this instance alone`,
    '',
    ...report.sentences.flatMap((sentence) => wrap(sentence, width, '- ')),
  ];
  if (report.reads.total > 0) {
    lines.push('', paint.bold('Reads'), ...reads(report, paint));
    lines.push('', paint.bold('Tiers'), ...tiers(report));
    lines.push('', paint.bold('Database'), ...database(report));
    lines.push('', paint.bold('Lifetimes in process memory'), ...lifetimes(report));
    lines.push('', paint.bold('Entries that were there and not served'), ...refusals(report));
    lines.push('', ...curve('Hit ratio of process memory by its size', report.curves.local, paint));
    if (report.curves.remote !== null) lines.push('', ...curve('Hit ratio of Redis by its size', report.curves.remote, paint));
    lines.push('', ...hot('Hottest keys', report.hot.keys, paint), '', ...hot('Hottest tags', report.hot.tags, paint));
  }
  return lines.join('\n');
}

interface Painter {
  bold(text: string): string;
  bar(share: number): string;
  spark(values: readonly number[]): string;
  dim(text: string): string;
}

function painter(fancy: boolean): Painter {
  const code = (number: number, text: string): string => (fancy ? `${ESCAPE}[${number}m${text}${ESCAPE}[0m` : text);
  return {
    bold: (text) => code(1, text),
    dim: (text) => code(2, text),
    bar: (share) => (fancy ? code(36, blockBar(share)) : asciiBar(share)),
    spark: (values) => (fancy ? code(36, sparkline(values)) : ''),
  };
}

const within = (share: number): number => Math.min(Math.max(share, 0), 1);

function blockBar(share: number): string {
  const eighths = Math.round(within(share) * BAR_WIDTH * 8);
  const whole = '█'.repeat(Math.floor(eighths / 8));
  return `${whole}${eighths % 8 === 0 ? '' : (EIGHTHS[eighths % 8] ?? '')}`.padEnd(BAR_WIDTH);
}

const asciiBar = (share: number): string => '#'.repeat(Math.round(within(share) * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');

/** Values from 0 to 1, one character each. */
export function sparkline(values: readonly number[]): string {
  return values.map((value) => SPARKS[Math.min(Math.floor(within(value) * SPARKS.length), SPARKS.length - 1)]).join('');
}

const isoMinute = (iso: string): string => `${iso.slice(0, 16).replace('T', ' ')} UTC`;

function row(label: string, ...cells: readonly string[]): string {
  return `  ${label.padEnd(26)}${cells.join('  ')}`.trimEnd();
}

function reads({ reads: { total, perSecond, answered, joined }, absent, stale }: EfficiencyReport, paint: Painter): string[] {
  const by = (label: string, value: number): string =>
    row(label, paint.bar(value / total), percent(value / total).padStart(8), count(value).padStart(10));
  return [
    row('all', `${count(total)}, ${count(perSecond)} a second`),
    by('process memory', answered.local),
    by('Redis', answered.remote),
    by('database', answered.source),
    by('nobody could say', answered.unavailable),
    row('shared a load', count(joined)),
    row('of what does not exist', `${count(absent.total)} (${percent(absent.share)})`),
    row('answered stale', `${count(stale.served)}${stale.ifError === 0 ? '' : `, ${count(stale.ifError)} of them beyond the bound`}`),
  ];
}

function tiers({ local, remote }: EfficiencyReport): string[] {
  const columns = [local, ...(remote === null ? [] : [remote])];
  const cells = (label: string, of: (tier: (typeof columns)[number]) => string): string =>
    row(label, ...columns.map((tier) => of(tier).padEnd(20)));
  return [
    row('', ...['process memory', 'Redis'].slice(0, columns.length).map((name) => name.padEnd(20))),
    cells('hit ratio', ({ hitRatio }) => percent(hitRatio)),
    cells('a read takes', ({ meanMs }) => duration(meanMs)),
    cells('queries spared', ({ saved }) => count(saved.queries)),
    cells('waiting spared', ({ saved }) => duration(saved.waitMs)),
    cells('memory used', ({ bytes: used }) => bytes(used)),
    cells('of at most', ({ maxBytes }) => (maxBytes === null ? 'no limit' : bytes(maxBytes))),
    row(
      'entries',
      count(local.entries).padEnd(20),
      ...(remote === null ? [] : [remote.keys === null ? '–' : `${count(remote.keys)} keys`]),
    ),
    cells('bytes for an entry', ({ bytesPerEntry }) => bytes(bytesPerEntry)),
    cells('pushed out', ({ evictions }) => count(evictions)),
  ];
}

function database({ database: one }: EfficiencyReport): string[] {
  return [
    row(
      'queries',
      `${count(one.queries)}, ${count(one.queriesPerSecond)} a second; without caches ${count(one.withoutCache.queriesPerSecond)} a second`,
    ),
    row('a query', `${count(one.keysPerQuery)} keys, ${duration(one.meanMs)}`),
    row('queries under way', `${count(one.load)} on average; without caches ${count(one.withoutCache.load)}`),
    row('keys without an answer', count(one.failedKeys)),
  ];
}

function lifetimes({ lifetimes: one }: EfficiencyReport): string[] {
  return [
    row('refreshed in time', `${count(one.refreshedInTime)} (of ${count(one.refreshes)} begun)`),
    row('expired', `${count(one.expiredUsed)} that had answered a read, ${count(one.expiredUnused)} that had not`),
    row('pushed out before', `${count(one.evictedUsed)} that had answered a read, ${count(one.evictedUnused)} that had not`),
  ];
}

function refusals({ refusals: { local, remote } }: EfficiencyReport): string[] {
  const told = (counts: object): string => {
    const some = Object.entries(counts).filter(([, value]) => value > 0);
    return some.length === 0 ? 'none' : some.map(([reason, value]) => `${reason} ${count(Number(value))}`).join(', ');
  };
  return [row('process memory', told(local)), row('Redis', told(remote))];
}

function curve(title: string, { points, recommended, measuredHitRatio }: CurveReport, paint: Painter): string[] {
  const sizes = points.filter(({ factor }) => Number.isInteger(Math.log2(factor)));
  if (sizes.length === 0) return [paint.bold(title), '  nothing was read'];
  const spark = paint.spark(points.map(({ hitRatio }) => hitRatio));
  const lines = sizes.map((point) => {
    const size = point.bytes === null ? `${count(point.entries)} entries` : bytes(point.bytes);
    const marks = [
      point.factor === 1 ? `now (measured ${percent(measuredHitRatio)})` : '',
      point === recommended || point.factor === recommended?.factor ? 'recommended' : '',
    ];
    return `  ${size.padStart(16)}  ${paint.bar(point.hitRatio)}  ${percent(point.hitRatio).padStart(7)}  ${marks.filter((mark) => mark !== '').join(', ')}`.trimEnd();
  });
  return [`${paint.bold(title)}${spark === '' ? '' : `  ${spark}`}`, ...lines];
}

function hot(title: string, list: readonly HotReport[], paint: Painter): string[] {
  if (list.length === 0) return [paint.bold(title), '  none was read twice within ten seconds'];
  const lines = list.slice(0, 10).map(({ cache, name, reads: value, share }) => {
    return `  ${clip(printable(name)).padEnd(NAME_WIDTH)}  ${count(value).padStart(9)}  ${percent(share).padStart(7)}  ${paint.dim(cache)}`;
  });
  return [paint.bold(title), ...lines];
}

/** Names come from users: nothing in them may move the cursor. */
function printable(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
}

const clip = (name: string): string => (name.length <= NAME_WIDTH ? name : `${name.slice(0, NAME_WIDTH - 1)}…`);

function wrap(text: string, width: number, mark: string): string[] {
  const lines: string[] = [];
  let line = mark;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > width && line.trim() !== mark.trim()) {
      lines.push(line);
      line = ' '.repeat(mark.length) + word;
    } else line = line === mark ? mark + word : `${line} ${word}`;
  }
  return [...lines, line];
}
