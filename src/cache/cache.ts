import { EventEmitter } from 'node:events';
import { ForebayError } from '../core/errors.ts';
import { valueOf } from './answers.ts';
import type { SampledEntry } from './auditor.ts';
import type { Cache, CacheEvents, CacheReuse, Invalidation, LookupOptions, SetOptions, WarmOptions, WarmResult } from './cache-types.ts';
import { hashKey } from './hash.ts';
import type { Hot } from './hot.ts';
import type { Inspection, TierInspection } from './inspect.ts';
import type { KeptEntry } from './kept.ts';
import { hasLimits } from './limits.ts';
import type { LocalEntry } from './local-entry.ts';
import type { Loads } from './loads.ts';
import type { InvalidationState, Lookup } from './lookup.ts';
import type { CacheOptions, ResolvedOptions } from './options.ts';
import { resolveOptions } from './options.ts';
import type { PopularKey } from './popular.ts';
import { ReadPath } from './read-path.ts';
import type { RemoteInvalidation, RemoteRead } from './remote-tier.ts';
import type { RestoreResult } from './restores.ts';
import { Restores } from './restores.ts';
import { prepareSource } from './source.ts';
import type { CacheStats } from './stats.ts';
import { tagBuckets } from './tags.ts';
import { MAX_TTL_MS } from './ttl.ts';

/** Keys that `warm` asks for at a time. */
const WARM_BATCH = 500;
const START_MS = 1000;

/**
 * Makes a two-tier cache. It opens nothing and owns no connection: the remote tier, if any, is the caller's.
 * @throws {ForebayError} `CONFIG_INVALID`, `INPUT_INVALID`
 */
export function createCache<K, V>(options: CacheOptions<K, V>): Cache<K, V> {
  return new TwoTierCache(resolveOptions(options));
}

/** What callers see: reads go down the read path, everything else is here. */
class TwoTierCache<K, V> implements Cache<K, V> {
  readonly name: string;
  readonly #o: ResolvedOptions<K, V>;
  readonly #reads: ReadPath<K, V>;
  readonly #restores: Restores<K, V>;
  readonly #events = new EventEmitter<CacheEvents>();
  #closed = false;

