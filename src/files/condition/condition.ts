/** Columns of a record that a condition may compare, and what kind of value each holds. */
export const COLUMNS = Object.freeze({
  id: 'id',
  name: 'text',
  path: 'text',
  mime_type: 'text',
  owner_id: 'text',
  sha256: 'text',
  size: 'number',
  version: 'number',
  created_at: 'time',
  updated_at: 'time',
} as const);

export type Column = keyof typeof COLUMNS;
export type TextColumn = { [C in Column]: (typeof COLUMNS)[C] extends 'text' ? C : never }[Column];
export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=';

/** A value as it stood in the text: a number keeps all of its digits. `ago`: so many seconds before the database's now. */
export type Value =
  | { readonly kind: 'number' | 'text' | 'time' | 'id'; readonly text: string }
  | { readonly kind: 'ago'; readonly seconds: number };

/** Which files are meant. A closed set of forms: whoever turns it into SQL writes each of them once, and puts values into parameters. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'compare'; readonly column: Column; readonly by: Comparison; readonly value: Value }
  | { readonly kind: 'in'; readonly column: Column; readonly values: readonly Value[] }
  | { readonly kind: 'like'; readonly column: TextColumn; readonly pattern: string; readonly anyCase: boolean }
  | { readonly kind: 'missing'; readonly column: Column }
  /** The user's own tags hold this one. */
  | { readonly kind: 'tagged'; readonly tag: string }
  /** It lies in this folder, not in one below it. */
  | { readonly kind: 'folder'; readonly path: string };

export const anyOf = (parts: readonly Condition[]): Condition => {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind: 'or', parts };
};

/** A comparison of a text column. */
export const isText = (column: TextColumn, text: string): Condition => ({
  kind: 'compare',
  column,
  by: '=',
  value: { kind: 'text', text },
});
