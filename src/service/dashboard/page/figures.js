// The row of numbers at the top.
import { make, setText } from './dom.js';
import { count, duration, percent } from './format.js';

/** @import { Snapshot } from './types.js' */

/**
 * @typedef {{ label: string, value: (snapshot: Snapshot) => string, more: (snapshot: Snapshot) => string, isBad?: (snapshot: Snapshot) => boolean }} Figure
 * @type {readonly Figure[]}
 */
const FIGURES = [
  {
    label: 'Reads a second',
    value: ({ reads }) => count(reads.all),
    more: ({ reads, http }) => (reads.failed > 0 ? `${count(reads.failed)} fail` : `${count(http.perSecond)} HTTP requests`),
    isBad: ({ reads }) => reads.failed > 0,
  },
  {
    label: 'Hit ratio',
    value: ({ hitRatio }) => percent(hitRatio === null ? null : hitRatio.local + hitRatio.redis),
    more: ({ hitRatio }) =>
      hitRatio === null ? 'nobody reads' : `memory\u00a0${percent(hitRatio.local)}, Redis\u00a0${percent(hitRatio.redis)}`,
  },
  {
    label: 'Latency, p99',
    value: ({ latency }) => duration(latency?.p99Ms),
    more: ({ latency }) =>
      latency === null ? 'nobody reads' : `p50\u00a0${duration(latency.p50Ms)}, p99.9\u00a0${duration(latency.p999Ms)}`,
    isBad: ({ latency }) => (latency?.p99Ms ?? 0) > 250,
  },
  {
    label: 'Staleness at most',
    value: ({ staleness }) => duration(staleness.highestMs),
    more: ({ staleness }) => `the bound is ${duration(staleness.maxMs)}`,
    isBad: ({ staleness }) => staleness.highestMs === null || staleness.highestMs > staleness.maxMs,
  },
  {
    label: 'Database load',
    value: ({ database }) => (database.calmLoad === null ? duration(database.load) : `${(database.load / database.calmLoad).toFixed(1)} ×`),
    more: ({ database }) =>
      database.calmLoad === null ? 'of each second; calm not known yet' : `of calm, ${duration(database.calmLoad)} a second`,
    isBad: ({ database }) => database.calmLoad !== null && database.load > 3 * database.calmLoad,
  },
  {
    label: 'Outbox',
    value: ({ outbox }) => count(outbox.depth),
    more: ({ outbox }) =>
      outbox.depth === null ? 'the database does not say' : `waiting; ${count(outbox.changesPerSecond)} changes a second`,
    isBad: ({ outbox }) => outbox.depth !== null && outbox.depth > outbox.alertAbove,
  },
];

/** @param {HTMLElement} root @returns {(snapshot: Snapshot) => void} */
export function showFigures(root) {
  const cells = FIGURES.map((figure) => {
    const value = make('dd', { className: 'number', textContent: '–' });
    const more = make('dd', { className: 'more', textContent: '\u00a0' });
    const cell = make('div', { className: 'figure' }, [make('dt', { textContent: figure.label }), value, more]);
    root.append(cell);
    return { figure, cell, value, more };
  });
  return (snapshot) => {
    for (const { figure, cell, value, more } of cells) {
      setText(value, figure.value(snapshot));
      setText(more, figure.more(snapshot));
      cell.classList.toggle('bad', figure.isBad?.(snapshot) ?? false);
    }
  };
}
