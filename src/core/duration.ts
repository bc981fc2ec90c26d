const UNITS: Readonly<Record<string, number>> = Object.freeze({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 });

/**
 * Milliseconds of a duration that a person wrote: `250` (milliseconds), `250ms`, `1.5s`, `5m`, `2h`, `7d`.
 * `undefined` when it is none, or not a whole number of milliseconds up to 2^53 - 1.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?) ?(ms|s|m|h|d)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNITS[(match[2] ?? 'ms').toLowerCase()] ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** A duration in the largest unit that keeps it a whole number: `90000` is `90s`. `parseDuration` reads it back. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0ms';
  let [unit, size] = ['ms', 1];
  for (const [name, factor] of Object.entries(UNITS)) if (ms % factor === 0) [unit, size] = [name, factor];
  return `${ms / size}${unit}`;
}
