// Bars in plain HTML: memory of both tiers, and the distribution of TTLs.
import { make } from './dom.js';
import { bytes, count, duration, percent } from './format.js';

/** @import { Distribution, Snapshot } from './types.js' */

/** @typedef {{ label: string, share: number | null, text: string }} Bar */

/** @param {Bar} bar */
function barRow({ label, share, text }) {
  const fill = make('span', { className: 'fill' });
  fill.style.width = `${Math.min(100, (share ?? 0) * 100)}%`;
  return make('div', { className: 'bar' }, [
    make('span', { className: 'label', textContent: label }),
    make('span', { className: 'track' }, [fill]),
    make('span', { className: 'text', textContent: text }),
  ]);
}

/** @param {HTMLElement} root @returns {(bars: Bar[], empty: string) => void} */
function keptBars(root) {
  let shown = '';
  return (bars, empty) => {
    const text = JSON.stringify([bars, empty]);
    if (text === shown) return;
    shown = text;
    if (bars.length === 0) root.replaceChildren(make('p', { className: 'none', textContent: empty }));
    else root.replaceChildren(...bars.map(barRow));
  };
}

/** @param {Snapshot} snapshot @returns {Bar[]} */
function memoryBars({ local, redis }) {
  const bars = [
    {
      label: 'Process memory',
      share: local.maxBytes === 0 ? 0 : local.bytes / local.maxBytes,
      text: `${bytes(local.bytes)} of ${bytes(local.maxBytes)}, ${count(local.entries + local.absentEntries)} entries, ${count(local.evictionsPerSecond)} evicted a second`,
    },
  ];
  for (const { node, usedMemoryBytes, maxMemoryBytes, keys, state } of redis.nodes) {
    if (usedMemoryBytes === null) continue;
    const limit = maxMemoryBytes === null || maxMemoryBytes === 0 ? null : maxMemoryBytes;
    bars.push({
      label: redis.nodes.length === 1 ? 'Redis' : node,
      share: limit === null ? 0 : usedMemoryBytes / limit,
      text: `${bytes(usedMemoryBytes)} of ${limit === null ? 'no limit' : bytes(limit)}, ${count(keys)} keys${state === 'up' ? '' : ', when it was seen last'}`,
    });
  }
  return bars;
}

/** @param {HTMLElement} root @returns {(snapshot: Snapshot) => void} */
export function showMemory(root) {
  const show = keptBars(root);
  return (snapshot) => show(memoryBars(snapshot), '');
}

/** @param {Distribution} ttl @returns {Bar[]} */
function ttlBars({ bounds, counts }) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const most = Math.max(...counts);
  return counts.flatMap((n, i) => {
    if (n === 0) return [];
    const bound = bounds[i];
    const label = bound === undefined ? `above ${duration((bounds.at(-1) ?? 0) * 1000)}` : `up to ${duration(bound * 1000)}`;
    return [{ label, share: n / most, text: `${count(n)}, ${percent(n / total)}` }];
  });
}

/** @param {HTMLElement} root @returns {(snapshot: Snapshot) => void} */
export function showTtls(root) {
  const show = keptBars(root);
  return ({ ttl }) => show(ttl === null ? [] : ttlBars(ttl), 'No entry was given a TTL yet.');
}
