import type { Condition } from './condition/condition.ts';
import type { FileId } from './records.ts';
import type { StoreCall } from './store.ts';

/** One page of a walk over all records. */
export interface FoundFiles {
  /** Those of the page that are meant, in order. */
  readonly ids: readonly FileId[];
  /** Records that were looked at. */
  readonly seen: number;
  /** Where the next page begins: after this one; `null`: that was the last. */
  readonly last: FileId | null;
}

/** Finds files by what their records say, page by page. Rejects with `DATABASE_UNAVAILABLE` when the database does not answer. */
export interface FileFinder {
  /** Looks at `rows` records at most, in the order of their ids, from after `after` on. @throws {ForebayError} `INPUT_INVALID` for a value that the database does not take */
  find(condition: Condition, page: { readonly after?: FileId | null; readonly rows: number } & StoreCall): Promise<FoundFiles>;
  /** About how many records there are; `null` when nobody knows. */
  about(call?: StoreCall): Promise<number | null>;
}
