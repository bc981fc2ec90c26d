// Charts of the last ten minutes: uPlot on canvas, and beside each the same in words and as a table.
import uPlot from './uplot.js';
import { make } from './dom.js';
import { clock } from './format.js';
import { summaryOf } from './history.js';

/**
 * @import { ColumnName } from './types.js'
 * @import { History } from './history.js'
 */

/**
 * @typedef {{ column: ColumnName, label: string, color: Color, dash?: number[], fill?: boolean, hideIfNone?: boolean }} Series
 * @typedef {'accent' | 'ink' | 'soft' | 'bad'} Color
 * @typedef {{ title: string, series: Series[], format: (value: number | null | undefined) => string, log?: boolean, least?: number, limit?: () => number | null, limitLabel?: string, top?: number }} ChartOptions
 */

const HEIGHT = 132;
/** All charts share the moment that is pointed at. */
const SYNC = uPlot.sync('forebay');
const LEAST_S = 120;
/** Of the width: half a label. */
const EDGE_SHARE = 0.07;
const LOGARITHMIC = /** @type {any} */ (3);

/** Colours as they are in the theme of this moment: a canvas knows no custom properties. @returns {(name: string) => string} */
function palette() {
  const probe = document.createElement('span');
  document.body.append(probe);
  /** @type {Map<string, string>} */
  const known = new Map();
  const colors = (/** @type {string} */ name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    probe.style.color = `var(--${name})`;
    const color = getComputedStyle(probe).color;
    known.set(name, color);
    return color;
  };
  for (const name of ['accent', 'ink', 'soft', 'bad', 'muted', 'grid', 'wash']) colors(name);
  probe.remove();
  return colors;
}

export class Chart {
  /** @param {HTMLElement} root @param {History} history @param {ChartOptions} options */
  constructor(root, history, options) {
    this.history = history;
    this.options = options;
    /** @type {uPlot | null} */
    this.plot = null;
    this.values = options.series.map(() => make('b', { className: 'value' }));
    this.limitValue = make('b', { className: 'value' });
    const keys = options.series.map(({ label, color, dash }, i) =>
      make('span', { className: 'key' }, [
        make('i', { className: `swatch ${color}${dash === undefined ? '' : ' dashed'}` }),
        `${label} `,
        this.values[i] ?? '',
      ]),
    );
    if (options.limitLabel !== undefined)
      keys.push(make('span', { className: 'key' }, [make('i', { className: 'swatch limit' }), `${options.limitLabel} `, this.limitValue]));
    this.keys = keys;
    this.canvas = make('div', { className: 'plot' });
    this.canvas.setAttribute('role', 'img');
    this.table = make('div', { className: 'scroll' });
    this.details = make('details', { className: 'as-table' }, [make('summary', { textContent: 'As a table' }), this.table]);
    this.details.addEventListener('toggle', () => this.fillTable());
    const caption = make('figcaption', {}, [make('h3', { textContent: options.title }), make('p', { className: 'keys' }, keys)]);
    root.append(make('figure', { className: 'chart' }, [caption, this.canvas, this.details]));
    this.describedAt = 0;
    this.width = 0;
    new ResizeObserver(() => {
      const width = Math.floor(this.canvas.clientWidth);
      if (width === this.width || width === 0) return;
      this.width = width;
      if (this.plot === null) this.draw();
      else this.plot.setSize({ width, height: HEIGHT });
    }).observe(this.canvas);
  }