  constructor(options: ResolvedOptions<K, V>) {
    this.#o = options;
    this.name = options.name;
    this.#reads = new ReadPath(options, {
      evicted: (key) => this.#emit('evicted', { key }),
      loadFailed: (key, error) => this.#emit('loadFailed', { key, error }),
      popular: (keys) => this.#emit('popular', { keys }),
    });
    this.#restores = new Restores(options, this.#reads);
    options.remote.listen({
      onInvalidated: (keys, purge) => this.#onInvalidated(keys, purge),
      onTagsChanged: (purge) => {
        this.#reads.counts.invalidations.log += 1;
        if (purge) this.#reads.flights.taintAll(true);
      },
      onGap: (cause) => this.#onGap(cause),
    });
  }

  start({ timeoutMs = START_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { remote, clock } = this.#o;
    return new Promise((resolve) => {
      const timer = clock.schedule(timeoutMs, resolve);
      void remote.opened.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  get(key: K, options?: LookupOptions): Promise<V | null> {
    const text = this.#o.keyText(key);
    if (hasLimits(options)) return this.#reads.lookup(key, text, options).then(valueOf);
    const entry = this.#reads.serveLocal(key, text);
    return entry === undefined ? this.#reads.answer(key, text, options).then(valueOf) : Promise.resolve(entry.value);
  }

  lookup(key: K, options?: LookupOptions): Promise<Lookup<V>> {
    return this.#reads.lookup(key, this.#o.keyText(key), options);
  }

  peek(key: K): V | null | undefined {
    return this.#reads.serveLocal(key, this.#o.keyText(key))?.value;
  }

  lookupMany(keys: readonly K[], options?: LookupOptions): Promise<Lookup<V>[]> {
    return Promise.all(keys.map((key) => this.lookup(key, options)));
  }

  async getMany(keys: readonly K[], options?: LookupOptions): Promise<Map<K, V | null>> {
    const lookups = await this.lookupMany(keys, options);
    return new Map(keys.map((key, i) => [key, valueOf(lookups[i] as Lookup<V>)]));
  }

  async set(key: K, value: V, options: SetOptions = {}): Promise<InvalidationState> {
    this.#refuseIfClosed();
    const { ttlMs } = options;
    if (ttlMs !== undefined && !(ttlMs >= 1 && ttlMs <= MAX_TTL_MS)) {
      throw new ForebayError('INPUT_INVALID', `ttlMs = ${String(ttlMs)}: has to be a number from 1 to ${MAX_TTL_MS}`, {
        field: 'ttlMs',
      });
    }
    const text = this.#o.keyText(key);
    const [json] = await prepareSource<K, V>(() => value, 1).load([key], { signal: AbortSignal.abort() });
    if (json instanceof ForebayError) throw json;
    if (json === null || json === undefined)
      throw new ForebayError('SOURCE_SHAPE', `"${text}" cannot be set to null or undefined; invalidate it instead`);
    if (json.length > this.#o.maxEntryBytes) {
      throw new ForebayError(
        'VALUE_TOO_LARGE',
        `the value of "${text}" has ${json.length} bytes as JSON; maxEntryBytes is ${this.#o.maxEntryBytes}`,
      );
    }
    const now = this.#o.clock.now();
    const from = {
      key: text,
      hash: hashKey(text),
      json,
      askedAt: now,
      asOf: now,
      point: this.#o.remote.tags.point,
      spread: 'miss',
    } as const;
    const made = this.#reads.make.fromSource(ttlMs === undefined ? from : { ...from, ttlMs });
    if (!made.ok) throw made.error;
    this.#reads.forget([text], true);
    // What is set is the truth from now on, whatever its version.
    this.#reads.floors.forget(text);
    if (this.#o.remote.state() === 'off') {
      this.#reads.values.set(text, made.entry, made.entry.hash);
      return 'applied';
    }
    // Not put into the local tier: another process's set or invalidation may overtake the reply. The next look-up fetches what the remote tier then holds.
    const state = await this.#o.remote.put(this.#reads.remoteKey(text), this.#reads.make.toRemote(made.entry));
    this.#reads.forget([text], true);
    return state;
  }

  invalidate(targets: Invalidation<K>): Promise<InvalidationState> {
    return this.#invalidate(targets, { purge: false, logged: false });
  }

  purge(targets: Invalidation<K>): Promise<InvalidationState> {
    return this.#invalidate(targets, { purge: true, logged: false });
  }

  settle(keys: readonly K[]): Promise<InvalidationState> {
    return this.#invalidate({ keys }, { purge: false, logged: true });
  }

  async #invalidate(
    { keys = [], tags = [], all = false }: Invalidation<K>,
    { purge, logged }: { readonly purge: boolean; readonly logged: boolean },
  ): Promise<InvalidationState> {
    this.#refuseIfClosed();
    const texts = keys.map(this.#o.keyText);
    const names = texts.map((text) => this.#reads.remoteKey(text));
    const change: RemoteInvalidation = { keys: names, buckets: tagBuckets(tags), tags, logged, all, purge };
    // Before, so that this process forgets at once however slow the remote tier is; and after, since a flight that began in between may have read there what was not deleted yet.
    this.#reads.forget(texts, purge);
    const state = await this.#o.remote.invalidate(change);
    this.#reads.forget(texts, purge);
    if (all || (tags.length > 0 && state === 'queued')) this.#reads.forgetEverything(purge);
    if (all) this.#o.remoteReuse.clear();
    this.#told('self', texts, tags, all);
    return state;
  }

  /** A message of another process. */
  #onInvalidated(keys: readonly string[], purge: boolean): void {
    const prefix = `${this.name}:{`;
    const texts = keys.filter((key) => key.startsWith(prefix) && key.endsWith('}')).map((key) => key.slice(prefix.length, -1));
    if (texts.length === 0) return;
    this.#reads.forget(texts, purge);
    this.#told('other', texts);
  }

  #onGap(cause: 'missed' | 'invalidated' | 'purged'): void {
    this.#reads.forgetEverything(cause === 'purged');
    if (cause !== 'missed') {
      this.#o.remoteReuse.clear();
      this.#told('other', [], [], true);
      return;
    }
    this.#reads.counts.gaps += 1;
    this.#emit('gap');
  }

  async inspect(key: K): Promise<Inspection> {
    const text = this.#o.keyText(key);
    const { remote, clock, budgetMs } = this.#o;
    const startedAt = clock.now();
    const [read, lease] = await Promise.all([
      remote.read(this.#reads.remoteKey(text), startedAt + budgetMs),
      remote.holder(this.#reads.remoteKey(text)),
    ]);
    const entry = this.#reads.values.peek(text) ?? this.#reads.absents.peek(text);
    const flight = this.#reads.flights.find(text);
    const now = clock.now();
    return {
      key: this.#reads.remoteKey(text),
      local: entry === undefined ? { state: 'none' } : this.#describe(entry, now),
      remote: this.#inspectRemote(text, read, startedAt),
      flight: flight === undefined ? null : { ageMs: now - flight.startedAt, waiters: flight.waiters, tainted: flight.tainted },
      lease,
    };
  }

  #inspectRemote(text: string, read: RemoteRead, readAt: number): TierInspection {
    if (read.outcome === 'miss') return { state: 'none' };
    if (read.outcome === 'unavailable') return { state: 'unavailable', reason: read.reason };
    const entry = this.#reads.make.fromRemote(text, hashKey(text), read, readAt);
    return entry === null ? { state: 'unavailable', reason: 'damaged' } : this.#describe(entry, this.#o.clock.now());
  }

  #describe(entry: LocalEntry<V>, now: number): TierInspection {
    const verdict = this.#reads.judge(entry, now);
    return {
      state: verdict === 'fresh' ? 'fresh' : verdict === 'tag' ? 'invalidated' : 'stale',
      absent: entry.absent,
      version: entry.version,
      ageMs: Math.max(0, now - entry.loadedAt),
      ttlLeftMs: entry.expiresAt - now,
      bytes: entry.bytes,
      tags: this.#reads.make.tagsOf(entry),
    };
  }

  async warm(keys: readonly K[], options: WarmOptions = {}): Promise<WarmResult> {
    const result = { present: 0, absent: 0, failed: 0, loaded: 0 };
    for (let at = 0; at < keys.length; at += WARM_BATCH) {
      options.signal?.throwIfAborted();
      const batch = keys.slice(at, at + WARM_BATCH);
      const lookups = await Promise.all(batch.map((key) => this.#reads.warm(key, this.#o.keyText(key), options)));
      for (const { outcome } of lookups) {
        result[outcome === 'unavailable' ? 'failed' : outcome === 'absent' ? 'absent' : 'present'] += 1;
        if (outcome === 'loaded') result.loaded += 1;
      }
    }
    return result;
  }

  async isStored(keys: readonly K[], { signal }: Pick<WarmOptions, 'signal'> = {}): Promise<readonly boolean[]> {
    const stored: boolean[] = [];
    for (let at = 0; at < keys.length; at += WARM_BATCH) {
      signal?.throwIfAborted();
      stored.push(...(await Promise.all(keys.slice(at, at + WARM_BATCH).map((key) => this.#isStored(this.#o.keyText(key))))));
    }
    return stored;
  }

  async #isStored(text: string): Promise<boolean> {
    const { remote, clock, budgetMs } = this.#o;
    if (remote.state() === 'off') return this.holds(text) !== undefined;
    const readAt = clock.now();
    return this.#inspectRemote(text, await remote.read(this.#reads.remoteKey(text), readAt + budgetMs), readAt).state === 'fresh';
  }

  restore(entries: readonly KeptEntry<K>[]): Promise<RestoreResult> {
    return this.#restores.restore(entries);
  }

  async compare(entries: readonly KeptEntry<K>[], { signal }: { readonly signal: AbortSignal }): Promise<RestoreResult> {
    const keys = entries.map(({ key }) => key);
    return this.#restores.compare(entries, await this.isStored(keys, { signal }), signal);
  }

  stats(): CacheStats {
    const { values, absents, loads, keptLoads, flights, counts, floors } = this.#reads;
    const sum = (of: (some: Loads<never>) => number): number => of(loads as Loads<never>) + of(keptLoads as Loads<never>);
    return {
      counts: structuredClone(counts),
      loads: {
        calls: sum((some) => some.counts.calls),
        keys: sum((some) => some.counts.keys),
        refused: sum((some) => some.counts.refused),
        timedOut: sum((some) => some.counts.timedOut),
        failed: sum((some) => some.counts.failed),
      },
      loading: {
        running: sum((some) => some.running),
        // Nobody waits for what is restored.
        queued: loads.queued,
        abandoned: sum((some) => some.abandoned),
        flights: flights.size,
      },
      floors: { kept: floors.size, dropped: floors.dropped },
      local: {
        entries: values.size,
        bytes: values.bytes + absents.bytes,
        maxEntries: values.maxEntries,
        maxBytes: values.maxBytes + absents.maxBytes,
        evictions: values.evictions + absents.evictions,
        absentEntries: absents.size,
      },
      latency: this.#o.recorder.snapshot(),
    };
  }

  sample(most: number): readonly SampledEntry[] {
    const { values, absents } = this.#reads;
    const found = new Map<string, SampledEntry>();
    for (let i = 0; i < most; i += 1) {
      // Where nothing is, nothing is taken: a tier that is half empty is sampled half as often.
      const isValue = this.#o.random() * (values.size + absents.size) < values.size;
      const key = (isValue ? values : absents).keyAt(this.#o.random());
      const entry = key === undefined ? undefined : this.holds(key);
      if (entry !== undefined) found.set(entry.key, entry);
    }
    return [...found.values()];
  }

  holds(key: string): SampledEntry | undefined {
    const entry = this.#reads.values.peek(key) ?? this.#reads.absents.peek(key);
    if (entry === undefined || this.#reads.judge(entry, this.#o.clock.now()) !== 'fresh') return undefined;
    return { key, version: entry.absent ? null : entry.version };
  }

  popular(): readonly PopularKey[] {
    return this.#reads.make.popular();
  }

  hot(limit: number): Hot {
    return this.#reads.hot.top(limit, this.#reads.make.counted());
  }

  reuse(): CacheReuse {
    const { remoteReuse } = this.#o;
    return { local: this.#reads.reuse.counts(), remote: remoteReuse.counts() };
  }

  on<E extends keyof CacheEvents>(event: E, listener: (...args: CacheEvents[E]) => void): void {
    this.#events.on(event, listener as never);
  }

  off<E extends keyof CacheEvents>(event: E, listener: (...args: CacheEvents[E]) => void): void {
    this.#events.off(event, listener as never);
  }

  idle(): Promise<void> {
    return this.#reads.idle();
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#reads.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #told(by: 'self' | 'other', keys: readonly string[], tags: readonly string[] = [], all = false): void {
    const { invalidations } = this.#reads.counts;
    invalidations[by === 'self' ? 'self' : 'log'] += 1;
    invalidations[by === 'self' ? 'selfKeys' : 'logKeys'] += keys.length;
    this.#emit('invalidated', { keys, tags, all, by });
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new ForebayError('CLOSED', `the cache "${this.name}" is closed`);
  }

  #emit<E extends keyof CacheEvents>(event: E, ...args: CacheEvents[E]): void {
    try {
      this.#events.emit(event, ...(args as never));
    } catch {
      // A listener's error is not the reader's.
    }
  }
}
