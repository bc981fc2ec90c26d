import type { IncomingHttpHeaders } from 'node:http';
import { ForebayError } from '../core/errors.ts';
import type { WriteCondition } from '../files/store.ts';
import { parseEntityTags, versionOf } from './etag.ts';

/** More than one version in `If-Match` means one attempt for each. */
const MAX_TAGS = 8;

const moved = (header: string): ForebayError =>
  new ForebayError('VERSION_MISMATCH', `no version in If-Match: ${header} is the current one; read the record again and send its ETag`, {
    field: 'If-Match',
  });

/** Versions that `If-Match` allows; `undefined` when any will do. */
function allowedVersions(header: string): readonly number[] | undefined {
  const tags = parseEntityTags(header);
  if (tags === undefined) {
    throw new ForebayError('INPUT_INVALID', `must be "*" or quoted entity tags, such as If-Match: "123"`, { field: 'If-Match' });
  }
  if (tags === '*') return undefined;
  if (tags.length > MAX_TAGS) throw new ForebayError('INPUT_INVALID', `must hold at most ${MAX_TAGS} entity tags`, { field: 'If-Match' });
  return tags.map(versionOf).filter((version) => version !== undefined);
}

/**
 * Does a write under the conditions of its headers. Each version that `If-Match` names is tried by itself, atomically; the first that is the current one wins.
 * @throws {ForebayError} `VERSION_MISMATCH` when none is; `INPUT_INVALID` for a header that cannot be read, or a condition that this write cannot have.
 */
export async function writeUnder<T>(
  headers: IncomingHttpHeaders,
  write: (condition: WriteCondition) => Promise<T>,
  options: { readonly firstVersion?: number } = {},
): Promise<T> {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    // `*` is "only if there is none yet"; ignoring a condition that was asked for would be worse than refusing it.
    const onlyFirst = ifNoneMatch.trim() === '*' && ifMatch === undefined && options.firstVersion !== undefined;
    if (!onlyFirst)
      throw new ForebayError('INPUT_INVALID', 'this write cannot have this condition; use If-Match', { field: 'If-None-Match' });
    return write({ ifVersion: options.firstVersion });
  }
  const versions = ifMatch === undefined ? undefined : allowedVersions(ifMatch);
  if (ifMatch === undefined || versions === undefined) return write({});
  for (const ifVersion of versions) {
    try {
      return await write({ ifVersion });
    } catch (error) {
      if (!(error instanceof ForebayError && error.code === 'VERSION_MISMATCH')) throw error;
    }
  }
  throw moved(ifMatch.slice(0, 200));
}
