import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../core/clock.ts';

export interface BusOptions {
  readonly client: Redis;
  readonly channel: string;
  readonly clock: Clock;
  /** The channel is of one slot (SSUBSCRIBE), in a Cluster. @defaultValue false */
  readonly sharded?: boolean;
  /** How often the echo is asked for, in ms. */
  readonly echoMs: number;
  /** Asked with each echo: whether what is heard here is still all there is. A Cluster may have given the channel to another node, which this one or its client has not heard of. @defaultValue always */
  readonly proves?: () => Promise<boolean>;
  /** Without an echo for so long the connection is taken for dead and made anew, in ms. */
  readonly deadAfterMs: number;
  onMessage(text: string): void;
  /** Messages may have been missed. */
  onGap(): void;
}

/**
 * Hears of invalidations. A quiet bus and a dead one look alike, so each `echoMs` a PING goes down the same connection: the server sends what was published before it first, so its PONG proves
 * that everything published before the PING was sent has been received.
 */
export class Bus {
  readonly #o: BusOptions;
  #asOf = Number.NEGATIVE_INFINITY;
  #heardAt: number;
  #subscribed = false;
  #subscribing = false;
  #closed = false;
  #timer: Timer | null = null;
  readonly #opened = Promise.withResolvers<void>();

  constructor(options: BusOptions) {
    this.#o = options;
    this.#heardAt = options.clock.now();
    const { client, channel } = options;
    // Attached before SUBSCRIBE is sent: the first message may come with its acknowledgement.
    client.on(options.sharded === true ? 'smessage' : 'message', (from: string, text: string) => {
      if (from === channel && !this.#closed) options.onMessage(text);
    });
    client.on('ready', () => void this.#subscribe());
    client.on('close', () => {
      this.#subscribed = false;
      this.#opened.resolve();
    });
    if (client.status === 'ready') void this.#subscribe();
    this.#tick();
  }

  /** Local monotonic time before which nothing published was missed. */
  get asOf(): number {
    return this.#asOf;
  }

  /** Whether it is subscribed, as far as is known. */
  get hears(): boolean {
    return this.#subscribed;
  }

  /** Resolves when the first try to subscribe has come to an end, good or bad. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #subscribe(): Promise<void> {
    this.#subscribing = true;
    try {
      const { client, channel, sharded = false } = this.#o;
      await (sharded ? client.ssubscribe(channel) : client.subscribe(channel));
    } catch {
      // Lost again, and the next 'ready' subscribes; or refused, and the next tick tries again.
      return;
    } finally {
      this.#subscribing = false;
    }
    if (this.#closed) return;
    // What was published while there was no subscription is lost: all that was kept or begun before does not count.
    this.#subscribed = true;
    this.#heardAt = this.#o.clock.now();
    this.#o.onGap();
    void this.#echo();
    this.#opened.resolve();
  }

  #tick(): void {
    if (this.#closed) return;
    this.#timer = this.#o.clock.schedule(this.#o.echoMs, () => {
      if (this.#subscribed) void this.#echo();
      else if (!this.#subscribing && this.#o.client.status === 'ready') void this.#subscribe();
      this.#tick();
    });
  }

  async #echo(): Promise<void> {
    const sentAt = this.#o.clock.now();
    if (sentAt - this.#heardAt > this.#o.deadAfterMs) {
      this.#subscribed = false;
      this.#o.client.disconnect(true);
      return;
    }
    try {
      const proven = this.#o.proves?.() ?? Promise.resolve(true);
      await this.#o.client.ping();
      if (this.#subscribed) this.#heardAt = this.#o.clock.now();
      if (!(await proven)) return;
    } catch {
      return;
    }
    if (!this.#subscribed) return;
    this.#asOf = Math.max(this.#asOf, sentAt);
  }
}
