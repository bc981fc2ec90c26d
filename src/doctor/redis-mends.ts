import type { RedisServer } from '../redis/server-address.ts';

/** What mends a connection that was not made, by what either side says of it; the first that fits. */
const MENDS: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS|NOAUTH/, 'correct user and password in FOREBAY_REDIS_URL (or passwordFile)'],
  [/certificate required/i, 'the server asks for a certificate of ours: ?certFile=…&keyFile=…'],
  [/unknown ca|bad certificate/i, 'the server does not know the authority of our certificate (certFile): tls-ca-cert-file in redis.conf'],
  [/altnames|does not match certificate/i, 'name the host that the certificate is for in FOREBAY_REDIS_URL, or ?servername=NAME'],
  [/expired|not yet valid/i, 'renew the certificate of the server, and see that the clocks of both machines are right'],
  [/wrong version number|packet length too long/i, 'the port speaks no TLS: give the one that does (tls-port), or redis:// without TLS'],
  [/certificate|self.signed|CERT/i, 'give the authority that signed the certificate: ?caFile=…'],
];

/** A server that gives up a handshake says why only sometimes; else the connection just ends. */
const ENDED = /ECONNRESET|EPIPE|socket|closed/i;
/** One that speaks no TLS waits for the rest of what it takes for a command. */
const SILENT = /ETIMEDOUT|did not answer/i;

/** What mends that Redis could not be connected to, where the reason says so; `null` where it does not. */
export function mendFor(reason: string, server: string | RedisServer | null): string | null {
  const known = MENDS.find(([pattern]) => pattern.test(reason));
  if (known !== undefined) return known[1];
  if (server === null) return null;
  const isTls = isOverTls(server);
  if (isTls && SILENT.test(reason)) return 'see that it runs, and that the port speaks TLS (tls-port); without TLS it is redis://';
  if (!ENDED.test(reason)) return null;
  return isTls
    ? 'see whether the server asks for a certificate of ours (tls-auth-clients): ?certFile=…&keyFile=…, and that the port speaks TLS'
    : 'see whether the port speaks TLS alone: rediss:// in FOREBAY_REDIS_URL';
}

const isOverTls = (server: string | RedisServer): boolean => (typeof server === 'string' ? server : server.url).startsWith('rediss');
