// Numbers as people read them. Pure: no page, no clock.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const NONE = '–';
/** A number and its unit stay on one line. */
const SPACE = '\u00a0';

/** @param {number | null | undefined} value @returns {value is number} */
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** Three digits are what an eye takes in. @param {number} value */
function three(value) {
  const size = Math.abs(value);
  if (size >= 100) return whole.format(value);
  const text = value.toFixed(size < 1 ? 2 : 1);
  return Number(text) % 1 === 0 ? String(Number(text)) : text;
}

/** `1,234`, `12.3k`, `0.42`. @param {number | null | undefined} value */
export function count(value) {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) >= 1e6) return `${three(value / 1e6)}M`;
  return Math.abs(value) >= 1e4 ? `${three(value / 1e3)}k` : three(value);
}

/** `0.3 µs`, `12 ms`, `1.2 s`, `3 min`. @param {number | null | undefined} ms */
export function duration(ms) {
  if (!isNumber(ms)) return NONE;
  const size = Math.abs(ms);
  if (size === 0) return `0${SPACE}ms`;
  if (size < 1) return `${three(ms * 1000)}${SPACE}µs`;
  if (size < 1000) return `${three(ms)}${SPACE}ms`;
  if (size < 120_000) return `${three(ms / 1000)}${SPACE}s`;
  if (size < 7_200_000) return `${three(ms / 60_000)}${SPACE}min`;
  return size < 172_800_000 ? `${three(ms / 3_600_000)}${SPACE}h` : `${three(ms / 86_400_000)}${SPACE}days`;
}

/** `94.2 %`. @param {number | null | undefined} share */
export function percent(share) {
  if (!isNumber(share)) return NONE;
  const value = share * 100;
  // Rounding makes nothing perfect that is not.
  return `${value > 99.9 && value < 100 ? '> 99.9' : value.toFixed(value % 1 === 0 ? 0 : 1)}${SPACE}%`;
}

/** `12 MiB`. @param {number | null | undefined} bytes */
export function bytes(bytes) {
  if (!isNumber(bytes)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${three(value)}${SPACE}${units[unit]}`;
}

/** `14:03:07`, of here. @param {number} at ms since the epoch */
export function clock(at) {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
