// The dashboard: listens to the stream and hands each snapshot to the parts of the page.
import { needToken, useToken } from './access.js';
import { showMemory, showTtls } from './bars.js';
import { Chart } from './charts.js';
import { find } from './dom.js';
import { showEndpoints } from './endpoints.js';
import { showEvents } from './events.js';
import { showFigures } from './figures.js';
import { count, duration, percent } from './format.js';
import { History } from './history.js';
import { showHot } from './hot.js';
import { wireLookup } from './lookup.js';
import { wireReport } from './report.js';
import { showStatus } from './status.js';
import { listen } from './stream.js';
import { wireTheme } from './theme.js';

/** @import { Snapshot } from './types.js' */

/** @type {Snapshot | null} */
let last = null;
const history = new History();
const status = showStatus({
  section: find('status', HTMLElement),
  level: find('level', HTMLElement),
  sentence: find('sentence', HTMLElement),
  announcement: find('announcement', HTMLElement),
  stream: find('stream', HTMLElement),
});
const events = showEvents(find('events', HTMLElement));
const parts = [
  showFigures(find('figures', HTMLElement)),
  showEndpoints(find('endpoints', HTMLElement)),
  showMemory(find('memory', HTMLElement)),
  showTtls(find('ttl', HTMLElement)),
];
const charts = chartsIn(find('charts', HTMLElement));

/** @param {HTMLElement} root */
function chartsIn(root) {
  return [
    new Chart(root, history, {
      title: 'Reads a second, by who answered',
      format: (value) => count(value == null ? value : Math.round(value)),
      series: [
        { column: 'local', label: 'memory', color: 'accent', fill: true },
        { column: 'redis', label: 'Redis', color: 'ink' },
        { column: 'database', label: 'database', color: 'soft', dash: [4, 3] },
        { column: 'failed', label: 'failed', color: 'bad', hideIfNone: true },
      ],
    }),
    new Chart(root, history, {
      title: 'Hit ratio',
      format: percent,
      top: 1,
      series: [
        { column: 'localRatio', label: 'memory', color: 'accent', fill: true },
        { column: 'redisRatio', label: 'Redis', color: 'ink' },
      ],
    }),
    new Chart(root, history, {
      title: 'Latency of reads',
      format: duration,
      log: true,
      series: [
        { column: 'p50', label: 'p50', color: 'soft' },
        { column: 'p99', label: 'p99', color: 'accent' },
        { column: 'p999', label: 'p99.9', color: 'ink', dash: [4, 3] },
      ],
    }),
    new Chart(root, history, {
      title: 'Staleness at most',
      format: duration,
      least: 10,
      limit: () => last?.staleness.maxMs ?? null,
      limitLabel: 'bound',
      series: [{ column: 'staleness', label: 'now', color: 'accent', fill: true }],
    }),
    new Chart(root, history, {
      title: 'Database load, time of its calls in a second',
      format: duration,
      least: 10,
      limit: () => (last === null || last.database.calmLoad === null ? null : last.database.calmLoad * 3),
      limitLabel: '3 × calm',
      series: [{ column: 'load', label: 'now', color: 'accent', fill: true }],
    }),
    new Chart(root, history, {
      title: 'Changes in the outbox',
      format: count,
      least: 10,
      series: [{ column: 'outbox', label: 'now', color: 'accent', fill: true }],
    }),
  ];
}

/** @param {Snapshot} snapshot */
function show(snapshot) {
  last = snapshot;
  find('instance', HTMLElement).textContent = snapshot.instance;
  status.show(snapshot);
  for (const part of parts) part(snapshot);
}

const lookupId = find('lookup-id', HTMLInputElement);
const lookAtHot = showHot(find('hot', HTMLElement), (id) => {
  lookupId.value = id;
  find('lookup', HTMLFormElement).requestSubmit();
  lookupId.focus();
});
const access = find('access', HTMLDetailsElement);
const token = find('token', HTMLInputElement);
find('token-form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  useToken(token.value.trim());
  token.value = '';
  access.open = false;
  lookupId.focus();
  void lookAtHot();
});
const wantToken = () => {
  access.open = true;
  token.focus();
};
wireReport(find('report', HTMLAnchorElement), {
  needsToken: () => !access.hidden,
  onUnauthorized: wantToken,
  onProblem: (problem) => find('report-problem', HTMLElement).replaceChildren(problem),
});
wireLookup(find('lookup', HTMLFormElement), lookupId, find('lookup-answer', HTMLElement), {
  maxStalenessMs: () => last?.staleness.maxMs ?? 1000,
  onUnauthorized: wantToken,
});
wireTheme(find('theme', HTMLButtonElement), () => {
  for (const chart of charts) chart.draw();
});

listen('v1/live', {
  onMessage: (name, message) => {
    if (name === 'history') {
      if (message.columns !== undefined) history.replace(message.columns);
      needToken(message.needsToken ?? false);
      access.hidden = message.needsToken !== true;
      void lookAtHot();
      events.replace(message.events);
    } else {
      if (message.snapshot !== null) history.add(message.snapshot);
      events.add(message.events);
    }
    if (message.snapshot !== null) show(message.snapshot);
    for (const chart of charts) chart.update();
  },
  onLost: () => status.lose(last?.at ?? null),
});
