import { ForebayError } from '../core/errors.ts';

/** Where a server is and how to log in, in the client's words. */
export interface RedisTarget {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly servername: string };
}

/**
 * Connection options from a URL: `redis://user:password@host:port/db`, `rediss://…` (TLS), or `unix:/path/to/socket?db=1`.
 * @throws {ForebayError} `CONFIG_INVALID`, without the password.
 */
export function parseRedisUrl(text: string): RedisTarget {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ForebayError('CONFIG_INVALID', `the Redis URL is not a URL; give redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH`, {
      field: 'redis',
    });
  }
  const credentials = {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
  };
  switch (url.protocol) {
    case 'unix:': {
      const path = decodeURIComponent(url.pathname);
      return { path, db: database(url.searchParams.get('db') ?? ''), ...credentials };
    }
    case 'redis:':
    case 'rediss:': {
      const host = url.hostname === '' ? '127.0.0.1' : url.hostname.replace(/^\[(.*)\]$/, '$1');
      const port = url.port === '' ? 6379 : Number(url.port);
      const tls = url.protocol === 'rediss:' ? { tls: { servername: host } } : {};
      return { host, port, db: database(url.pathname.slice(1)), ...credentials, ...tls };
    }
    default:
      throw new ForebayError(
        'CONFIG_INVALID',
        `"${url.protocol}//" is not a Redis URL; give redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH`,
        {
          field: 'redis',
        },
      );
  }
}

function database(text: string): number {
  if (!/^\d{0,5}$/.test(text)) {
    throw new ForebayError('CONFIG_INVALID', `"${text}" is not the number of a Redis database; give redis://HOST:PORT/0`, {
      field: 'redis',
    });
  }
  return Number(text);
}
