import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

type Stored =
  | { readonly kind: 'text'; readonly bytes: Buffer; readonly expiresAt: number }
  | { readonly kind: 'hash'; readonly fields: Map<string, string>; readonly expiresAt: number };

/** An invalidation that the server carried out. */
export type Invalidated = { readonly origin: string } & (
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | { readonly kind: 'tags'; readonly buckets: readonly number[]; readonly all: boolean }
);

type Reply = Buffer | number | string | null | readonly Reply[];

const FOLDER = new URL('../../src/redis/scripts/', import.meta.url);
/** Names of the scripts by the SHA-1 of their texts, as the server knows them. */
const SCRIPTS = new Map(
  readdirSync(FOLDER).map((file) => [
    createHash('sha1')
      .update(readFileSync(new URL(file, FOLDER)))
      .digest('hex'),
    file.replace('.lua', ''),
  ]),
);

/**
 * The part of Redis that the remote tier uses, in memory: values with expiry, the tag table, the six scripts (by hand; the contract suite holds them to what Lua does) and a channel.
 * Every call is carried out at once and whole, as a server with one thread does.
 */
export class MemoryRedis {
  readonly #now: () => number;
  readonly #stored = new Map<string, Stored>();
  readonly #loaded = new Set<string>();
  readonly #subscribers = new Map<string, Set<(text: string) => void>>();
  /** Told of each invalidation as it is carried out, before it is published. */
  onInvalidated: (change: Invalidated) => void = () => {};

  /** So many of the next scripts are answered with an error, as by a server that is full or was demoted. */
  refusals = 0;

