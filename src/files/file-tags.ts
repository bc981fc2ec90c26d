import type { Condition, TextColumn } from './condition/condition.ts';
import { anyOf, isText } from './condition/condition.ts';
import type { FileInfo } from './records.ts';

/**
 * Tags by which a file's entry can be invalidated: `owner:ID`, `type:MEDIA/TYPE`, `folder:/PATH` (the folder it lies in, not those above), and the user's own as they are.
 */
export function fileTags(file: FileInfo): string[] {
  const slash = file.path.lastIndexOf('/');
  const folder = slash <= 0 ? '/' : file.path.slice(0, slash);
  return [`owner:${file.ownerId}`, `type:${file.mimeType}`, `folder:${folder}`, ...file.tags];
}

const COLUMN_OF: Readonly<Record<string, TextColumn>> = Object.freeze({ owner: 'owner_id', type: 'mime_type' });

/** The files whose `fileTags` hold this one: the other way round, for a database that holds no tags but the user's own. */
export function withTag(tag: string): Condition {
  const own: Condition = { kind: 'tagged', tag };
  const [, kind = '', rest = ''] = /^(owner|type|folder):(.*)$/s.exec(tag) ?? [];
  if (kind === '') return own;
  const column = COLUMN_OF[kind];
  // Nothing keeps a user's own tag from looking like one of the others.
  return anyOf([column === undefined ? { kind: 'folder', path: rest } : isText(column, rest), own]);
}
