import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../cache/remote-tier.ts';
import type { Clock } from '../core/clock.ts';
import type { HeadReader, ReadWithHead } from './key-reads.ts';
import { KeyReads } from './key-reads.ts';
import type { RedisLink } from './link.ts';
import type { ScriptCalls } from './script-calls.ts';
import { acquire, fill, pair } from './scripts.ts';

const FILL_WAIT_MS = 1000;

/** Values and leases by key. Which values count is said by the head that is read with them. */
export class RedisValues {
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #calls: ScriptCalls;
  readonly #prefix: string;
  readonly #reads: KeyReads;
  readonly #marked: boolean;

  /** `marked`: values and leases bear the mark of their server, and count nowhere else; `readWith` has to look at it. */
  constructor(link: RedisLink, calls: ScriptCalls, head: HeadReader, readWith?: ReadWithHead, marked = false) {
    this.#link = link;
    this.#marked = marked;
    this.#clock = link.clock;
    this.#calls = calls;
    this.#prefix = link.prefix;
    this.#reads = new KeyReads(link, head, readWith);
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#reads.read(this.#prefix + key, deadline);
  }

  async acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    const call = acquire(this.#prefix + key, token, options.leaseMs, options.replace, this.#marked);
    const reply = await this.#calls.run(call, options.deadline);
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
    const reply = await this.#calls.run(fill(this.#prefix + key, token, args, this.#marked), this.#clock.now() + FILL_WAIT_MS);
    if (!reply.ok) return 'unavailable';
    return reply.value === 1 ? 'stored' : 'refused';
  }

  async holder(key: string): Promise<LeaseHolder | null> {
    const pass = this.#link.connection === 'up' ? this.#link.breaker.enter() : null;
    if (pass === null) return null;
    const lease = pair(this.#prefix + key)[1];
    try {
      const [holder, leftMs] = await Promise.all([this.#link.client.get(lease), this.#link.client.pttl(lease)]);
      pass.answered();
      return holder === null ? null : { holder: this.#marked ? holder.slice(holder.indexOf(' ') + 1) : holder, leftMs };
    } catch (error) {
      pass.failed(error);
      return null;
    }
  }
}
