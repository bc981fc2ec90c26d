const UNITS: Readonly<Record<string, number>> = Object.freeze({ b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40 });

/**
 * Bytes of a size that a person wrote: `1048576`, `64mb`, `1.5 GB`. Units are powers of two; `MiB` is the same as `mb`.
 * `undefined` when it is none, or not a whole number of bytes up to 2^53 - 1.
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?) ?(b|[kmgt]i?b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = (match[2] ?? 'b').toLowerCase().replace('ib', 'b');
  const bytes = Number(match[1]) * (UNITS[unit] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size in the largest unit that keeps it a whole number: `67108864` is `64mb`. `parseSize` reads it back. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0b';
  let [unit, size] = ['b', 1];
  for (const [name, factor] of Object.entries(UNITS)) if (bytes % factor === 0) [unit, size] = [name, factor];
  return `${bytes / size}${unit}`;
}
