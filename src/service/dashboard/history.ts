import type { Snapshot } from './snapshot.ts';

/** Seconds kept: the last ten minutes. */
export const HISTORY_LENGTH = 600;

/** What the charts draw: one column for each, one number for each second; `null` where there is none. */
export const COLUMNS = {
  at: ({ at }: Snapshot) => at,
  local: ({ reads }: Snapshot) => reads.local,
  redis: ({ reads }: Snapshot) => reads.redis,
  database: ({ reads }: Snapshot) => reads.database,
  failed: ({ reads }: Snapshot) => reads.failed,
  localRatio: ({ hitRatio }: Snapshot) => hitRatio?.local ?? null,
  redisRatio: ({ hitRatio }: Snapshot) => hitRatio?.redis ?? null,
  p50: ({ latency }: Snapshot) => latency?.p50Ms ?? null,
  p99: ({ latency }: Snapshot) => latency?.p99Ms ?? null,
  p999: ({ latency }: Snapshot) => latency?.p999Ms ?? null,
  staleness: ({ staleness }: Snapshot) => staleness.highestMs,
  load: ({ database }: Snapshot) => database.load,
  outbox: ({ outbox }: Snapshot) => outbox.depth,
} as const satisfies Record<string, (snapshot: Snapshot) => number | null>;

export type ColumnName = keyof typeof COLUMNS;
export type Columns = Readonly<Record<ColumnName, readonly (number | null)[]>>;

const NAMES = Object.keys(COLUMNS) as ColumnName[];
/** Four digits are more than a chart shows, and a third of the bytes. */
const brief = (value: number | null): number | null => (value === null || Number.isInteger(value) ? value : Number(value.toPrecision(4)));

/** The last ten minutes, second by second: bounded, and small enough to be sent to whoever opens the page. */
export class History {
  readonly #columns = Object.fromEntries(NAMES.map((name) => [name, [] as (number | null)[]])) as Record<ColumnName, (number | null)[]>;

  add(snapshot: Snapshot): void {
    for (const name of NAMES) {
      const column = this.#columns[name];
      column.push(brief(COLUMNS[name](snapshot)));
      if (column.length > HISTORY_LENGTH) column.shift();
    }
  }

  get columns(): Columns {
    return this.#columns;
  }
}
