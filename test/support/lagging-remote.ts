import { encodeEntry } from '../../src/cache/entry.ts';
import type { RemoteListener, RemoteTier } from '../../src/cache/remote-tier.ts';
import { tagBuckets, TagTable } from '../../src/cache/tags.ts';
import type { FakeClock } from './fake-clock.ts';

/** What a test puts into the tier: a value as of now, unless it says more. */
export interface Stored {
  readonly value: unknown;
  readonly version?: number;
  readonly absent?: boolean;
  readonly ttlMs?: number;
  readonly loadedAgoMs?: number;
  readonly buckets?: readonly number[];
}

/** A remote tier in memory that follows the source no further than a test lets it: `known` is its `asOf`. */
export class LaggingRemote implements RemoteTier {
  readonly tags = new TagTable();
  readonly opened = Promise.resolve();
  readonly fills: { readonly key: string; readonly expireMs: number }[] = [];
  /** Calls, by name, of keys without the cache's name. */
  readonly calls: string[] = [];
  /** Monotonic ms up to which it has followed the source; `null`: up to this moment. */
  known: number | null = null;
  /** Whether somebody else has every lease. */
  leased = false;
  /** Reads wait for this. */
  gate: Promise<void> = Promise.resolve();
  away = false;
  #listener: RemoteListener | null = null;
  readonly #clock: FakeClock;
  readonly #bytes = new Map<string, Buffer>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.tags.replace({ generation: 'g', stamp: 1 }, []);
  }

  store(key: string, { value, version = 0, absent = false, ttlMs = 60_000, loadedAgoMs = 0, buckets = [] }: Stored): void {
    const json = absent ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value));
    this.#set(key, encodeEntry({ absent, version, ttlMs, point: this.tags.point, buckets, json }), loadedAgoMs);
  }

  drop(key: string): void {
    this.#bytes.delete(key);
  }

  /** As if anyone had invalidated it, and this process had heard of it. */
  invalidateTag(tag: string): void {
    const { generation, stamp } = this.tags.point;
    this.tags.apply({ generation, previous: stamp, stamp: stamp + 1, buckets: tagBuckets([tag]) });
  }

  /** As if another process had said so. */
  tell(tell: (listener: RemoteListener) => void): void {
    if (this.#listener !== null) tell(this.#listener);
  }

  async read(name: string): Promise<Awaited<ReturnType<RemoteTier['read']>>> {
    const key = keyIn(name);
    this.calls.push(`read ${key}`);
    if (this.away) return { outcome: 'unavailable', reason: 'disconnected' };
    const asOf = this.asOf(this.#clock.now());
    const found = this.#found(key);
    await this.gate;
    return found === null ? { outcome: 'miss' } : { ...found, asOf };
  }

  async acquire(
    name: string,
    _token: string,
    { replace }: Parameters<RemoteTier['acquire']>[2],
  ): Promise<Awaited<ReturnType<RemoteTier['acquire']>>> {
    const key = keyIn(name);
    this.calls.push(`acquire ${key}${replace ? ' to replace' : ''}`);
    if (this.away) return { outcome: 'unavailable', reason: 'disconnected' };
    const found = replace ? null : this.#found(key);
    if (found !== null) return { ...found, asOf: this.asOf(this.#clock.now()) };
    return { outcome: this.leased ? 'held' : 'granted' };
  }

  async fill(name: string, _token: string, fill: Parameters<RemoteTier['fill']>[2]): Promise<'stored' | 'refused'> {
    if (fill === null) return 'refused';
    this.fills.push({ key: keyIn(name), expireMs: fill.expireMs });
    this.#set(keyIn(name), fill.entry, fill.loadedAgoMs);
    return 'stored';
  }

  put(name: string, { entry }: Parameters<RemoteTier['put']>[1]): Promise<'applied'> {
    this.#set(keyIn(name), entry, 0);
    return Promise.resolve('applied');
  }

  invalidate({ keys }: Parameters<RemoteTier['invalidate']>[0]): Promise<'applied'> {
    for (const key of keys) this.#bytes.delete(keyIn(key));
    return Promise.resolve('applied');
  }

  holder(): Promise<null> {
    return Promise.resolve(null);
  }

  asOf(now: number): number {
    return this.known ?? now;
  }

  listen(listener: RemoteListener): void {
    this.#listener = listener;
  }

  state(): 'up' | 'down' {
    return this.away ? 'down' : 'up';
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #set(key: string, entry: ReturnType<typeof encodeEntry>, loadedAgoMs: number): void {
    const loadedAt = Math.round(this.#clock.wallNow() - loadedAgoMs);
    this.#bytes.set(key, Buffer.concat([Buffer.from(entry.beforeClock + String(loadedAt)), entry.afterClock]));
  }

  #found(key: string): { readonly outcome: 'found'; readonly bytes: Buffer; readonly serverNow: number } | null {
    const bytes = this.#bytes.get(key);
    return bytes === undefined ? null : { outcome: 'found', bytes, serverNow: this.#clock.wallNow() };
  }
}

/** The key in `name:{key}`. */
function keyIn(name: string): string {
  return name.slice(name.indexOf('{') + 1, -1);
}
