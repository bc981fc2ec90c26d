import type { FileInfo } from './records.ts';

/**
 * Tags by which a file's entry can be invalidated: `owner:ID`, `type:MEDIA/TYPE`, `folder:/PATH` (the folder it lies in, not those above), and the user's own as they are.
 */
export function fileTags(file: FileInfo): string[] {
  const slash = file.path.lastIndexOf('/');
  const folder = slash <= 0 ? '/' : file.path.slice(0, slash);
  return [`owner:${file.ownerId}`, `type:${file.mimeType}`, `folder:${folder}`, ...file.tags];
}
