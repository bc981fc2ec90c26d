import type { ForebayEvent } from '../../../event-log.ts';
import type { Columns } from '../history.ts';
import type { Snapshot } from '../snapshot.ts';

export type { ColumnName, Columns } from '../history.ts';
export type { ForebayEvent } from '../../../event-log.ts';
export type { DatabaseView, Distribution, RedisView, Snapshot } from '../snapshot.ts';

/** What the stream tells. */
export interface Message {
  /** Of the first message alone, as are `columns`. */
  readonly needsToken?: boolean;
  readonly columns?: Columns;
  /** `null` before the first look. */
  readonly snapshot: Snapshot | null;
  readonly events: readonly ForebayEvent[];
}
