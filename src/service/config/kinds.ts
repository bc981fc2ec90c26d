import { isIP } from 'node:net';
import { z } from 'zod';
import { formatDuration, parseDuration } from '../../core/duration.ts';
import { formatSize, parseSize } from '../../core/size.ts';
import { isRedisUrl } from '../../redis/server-address.ts';

/** What a flag, a variable or the file can give for a setting. */
export type RawValue = string | number | boolean;

/** How a setting's value is read: the schema that checks it, and the one sentence that says what it accepts. */
export interface Kind<T> {
  readonly schema: z.ZodType<T>;
  /** What is accepted, to be read after the words "must be". */
  readonly rule: string;
  /** Shown in help in place of a value: `--port N`. Empty for a switch. */
  readonly placeholder: string;
  /** The value as a person would write it. */
  readonly format: (value: T) => string;
}

/** A kind whose reading is one function: `undefined` means that the rule was broken. */
function kind<T>(
  rule: string,
  placeholder: string,
  read: (raw: RawValue) => T | undefined,
  format: (value: T) => string = String,
): Kind<T> {
  const schema = z.union([z.string(), z.number(), z.boolean()], `must be ${rule}`).transform((raw, context) => {
    const value = read(raw);
    if (value !== undefined) return value;
    context.addIssue(`must be ${rule}`);
    return z.NEVER;
  });
  return { schema, rule, placeholder, format };
}

const within = (value: number | undefined, min: number, max: number): number | undefined =>
  value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;

export function integer(min: number, max: number): Kind<number> {
  const read = (raw: RawValue): number | undefined => {
    if (typeof raw === 'number') return within(raw, min, max);
    return typeof raw === 'string' && /^\d{1,16}$/.test(raw.trim()) ? within(Number(raw), min, max) : undefined;
  };
  return kind(`a whole number from ${min} to ${max}`, 'N', read);
}

export function size(min: number, max: number): Kind<number> {
  const read = (raw: RawValue): number | undefined => within(typeof raw === 'boolean' ? undefined : parseSize(String(raw)), min, max);
  return kind(`a size from ${formatSize(min)} to ${formatSize(max)}, such as 64mb`, 'SIZE', read, formatSize);
}

export function duration(minMs: number, maxMs: number): Kind<number> {
  const read = (raw: RawValue): number | undefined =>
    within(typeof raw === 'boolean' ? undefined : parseDuration(String(raw)), minMs, maxMs);
  return kind(
    `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}: milliseconds, or with a unit such as 500ms, 30s, 5m`,
    'TIME',
    read,
    formatDuration,
  );
}

/** A duration, or a word that stands for "none given". */
export function durationOr<W extends string>(word: W, minMs: number, maxMs: number): Kind<number | W> {
  const inner = duration(minMs, maxMs);
  const read = (raw: RawValue): number | W | undefined => (raw === word ? word : inner.schema.safeParse(raw).data);
  return kind(`"${word}" or ${inner.rule}`, 'TIME', read, (value) => (typeof value === 'number' ? formatDuration(value) : value));
}

export function oneOf<const W extends string>(words: readonly W[]): Kind<W> {
  return kind(`one of ${words.join(', ')}`, words.join('|'), (raw) => words.find((word) => word === raw));
}

const YES = new Set<RawValue>(['true', '1', 'yes', 'on', true]);
const NO = new Set<RawValue>(['false', '0', 'no', 'off', false]);

export function yesNo(): Kind<boolean> {
  return kind('true or false', '', (raw) => (YES.has(raw) ? true : NO.has(raw) ? false : undefined));
}

/** Text that a test accepts. */
export function text(rule: string, placeholder: string, accepts: (text: string) => boolean): Kind<string> {
  return kind(rule, placeholder, (raw) => (typeof raw === 'string' && accepts(raw) ? raw : undefined));
}

/** Text, or nothing at all. */
export function optionalText(rule: string, placeholder: string, accepts: (text: string) => boolean): Kind<string | null> {
  return { ...text(rule, placeholder, accepts), format: (value) => value ?? '' };
}

/** Where Redis is, or one of these words. */
export function redisServer(words: readonly string[]): Kind<string> {
  const rule = `${words.map((word) => `"${word}"`).join(', ')}, redis://host:6379, redis+sentinel://host,host/master, redis+cluster://host,host (rediss… with TLS) or unix:/path/redis.sock`;
  return text(rule, 'URL', (given) => words.includes(given) || isRedisUrl(given));
}

/** A URL with one of these schemes and a host, or one of these words. */
export function url(rule: string, schemes: readonly string[], words: readonly string[]): Kind<string> {
  return text(rule, 'URL', (given) => {
    if (words.includes(given)) return true;
    const parsed = URL.canParse(given) ? new URL(given) : undefined;
    return parsed !== undefined && schemes.includes(parsed.protocol) && parsed.hostname !== '';
  });
}

function isProxy(address: string): boolean {
  const [ip = '', bits, ...rest] = address.split('/');
  const family = isIP(ip);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Whose word about the client's address is taken: nobody's, everybody's, or that of listed proxies. */
export function proxies(): Kind<boolean | string> {
  const read = (raw: RawValue): boolean | string | undefined => {
    if (YES.has(raw)) return true;
    if (NO.has(raw)) return false;
    const list = String(raw)
      .split(',')
      .map((part) => part.trim());
    return list.every(isProxy) ? list.join(',') : undefined;
  };
  return kind('true, false, or IP addresses and networks (10.0.0.0/8) with commas between', 'LIST', read);
}
