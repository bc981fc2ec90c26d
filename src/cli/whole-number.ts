import { ForebayError } from '../core/errors.ts';

/**
 * A whole number that a flag was given.
 * @throws {ForebayError} `INPUT_INVALID`, with what is accepted
 */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new ForebayError('INPUT_INVALID', `--${name}=${JSON.stringify(text.slice(0, 64))}: must be a whole number from ${min} to ${max}`, {
    field: name,
  });
}
