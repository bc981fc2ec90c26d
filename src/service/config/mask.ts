import type { RawValue } from './kinds.ts';

const HIDDEN = '********';
/** Parameters that are known to hold no secret. An unescaped `&` cuts a password into what looks like more of them, so that all others are hidden, names too. */
const SHOWN_PARAMETER = /^(sslmode|application_name|connect_timeout|db|connections|\w+TimeoutMs|frozenAfterMs|keepAliveMs)=[\w.-]*$/;

/**
 * A URL, or what was meant to be one, without its password. Whatever does not parse cleanly is hidden whole: a password
 * with an unescaped `@`, `/`, `?` or `#` moves the borders between the parts, and those are the URLs that end up in error messages.
 */
function maskUrl(url: string): string {
  if (!/[@=]/.test(url)) return url;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const doubtful = parsed === undefined || parsed.host === '' || /@/.test(parsed.pathname + parsed.search + parsed.hash);
  if (doubtful) return `${/^[\w+]+:(?:\/\/)?/.exec(url)?.[0] ?? ''}${HIDDEN}`;
  const user = parsed.username === '' && parsed.password === '' ? '' : `${parsed.username}${parsed.password === '' ? '' : `:${HIDDEN}`}@`;
  const parameters = parsed.search.slice(1).split('&').filter(Boolean);
  const shown = parameters.map((parameter) => (SHOWN_PARAMETER.test(parameter) ? parameter : HIDDEN));
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}${shown.length === 0 ? '' : `?${shown.join('&')}`}`;
}

/** A value as it may be shown. */
export function mask(value: RawValue, secret: 'value' | 'url' | undefined): string {
  if (secret === 'value') return HIDDEN;
  return secret === 'url' ? maskUrl(String(value)) : String(value);
}
