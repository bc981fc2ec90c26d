// The last ten minutes, as the service had them when the page opened, and what came since. Pure.

/** @import { ColumnName, Columns, Snapshot } from './types.js' */

const LENGTH = 600;

/** @type {Record<Exclude<ColumnName, 'at'>, (snapshot: Snapshot) => number | null>} */
const READ = {
  local: ({ reads }) => reads.local,
  redis: ({ reads }) => reads.redis,
  database: ({ reads }) => reads.database,
  failed: ({ reads }) => reads.failed,
  localRatio: ({ hitRatio }) => hitRatio?.local ?? null,
  redisRatio: ({ hitRatio }) => hitRatio?.redis ?? null,
  p50: ({ latency }) => latency?.p50Ms ?? null,
  p99: ({ latency }) => latency?.p99Ms ?? null,
  p999: ({ latency }) => latency?.p999Ms ?? null,
  staleness: ({ staleness }) => staleness.highestMs,
  load: ({ database }) => database.load,
  outbox: ({ outbox }) => outbox.depth,
};
const NAMES = /** @type {(keyof typeof READ)[]} */ (Object.keys(READ));

export class History {
  /** @type {Record<ColumnName, (number | null)[]>} */
  columns = /** @type {any} */ ({ at: [], ...Object.fromEntries(NAMES.map((name) => [name, []])) });

  /** What the service kept takes the place of what is here. @param {Columns} columns */
  replace(columns) {
    for (const name of /** @type {ColumnName[]} */ (Object.keys(this.columns))) this.columns[name] = [...(columns[name] ?? [])];
  }

  /** @param {Snapshot} snapshot */
  add(snapshot) {
    const newest = this.columns.at.at(-1) ?? 0;
    // A chart's time only goes forward, whatever the clock of the service does.
    if (newest !== null && snapshot.at <= newest) return;
    this.columns.at.push(snapshot.at);
    for (const name of NAMES) this.columns[name].push(READ[name](snapshot));
    for (const column of Object.values(this.columns)) if (column.length > LENGTH) column.shift();
  }

  /** By minutes, the newest first: of each column the mean and the highest. @param {readonly ColumnName[]} names */
  minutes(names) {
    const { at } = this.columns;
    /** @type {{ at: number, values: { mean: number | null, highest: number | null }[] }[]} */
    const rows = [];
    for (let end = at.length; end > 0;) {
      const minute = Math.floor((at[end - 1] ?? 0) / 60_000);
      let start = end - 1;
      while (start > 0 && Math.floor((at[start - 1] ?? 0) / 60_000) === minute) start -= 1;
      const values = names.map((name) => summaryOf(this.columns[name].slice(start, end)));
      rows.push({ at: minute * 60_000, values });
      end = start;
    }
    return rows;
  }
}

/** @param {readonly (number | null)[]} values */
export function summaryOf(values) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { mean: null, highest: null };
  return { mean: known.reduce((sum, value) => sum + value, 0) / known.length, highest: Math.max(...known) };
}
