/** One entity tag of `If-Match` or `If-None-Match` (RFC 9110, section 8.8.3). */
export interface EntityTag {
  readonly weak: boolean;
  /** What stands between the quotes. */
  readonly opaque: string;
}

/** The ETag of a version: strong, since equal versions have equal bytes. */
export const etagOf = (version: number): string => `"${version}"`;

/** The tags of a header, or `*`; `undefined` when it does not follow the grammar. */
export function parseEntityTags(header: string): readonly EntityTag[] | '*' | undefined {
  if (header.trim() === '*') return '*';
  const element = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(,|$)/y;
  const tags: EntityTag[] = [];
  for (;;) {
    const match = element.exec(header);
    if (match === null) return undefined;
    if (match[2] !== undefined) tags.push({ weak: match[1] !== undefined, opaque: match[2] });
    if (match[3] === '') return tags.length === 0 ? undefined : tags;
  }
}

/** Whether a read may be answered with 304: weak comparison, as caches on the way may have weakened our tag. A header that cannot be read matches nothing. */
export const matchesVersion = (ifNoneMatch: string | undefined, version: number): boolean => matchesOpaque(ifNoneMatch, String(version));

/** As `matchesVersion`, for what stands between the quotes of any tag. */
export function matchesOpaque(ifNoneMatch: string | undefined, current: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = parseEntityTags(ifNoneMatch);
  if (tags === undefined) return false;
  return tags === '*' || tags.some(({ opaque }) => opaque === current);
}

/** The version that a strong tag of ours names; `undefined` for any other tag. */
export function versionOf({ weak, opaque }: EntityTag): number | undefined {
  if (weak || !/^(0|[1-9]\d{0,15})$/.test(opaque)) return undefined;
  const version = Number(opaque);
  return Number.isSafeInteger(version) ? version : undefined;
}