  /** `now`: the server's clock in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Every key that is there. */
  keys(): string[] {
    return [...this.#stored.keys()].filter((key) => this.#live(key) !== undefined);
  }

  get(key: string): Buffer | null {
    const stored = this.#live(key);
    if (stored?.kind === 'hash') throw wrongType();
    return stored?.bytes ?? null;
  }

  set(key: string, bytes: Buffer, expireMs = Number.POSITIVE_INFINITY): void {
    this.#stored.set(key, { kind: 'text', bytes: Buffer.from(bytes), expiresAt: this.#now() + expireMs });
  }

  pttl(key: string): number {
    const stored = this.#live(key);
    if (stored === undefined) return -2;
    return stored.expiresAt === Number.POSITIVE_INFINITY ? -1 : stored.expiresAt - this.#now();
  }

  hmget(key: string, fields: readonly string[]): (Buffer | null)[] {
    const stored = this.#live(key);
    if (stored?.kind === 'text') throw wrongType();
    return fields.map((field) => asBuffer(stored?.fields.get(field) ?? null));
  }

  mget(keys: readonly string[]): (Buffer | null)[] {
    return keys.map((key) => {
      const stored = this.#live(key);
      return stored?.kind === 'text' ? stored.bytes : null;
    });
  }

  time(): [string, string] {
    const now = this.#now();
    return [String(Math.floor(now / 1000)), String(Math.floor((now % 1000) * 1000))];
  }

  /** Removes a key, as eviction does; tells nobody. */
  unlink(key: string): number {
    return this.#stored.delete(key) ? 1 : 0;
  }

  flush(): void {
    this.#stored.clear();
  }

  /** As if every script had been sent before. */
  loadScripts(): void {
    for (const sha1 of SCRIPTS.keys()) this.#loaded.add(sha1);
  }

  forgetScripts(): void {
    this.#loaded.clear();
  }

  subscribe(channel: string, receive: (text: string) => void): void {
    const receivers = this.#subscribers.get(channel) ?? new Set();
    this.#subscribers.set(channel, receivers.add(receive));
  }

  unsubscribe(receive: (text: string) => void): void {
    for (const receivers of this.#subscribers.values()) receivers.delete(receive);
  }

  publish(channel: string, text: string): void {
    for (const receive of this.#subscribers.get(channel) ?? []) receive(text);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly (string | Buffer)[]): Reply {
    if (!this.#loaded.has(sha1)) throw new Error('NOSCRIPT No matching script. Please use EVAL.');
    if (this.refusals > 0) {
      this.refusals -= 1;
      throw new Error("OOM command not allowed when used memory > 'maxmemory'.");
    }
    const name = SCRIPTS.get(sha1);
    switch (name) {
      case 'acquire':
        return this.#acquire(keys, args);
      case 'fill':
        return this.#fill(keys, args);
      case 'put':
        return this.#put(keys, args);
      case 'invalidate-keys':
        return this.#invalidateKeys(keys, args);
      case 'invalidate-tags':
        return this.#invalidateTags(keys, args);
      case 'read-tags':
        return this.#readTags(keys, args);
      default:
        throw new Error(`the memory server does not know the script "${name}"; write it in test/support/memory-redis.ts`);
    }
  }

  eval(lua: string, keys: readonly string[], args: readonly (string | Buffer)[]): Reply {
    const sha1 = createHash('sha1').update(lua).digest('hex');
    this.#loaded.add(sha1);
    return this.evalsha(sha1, keys, args);
  }

  #acquire([value = '', lease = '']: readonly string[], [token = '', leaseMs, replace]: readonly (string | Buffer)[]): Reply {
    if (String(replace) !== '1') {
      const bytes = this.get(value);
      if (bytes !== null) return [Buffer.from('found'), bytes, Buffer.from(String(this.#ms()))];
    }
    if (this.#live(lease) !== undefined) return [Buffer.from('held')];
    this.set(lease, Buffer.from(token), Number(leaseMs));
    return [Buffer.from('granted')];
  }

  #fill([value = '', lease = '']: readonly string[], args: readonly (string | Buffer)[]): Reply {
    const [token = '', before = '', after = '', expireMs, loadedAgoMs] = args;
    if (this.get(lease)?.toString() !== String(token)) return 0;
    this.unlink(lease);
    if (String(expireMs) === '0') return 0;
    this.set(value, join(before, String(this.#ms() - Number(loadedAgoMs)), after), Number(expireMs));
    return 1;
  }

  #put([value = '', lease = '']: readonly string[], args: readonly (string | Buffer)[]): Reply {
    const [before = '', after = '', expireMs, channel, message] = args;
    this.set(value, join(before, String(this.#ms()), after), Number(expireMs));
    this.unlink(lease);
    this.publish(String(channel), String(message));
    return 1;
  }

  #invalidateKeys(keys: readonly string[], [channel, message]: readonly (string | Buffer)[]): Reply {
    const deleted = keys.reduce((sum, key) => sum + this.unlink(key), 0);
    const { o: origin } = JSON.parse(String(message)) as { o: string };
    this.onInvalidated({ origin, kind: 'keys', keys: keys.filter((_, i) => i % 2 === 0) });
    this.publish(String(channel), String(message));
    return deleted;
  }

  #invalidateTags([table = '']: readonly string[], args: readonly (string | Buffer)[]): Reply {
    const [channel, origin, newGeneration, all, purge, ...buckets] = args.map(String);
    let fields = this.#hash(table);
    if (fields?.get('g') === undefined || all === '1') {
      fields = new Map([['g', newGeneration ?? '']]);
      this.#stored.set(table, { kind: 'hash', fields, expiresAt: Number.POSITIVE_INFINITY });
    }
    const generation = fields.get('g') ?? '';
    const previous = Number(fields.get('n') ?? '0') || 0;
    const stamp = Math.max(this.#micros(), previous + 1);
    for (const bucket of buckets) fields.set(bucket, String(stamp));
    fields.set('n', String(stamp));
    const numbers = buckets.map(Number);
    this.onInvalidated({ origin: origin ?? '', kind: 'tags', buckets: numbers, all: all === '1' });
    this.publish(
      channel ?? '',
      JSON.stringify({ v: 1, o: origin, x: Number(purge), t: { g: generation, p: previous, n: stamp, b: numbers } }),
    );
    return [generation, String(previous), String(stamp)].map(asBuffer);
  }

  #readTags([table = '']: readonly string[], [newGeneration, lost]: readonly (string | Buffer)[]): Reply {
    let fields = this.#hash(table);
    const known = fields?.get('g');
    if (fields === undefined || known === undefined || known === String(lost)) {
      fields = new Map([
        ['g', String(newGeneration)],
        ['n', String(this.#micros())],
      ]);
      this.#stored.set(table, { kind: 'hash', fields, expiresAt: Number.POSITIVE_INFINITY });
    }
    const reply = [fields.get('g') ?? '', fields.get('n') ?? '0'];
    for (const [field, stamp] of fields) if (field !== 'g' && field !== 'n') reply.push(field, stamp);
    return reply.map(asBuffer);
  }

  #hash(key: string): Map<string, string> | undefined {
    const stored = this.#live(key);
    return stored?.kind === 'hash' ? stored.fields : undefined;
  }

  #live(key: string): Stored | undefined {
    const stored = this.#stored.get(key);
    if (stored === undefined || stored.expiresAt > this.#now()) return stored;
    this.#stored.delete(key);
    return undefined;
  }

  #ms(): number {
    return Math.floor(this.#now());
  }

  #micros(): number {
    return Math.floor(this.#now() * 1000);
  }
}

function join(...parts: (string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function asBuffer(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text);
}

function wrongType(): Error {
  return new Error('WRONGTYPE Operation against a key holding the wrong kind of value');
}
