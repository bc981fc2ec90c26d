import type { RawValue } from './kinds.ts';

const HIDDEN = '********';
const SECRET_PARAMETER = /pass|pwd|secret|token|key/i;

/**
 * A URL, or what was meant to be one, without its password. Whatever does not parse cleanly is hidden whole: a password
 * with an unescaped `@`, `/`, `?` or `#` moves the borders between the parts, and those are the URLs that end up in error messages.
 */
function maskUrl(url: string): string {
  if (!/[@=]/.test(url)) return url;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const doubtful = parsed === undefined || parsed.host === '' || /@/.test(parsed.pathname + parsed.search + parsed.hash);
  if (doubtful) return `${/^\w+:(?:\/\/)?/.exec(url)?.[0] ?? ''}${HIDDEN}`;
  const user = parsed.username === '' && parsed.password === '' ? '' : `${parsed.username}${parsed.password === '' ? '' : `:${HIDDEN}`}@`;
  const parameters = [...parsed.searchParams].map(([name, value]) => `${name}=${SECRET_PARAMETER.test(name) ? HIDDEN : value}`);
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`;
}

/** A value as it may be shown. */
export function mask(value: RawValue, secret: 'value' | 'url' | undefined): string {
  if (secret === 'value') return HIDDEN;
  return secret === 'url' ? maskUrl(String(value)) : String(value);
}
