const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `94.0 %`; `–` for what is not known. */
export const percent = (share: number | null, digits = 1): string => (share === null ? '–' : `${(share * 100).toFixed(digits)} %`);

/** `128 MiB`, with as many digits as matter. */
export function bytes(size: number | null): string {
  if (size === null) return '–';
  let value = size;
  let unit = 0;
  while (value >= 1023.5 && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : digits(value)} ${SIZES[unit]}`;
}

/** `12,345`; from a million on `1.23 M`. */
export function count(value: number | null): string {
  if (value === null) return '–';
  if (value >= 999_950_000) return `${digits(value / 1e9)} G`;
  if (value >= 999_950) return `${digits(value / 1e6)} M`;
  if (value !== 0 && value < 10 && !Number.isInteger(value)) return digits(value);
  return String(Math.round(value)).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `340 µs`, `12.5 ms`, `3.4 s`, `12 min`, `5.1 h`, `2.3 d`. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 0.9995) return `${digits(ms * 1000)} µs`;
  if (ms < 999.5) return `${digits(ms)} ms`;
  const units = [
    ['s', 1000, 120],
    ['min', 60_000, 120],
    ['h', 3_600_000, 48],
    ['d', 86_400_000, Number.POSITIVE_INFINITY],
  ] as const;
  const [unit, size] = units.find(([, unitMs, most]) => ms / unitMs < most) ?? units[3];
  return `${digits(ms / size)} ${unit}`;
}

/** Three digits, and no more after the point than matter. */
function digits(value: number): string {
  if (value >= 99.95) return String(Math.round(value));
  return String(Number(value.toFixed(value >= 9.995 ? 1 : 2)));
}

/** `2x`, `1/4 of`. */
export const times = (factor: number): string => (factor >= 1 ? `${factor}x` : `1/${Math.round(1 / factor)} of`);
