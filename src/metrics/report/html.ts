import type { CurveReport, EfficiencyReport, HotReport } from './efficiency-report.ts';
import { bytes, count, duration, percent } from './format.ts';
import { REPORT_STYLE } from './html-style.ts';
import { bar, curvePlot, Markup, markup } from './svg.ts';

/** The report as one file: its style and plots are in it, it asks no network for anything, and runs no script. */
export function reportHtml(report: EfficiencyReport): string {
  const { period } = report;
  const span = `${period.from.slice(0, 16).replace('T', ' ')} to ${period.to.slice(0, 16).replace('T', ' ')} UTC, ${duration(period.ms)}${period.sinceStart ? ' since the start' : ''}`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Forebay: what the caches did</title>
<style>${new Markup(REPORT_STYLE)}</style>
</head>
<body>
<main>
<h1>What the caches did</h1>
<p class="span">${span}. One instance of Forebay.</p>
<ul>${report.sentences.map((sentence) => markup`<li>${sentence}</li>`)}</ul>
${report.reads.total === 0 ? [] : sections(report)}
</main>
</body>
</html>
`.text;
}

const sections = (report: EfficiencyReport): Markup[] => [
  curve('Hit ratio of process memory by its size', report.curves.local),
  ...(report.curves.remote === null ? [] : [curve('Hit ratio of Redis by its size', report.curves.remote)]),
  reads(report),
  tiers(report),
  database(report),
  lifetimes(report),
  refusals(report),
  hot('Hottest keys', report.hot.keys),
  hot('Hottest tags', report.hot.tags),
];

function table(title: string, head: readonly string[], rows: readonly (readonly (string | Markup)[])[]): Markup {
  const cells = (row: readonly (string | Markup)[]): Markup[] =>
    row.map((cell, i) => (i === 0 ? markup`<th scope="row">${cell}</th>` : markup`<td>${cell}</td>`));
  return markup`<section><h2>${title}</h2><div class="scroll" tabindex="0"><table><thead><tr>${head.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead><tbody>${rows.map((row) => markup`<tr>${cells(row)}</tr>`)}</tbody></table></div></section>`;
}

function curve(title: string, report: CurveReport): Markup {
  return markup`<section><h2>${title}</h2><p>${report.sentence}</p>
<figure>${curvePlot(report, title)}<figcaption>Line: a model of an LRU, from ${count(report.reads)} reads. Vertical: the size it has. Square: measured. Ring: recommended.</figcaption></figure></section>`;
}

function reads({ reads: { total, perSecond, answered, joined }, absent, stale }: EfficiencyReport): Markup {
  const by = (label: string, value: number, kind: Parameters<typeof bar>[1]) => [
    label,
    bar(value / total, kind),
    percent(value / total),
    count(value),
  ];
  return markup`${table(
    'Who answered',
    ['Who', '', 'Share', 'Reads'],
    [
      by('Process memory', answered.local, 'local'),
      by('Redis', answered.remote, 'remote'),
      by('Database', answered.source, 'source'),
      by('Nobody could say', answered.unavailable, 'other'),
    ],
  )}<p>${count(total)} reads, ${count(perSecond)} a second. ${count(joined)} shared a load; ${count(absent.total)} asked for what does not exist (process memory knew ${count(absent.local)}, Redis ${count(absent.remote)}, the database ${count(absent.source)}); ${count(stale.served)} were answered stale, ${count(stale.ifError)} of them beyond the bound.</p>`;
}

function tiers({ local, remote }: EfficiencyReport): Markup {
  const columns = [local, ...(remote === null ? [] : [remote])];
  const cells = (label: string, of: (tier: (typeof columns)[number]) => string) => [label, ...columns.map((tier) => of(tier))];
  return table(
    'Tiers',
    ['', 'Process memory', ...(remote === null ? [] : ['Redis'])],
    [
      cells('Hit ratio', ({ hitRatio }) => percent(hitRatio)),
      cells('A read takes', ({ meanMs }) => duration(meanMs)),
      cells('Queries spared', ({ saved }) => count(saved.queries)),
      cells('Waiting spared', ({ saved }) => duration(saved.waitMs)),
      cells('Memory used', ({ bytes: used }) => bytes(used)),
      cells('Of at most', ({ maxBytes }) => (maxBytes === null ? 'no limit' : bytes(maxBytes))),
      ['Entries', count(local.entries), ...(remote === null ? [] : [remote.keys === null ? '–' : `${count(remote.keys)} keys`])],
      cells('Bytes for an entry', ({ bytesPerEntry }) => bytes(bytesPerEntry)),
      cells('Pushed out', ({ evictions }) => count(evictions)),
    ],
  );
}

function database({ database: one }: EfficiencyReport): Markup {
  return table(
    'Database',
    ['', 'As it is', 'Without caches'],
    [
      ['Queries a second', count(one.queriesPerSecond), count(one.withoutCache.queriesPerSecond)],
      ['Queries under way, on average', count(one.load), count(one.withoutCache.load)],
      ['Queries', count(one.queries), ''],
      ['Keys in a query', count(one.keysPerQuery), ''],
      ['A query takes', duration(one.meanMs), ''],
      ['Keys without an answer', count(one.failedKeys), ''],
    ],
  );
}

function lifetimes({ lifetimes: one }: EfficiencyReport): Markup {
  return table(
    'Lifetimes in process memory',
    ['', 'Had answered a read', 'Had not'],
    [
      ['Expired', count(one.expiredUsed), count(one.expiredUnused)],
      ['Pushed out before', count(one.evictedUsed), count(one.evictedUnused)],
      ['Refreshed in time', count(one.refreshedInTime), ''],
    ],
  );
}

function refusals({ refusals: { local, remote } }: EfficiencyReport): Markup {
  const reasons = Object.keys(remote) as (keyof typeof remote)[];
  const isLocal = (reason: string): reason is keyof typeof local => Object.hasOwn(local, reason);
  return table(
    'Entries that were there and not served',
    ['Why', 'Process memory', 'Redis'],
    reasons.map((reason) => [reason, isLocal(reason) ? count(local[reason]) : '', count(remote[reason])]),
  );
}

function hot(title: string, list: readonly HotReport[]): Markup {
  if (list.length === 0) return markup`<section><h2>${title}</h2><p>None was read twice within ten seconds.</p></section>`;
  const most = list[0]?.reads ?? 1;
  return table(
    title,
    ['Name', '', 'Reads, about', 'Of its cache', 'Cache'],
    list.map(({ cache, name, reads: value, share }) => [
      markup`<code>${name}</code>`,
      bar(value / most, 'local'),
      count(value),
      percent(share),
      cache,
    ]),
  );
}
