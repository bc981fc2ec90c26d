import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

type Stored =
  | { readonly kind: 'text'; readonly bytes: Buffer; readonly expiresAt: number }
  | { readonly kind: 'hash'; readonly fields: Map<string, string>; readonly expiresAt: number };

/** What a server held at some moment. */
export interface MemoryCopy {
  readonly stored: ReadonlyMap<string, Stored>;
}

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
 * The part of Redis that the remote tier uses, in memory: values with expiry, the two tables, the scripts (by hand; the contract suite holds them to what Lua does) and a channel.
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

  setHash(key: string, fields: Readonly<Record<string, string>>): void {
    this.#newHash(key, Object.entries(fields));
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

  /** All that is stored, as a backup or a replica holds it. */
  copy(): MemoryCopy {
    return { stored: deepCopy(this.#stored) };
  }

  /** Everything is as it was when the copy was made, as after a failover to a replica that lagged behind. */
  restore({ stored }: MemoryCopy): void {
    this.#stored.clear();
    for (const [key, value] of deepCopy(stored)) this.#stored.set(key, value);
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

  publish(channel: string, text: string): number {
    const receivers = this.#subscribers.get(channel) ?? [];
    for (const receive of receivers) receive(text);
    return [...receivers].length;
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
      case 'apply-entry':
        return this.#applyEntry(keys, args);
      case 'open-log':
        return this.#openLog(keys, args);
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
    const [channel, origin, newGeneration, all, purge, _marked, ...buckets] = args.map(String);
    let fields = this.#hash(table);
    if (fields?.get('g') === undefined || all === '1') {
      fields = this.#newHash(table, [['g', newGeneration ?? '']]);
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
      fields = this.#newHash(table, [
        ['g', String(newGeneration)],
        ['n', String(this.#micros())],
      ]);
    }
    const reply = [fields.get('g') ?? '', fields.get('n') ?? '0'];
    for (const [field, stamp] of fields) if (field !== 'g' && field !== 'n') reply.push(field, stamp);
    return reply.map(asBuffer);
  }

  #applyEntry([table = '', head = '', ...keys]: readonly string[], args: readonly (string | Buffer)[]): Reply {
    const [epoch = '', number = '', channel = '', message = '', all, ...buckets] = args.map(String);
    let fields = this.#logTable(table, epoch);
    const outcome = fields === undefined ? 'anew' : 'applied';
    const fence = Number(fields?.get('f'));
    if (fields === undefined) {
      fields = this.#newHash(table, [
        ['e', epoch],
        ['b', number],
      ]);
    } else if (fence >= Number(number)) return ['ahead', String(fence)].map(asBuffer);
    else if (fence < Number(number) - 1) return ['behind', String(fence)].map(asBuffer);
    for (const key of keys) this.unlink(key);
    if (all === '1') fields.set('b', number);
    for (const bucket of buckets) fields.set(bucket, number);
    fields.set('f', number);
    this.set(head, Buffer.from(`${epoch} ${fields.get('b')} ${number}`));
    this.publish(channel, message);
    return [outcome, number].map(asBuffer);
  }

  #openLog([table = '', head = '']: readonly string[], args: readonly (string | Buffer)[]): Reply {
    const [epoch = '', number = '', seen] = args.map(String);
    let fields = this.#logTable(table, epoch);
    const made = fields === undefined || fields.get('f') === seen;
    if (fields === undefined || made) {
      fields = this.#newHash(table, [
        ['e', epoch],
        ['b', number],
        ['f', number],
      ]);
    }
    const at = [fields.get('b') ?? '0', fields.get('f') ?? ''];
    this.set(head, Buffer.from([epoch, ...at].join(' ')));
    const reply = [made ? '1' : '0', ...at];
    for (const [field, stamp] of fields) if (!['e', 'b', 'f'].includes(field)) reply.push(field, stamp);
    return reply.map(asBuffer);
  }

  /** The log table, if it is there, of this epoch, and has a fence. */
  #logTable(table: string, epoch: string): Map<string, string> | undefined {
    const fields = this.#hash(table);
    return fields?.get('e') === epoch && fields.has('b') && /^\d+$/.test(fields.get('f') ?? '') ? fields : undefined;
  }

  #newHash(key: string, from: readonly (readonly [string, string])[]): Map<string, string> {
    const fields = new Map(from);
    this.#stored.set(key, { kind: 'hash', fields, expiresAt: Number.POSITIVE_INFINITY });
    return fields;
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

function deepCopy(stored: ReadonlyMap<string, Stored>): Map<string, Stored> {
  return new Map([...stored].map(([key, value]) => [key, value.kind === 'text' ? value : { ...value, fields: new Map(value.fields) }]));
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
