import { randomUUID } from 'node:crypto';
import type { Attributes, FileId, FileInfo, FileMeta, FilePatch, NewFile } from './records.ts';
import { checkAttributes, fileId, filePatchSchema, newFileSchema, parseInput } from './records.ts';
import type { FileRecords, WriteCondition } from './store.ts';

/** A write whose arguments were checked: the record it is of, the caches that it shows in, and how it is done, by itself or in a transaction. */
export interface FileWrite<R> {
  readonly id: FileId;
  /** As the triggers of the database say it. */
  readonly shows: readonly ('info' | 'meta')[];
  readonly on: (records: FileRecords) => Promise<R>;
}

/** Whether a file has attributes, if only empty ones, depends on whether it exists. */
const BOTH = ['info', 'meta'] as const;

// Each throws INPUT_INVALID.

export function creation(file: NewFile): FileWrite<FileInfo> {
  const checked = parseInput(newFileSchema, file);
  // Drawn here and not by the store, so that it is known what to forget when nobody can say whether the record was made.
  const id = checked.id ?? fileId(randomUUID());
  return { id, shows: BOTH, on: (records) => records.create({ ...checked, id }) };
}

export function update(text: string, patch: FilePatch, condition?: WriteCondition): FileWrite<FileInfo> {
  const id = fileId(text);
  const checked = parseInput(filePatchSchema, patch);
  return { id, shows: ['info'], on: (records) => records.update(id, checked, condition) };
}

export function deletion(text: string, condition?: WriteCondition): FileWrite<FileInfo | null> {
  const id = fileId(text);
  return { id, shows: BOTH, on: (records) => records.delete(id, condition) };
}

export function metaPut(text: string, attributes: Attributes, condition?: WriteCondition): FileWrite<FileMeta> {
  const id = fileId(text);
  const checked = checkAttributes(attributes);
  return { id, shows: ['meta'], on: (records) => records.putMeta(id, checked, condition) };
}