  /** In the colours of now. */
  draw() {
    this.plot?.destroy();
    if (this.width === 0) return;
    const color = palette();
    const { series, log = false } = this.options;
    this.plot = new uPlot(
      {
        width: this.width,
        height: HEIGHT,
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: SYNC.key }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { range: () => this.span() },
          y: log
            ? { distr: LOGARITHMIC, log: 10, range: (_plot, low, high) => logRange(low, high) }
            : { range: (_plot, _low, high) => this.range(high) },
        },
        axes: axesOf(this.options, color),
        series: [{}, ...series.map((one) => lineOf(one, color))],
        hooks: { draw: [(plot) => this.drawLimit(plot, color('bad'))], setCursor: [({ cursor }) => this.showValues(cursor.idx ?? null)] },
      },
      this.data(),
      this.canvas,
    );
    this.showValues(null);
  }

  update() {
    this.plot?.setData(this.data());
    if (this.plot?.cursor.idx == null) this.showValues(null);
    // What a screen reader is told does not change each second.
    if (Date.now() - this.describedAt < 10_000) return;
    this.describedAt = Date.now();
    this.canvas.setAttribute('aria-label', this.summary());
    if (this.details.open) this.fillTable();
  }

  /** @returns {uPlot.AlignedData} */
  data() {
    const { columns } = this.history;
    const { series, log = false } = this.options;
    const at = columns.at.map((ms) => (ms ?? 0) / 1000);
    // A logarithm has no nought; and what never happened needs no line.
    const withoutNought = (/** @type {(number | null)[]} */ values) => values.map((value) => (value === 0 ? null : value));
    return [at, ...series.map(({ column, hideIfNone = false }) => (log || hideIfNone ? withoutNought(columns[column]) : columns[column]))];
  }

  /** All that there is, and two minutes at least. @returns {[number, number]} */
  span() {
    const { at } = this.history.columns;
    const newest = (at.at(-1) ?? Date.now()) / 1000;
    return [Math.min((at[0] ?? 0) / 1000 || newest, newest - LEAST_S), newest];
  }

  /** @param {number | null} high @returns {[number, number]} */
  range(high) {
    const { least = 1, top, limit } = this.options;
    if (top !== undefined) return [0, top];
    return [0, Math.max(least, (high ?? 0) * 1.08, (limit?.() ?? 0) * 1.15)];
  }

  /** @param {uPlot} plot @param {string} color */
  drawLimit(plot, color) {
    const limit = this.options.limit?.();
    if (limit === null || limit === undefined) return;
    const y = Math.round(plot.valToPos(limit, 'y', true)) + 0.5;
    const { ctx, bbox } = plot;
    if (y < bbox.top) return;
    ctx.save();
    ctx.strokeStyle = color;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  /** Of the moment that is pointed at, or the newest. @param {number | null} index */
  showValues(index) {
    const { series, format, limit } = this.options;
    for (const [i, { column, hideIfNone = false }] of series.entries()) {
      const values = this.history.columns[column];
      const node = this.values[i];
      if (node !== undefined) node.textContent = format(index === null ? values.at(-1) : values[index]);
      const key = this.keys[i];
      if (hideIfNone && key !== undefined) key.hidden = !values.some((value) => value !== null && value > 0);
    }
    this.limitValue.textContent = format(limit?.());
  }

  summary() {
    const { title, series, format } = this.options;
    const parts = series.map(({ label, column }) => {
      const values = this.history.columns[column];
      return `${label}: now ${format(values.at(-1))}, highest ${format(summaryOf(values).highest)}`;
    });
    return `${title}, the last ten minutes. ${parts.join('; ')}.`;
  }

  fillTable() {
    if (!this.details.open) return;
    const { series, format, title } = this.options;
    const head = make('tr', {}, [
      make('th', { scope: 'col', textContent: 'Minute' }),
      ...series.map(({ label }) => make('th', { scope: 'col', textContent: `${label}, mean (highest)` })),
    ]);
    const rows = this.history
      .minutes(series.map(({ column }) => column))
      .map(({ at, values }) =>
        make('tr', {}, [
          make('th', { scope: 'row', textContent: clock(at).slice(0, 5) }),
          ...values.map(({ mean, highest }) => make('td', { textContent: `${format(mean)} (${format(highest)})` })),
        ]),
      );
    const caption = make('caption', { className: 'hidden', textContent: `${title} by minute` });
    this.table.replaceChildren(make('table', {}, [caption, make('thead', {}, [head]), make('tbody', {}, rows)]));
  }
}

/** Seconds only where they matter; none where it would run into the numbers at the side. @param {uPlot} plot @param {number[]} at */
function timeLabels({ scales }, at) {
  const { min = 0, max = 0 } = scales['x'] ?? {};
  const first = (min ?? 0) + ((max ?? 0) - (min ?? 0)) * EDGE_SHARE;
  return at.map((s) => (s < first ? '' : clock(s * 1000).replace(/:00$/, '')));
}

/** Of a logarithm only the decades are drawn. @param {uPlot} _plot @param {number[]} splits */
const decades = (_plot, splits) =>
  splits.map((value) => (Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6 ? value : null));

/** @param {ChartOptions} options @param {(name: string) => string} color @returns {uPlot.Axis[]} */
function axesOf({ format, log = false }, color) {
  const axis = {
    stroke: color('muted'),
    font: '11px system-ui, sans-serif',
    ticks: { show: false },
    grid: { stroke: color('grid'), width: 1 },
    border: { show: false },
  };
  return [
    { ...axis, size: 22, space: 64, incrs: [30, 60, 120, 300], values: timeLabels },
    {
      ...axis,
      size: 58,
      space: 30,
      ...(log ? { filter: decades, grid: { ...axis.grid, filter: decades } } : {}),
      values: (_plot, values) => values.map((value) => (value === null ? '' : format(value))),
    },
  ];
}

/** @param {Series} series @param {(name: string) => string} color @returns {uPlot.Series} */
function lineOf({ label, color: name, dash, fill }, color) {
  /** @type {uPlot.Series} */
  const line = { label, stroke: color(name), width: 1.5, points: { show: false }, spanGaps: false };
  if (dash !== undefined) line.dash = dash;
  if (fill === true) line.fill = color('wash');
  return line;
}

/** Whole decades. @param {number | null} low @param {number | null} high @returns {[number, number]} */
function logRange(low, high) {
  const from = Math.max(1e-5, low ?? 0.1);
  const to = Math.max(from, high ?? 10);
  return [10 ** Math.floor(Math.log10(from)), 10 ** Math.max(Math.ceil(Math.log10(to)), Math.floor(Math.log10(from)) + 1)];
}
