import type { Redis } from 'ioredis';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../cache/remote-tier.ts';
import type { Clock } from '../core/clock.ts';
import type { Breaker } from './breaker.ts';
import type { HeadReader } from './key-reads.ts';
import { KeyReads } from './key-reads.ts';
import type { ScriptCalls } from './script-calls.ts';
import { acquire, fill, pair } from './scripts.ts';

const FILL_WAIT_MS = 1000;

/** Values and leases by key. Which values count is said by the head that is read with them. */
export class RedisValues {
  readonly #client: Redis;
  readonly #clock: Clock;
  readonly #calls: ScriptCalls;
  readonly #prefix: string;
  readonly #breaker: Breaker;
  readonly #reads: KeyReads;

  constructor(parts: { client: Redis; clock: Clock; breaker: Breaker; calls: ScriptCalls; prefix: string; head: HeadReader }) {
    this.#client = parts.client;
    this.#clock = parts.clock;
    this.#calls = parts.calls;
    this.#prefix = parts.prefix;
    this.#breaker = parts.breaker;
    this.#reads = new KeyReads(parts.client, parts.clock, parts.head, parts.breaker);
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#reads.read(this.#prefix + key, deadline);
  }

  async acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    const reply = await this.#calls.run(acquire(this.#prefix + key, token, options.leaseMs, options.replace), options.deadline);
    if (!reply.ok) return { outcome: 'unavailable', reason: reply.reason };
    const [outcome, bytes, serverNow] = reply.value as [Buffer, Buffer?, Buffer?];
    switch (outcome.toString()) {
      case 'granted':
        return { outcome: 'granted' };
      case 'found':
        return { outcome: 'found', bytes: bytes ?? Buffer.alloc(0), serverNow: Number(serverNow) };
      default:
        return { outcome: 'held' };
    }
  }

  async fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    const args =
      payload === null
        ? { beforeClock: '', afterClock: '', expireMs: 0, loadedAgoMs: 0 }
        : { ...payload.entry, expireMs: payload.expireMs, loadedAgoMs: payload.loadedAgoMs };
    const reply = await this.#calls.run(fill(this.#prefix + key, token, args), this.#clock.now() + FILL_WAIT_MS);
    if (!reply.ok) return 'unavailable';
    return reply.value === 1 ? 'stored' : 'refused';
  }

  async holder(key: string): Promise<LeaseHolder | null> {
    const pass = this.#client.status === 'ready' ? this.#breaker.enter() : null;
    if (pass === null) return null;
    const lease = pair(this.#prefix + key)[1];
    try {
      const [holder, leftMs] = await Promise.all([this.#client.get(lease), this.#client.pttl(lease)]);
      pass.answered();
      return holder === null ? null : { holder, leftMs };
    } catch (error) {
      pass.failed(error);
      return null;
    }
  }
}
