import { decodeEntry } from '../cache/entry.ts';
import type { LogEntry } from '../cache/change-log.ts';
import type { LogTags } from '../cache/log-tags.ts';
import type { ApplyReply, LogPosition, LogStore, LogStoreListener } from '../cache/log-store.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../cache/remote-tier.ts';
import { Bus } from './bus.ts';
import type { Head } from './key-reads.ts';
import type { RedisOptions } from './link.ts';
import { RedisLink } from './link.ts';
import { decodeLogMessage, encodeAnewMessage, encodeEntryMessage, WAKE_MESSAGE } from './log-message.ts';
import { ScriptCalls } from './script-calls.ts';
import { applyEntry, openLog } from './scripts.ts';
import { RedisValues } from './values.ts';

/** Longest wait for the whole table, in ms; it is up to 100 kB, and read only when it was made anew. */
const OPEN_MS = 500;

/**
 * A store on one Redis server that follows a log of changes. One connection for commands, one for the bus. Opens in the background; close it with `close`.
 *
 * One hash, the table, holds where it is: the epoch, the fence, the base (values of before do not count), and a number for each tag bucket. If it vanishes it is made anew with a newer base, so its loss
 * costs loads. A key beside it, the head, repeats the first three; scripts write both, and if either vanishes it is made from the other or anew.
 * `tags`: those of whoever follows the log here; stamps of before it followed come from the table.
 */
export function createRedisLogStore(options: RedisOptions, tags: LogTags): LogStore {
  return new RedisLogStore(options, tags);
}

/** The table as this process knows it. */
interface Known {
  readonly epoch: string;
  readonly base: number;
}

class RedisLogStore implements LogStore {
  readonly #link: RedisLink;
  readonly #tags: LogTags;
  readonly #channel: string;
  readonly #table: string;
  /** Epoch, base and fence of the table once more, so that they can be read in one command with values. */
  readonly #head: string;
  readonly #calls: ScriptCalls;
  readonly #values: RedisValues;
  readonly #bus: Bus;
  /** Tells our own messages from others'. */
  readonly #origin: string;
  #listener: LogStoreListener | null = null;
  #position: () => LogPosition = () => ({ epoch: '', number: 0 });
  #known: Known | null = null;
  #opening: Promise<Opened | null> | null = null;
  readonly opened: Promise<void>;

  constructor(options: RedisOptions, tags: LogTags) {
    this.#link = new RedisLink(options);
    this.#tags = tags;
    const { client, subscriber, clock, chance, prefix, boundMs } = this.#link;
    this.#origin = chance.uniqueId();
    this.#channel = `${prefix}forebay:log`;
    this.#table = `${prefix}forebay:log`;
    this.#head = `${prefix}forebay:log:at`;
    this.#calls = new ScriptCalls(client, clock);
    this.#values = new RedisValues({
      client,
      clock,
      calls: this.#calls,
      prefix,
      head: { key: this.#head, begin: () => this.#beginReads() },
    });
    this.#bus = new Bus({
      client: subscriber,
      channel: this.#channel,
      clock,
      echoMs: boundMs / 4,
      deadAfterMs: boundMs * 2,
      onMessage: (text) => this.#onMessage(text),
      onGap: () => this.#listener?.onGap(),
    });
    client.on('ready', () => this.#listener?.onUp());
    this.opened = Promise.all([this.#link.connected, this.#bus.opened]).then(() => {});
  }

  get hears(): boolean {
    return this.#bus.hears;
  }

  listen(listener: LogStoreListener, position: () => LogPosition): void {
    this.#listener = listener;
    this.#position = position;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#values.read(key, deadline);
  }

  async acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    const reply = await this.#values.acquire(key, token, options);
    if (reply.outcome !== 'found') return reply;
    // What the script found was not held against the fence: a read is.
    const read = await this.#values.read(key, options.deadline);
    return read.outcome === 'miss' ? this.#values.acquire(key, token, { ...options, replace: true }) : read;
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#values.fill(key, token, payload);
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#values.holder(key);
  }

  async apply(epoch: string, entry: LogEntry, deadline: number): Promise<ApplyReply> {
    const { number, all, buckets } = entry;
    const { prefix } = this.#link;
    const args = { epoch, number, channel: this.#channel, message: encodeEntryMessage(epoch, entry), all, buckets };
    const keys = entry.keys.map((key) => prefix + key);
    const reply = await this.#calls.run(applyEntry([this.#table, this.#head], keys, args), deadline);
    if (!reply.ok) return { outcome: 'unavailable' };
    const [outcome, fence] = (reply.value as Buffer[]).map(String);
    if (outcome === 'anew') this.#tellAnew();
    return outcome === 'ahead' || outcome === 'behind' ? { outcome, fence: Number(fence) } : { outcome: 'applied' };
  }

  async fence(epoch: string, deadline: number): Promise<number | 'none' | null> {
    if (this.#link.state === 'down') return null;
    const { clock, client } = this.#link;
    const late = Promise.withResolvers<null>();
    const timer = clock.schedule(Math.max(0, deadline - clock.now()), () => late.resolve(null));
    try {
      const fields = await Promise.race([client.hmget(this.#table, 'e', 'f'), late.promise]);
      if (fields === null) return null;
      const [foundEpoch, fence] = fields;
      return foundEpoch === epoch && isNumber(fence) ? Number(fence) : 'none';
    } catch (error) {
      return isWrongType(error) ? 'none' : null;
    } finally {
      timer.cancel();
    }
  }

  async restart(epoch: string, number: number, seen: number | 'none', deadline: number): Promise<boolean> {
    const reply = await this.#calls.run(openLog([this.#table, this.#head], epoch, number, seen), deadline);
    if (reply.ok) this.#tellIfAnew(reply.value as Buffer[]);
    return reply.ok;
  }

  wake(): void {
    this.#publish(WAKE_MESSAGE);
  }

  state(): 'up' | 'down' {
    return this.#link.state;
  }

  close(): Promise<void> {
    this.#bus.close();
    this.#link.close();
    return Promise.resolve();
  }

  #onMessage(text: string): void {
    const message = decodeLogMessage(text);
    if (message === null) this.#listener?.onGap();
    else if (message.kind === 'wake') this.#listener?.onWake();
    else if (message.kind === 'entry') this.#listener?.onEntry(message.epoch, message.entry);
    else if (message.origin !== this.#origin) this.#listener?.onAnew(false);
  }

  /** Of all processes that find the table gone, one makes it. The others learn of it from the bus, or not at all. */
  #tellIfAnew([made]: readonly Buffer[]): void {
    if (made?.toString() === '1') this.#tellAnew();
  }

  #tellAnew(): void {
    this.#publish(encodeAnewMessage(this.#origin));
    this.#listener?.onAnew(true);
  }

  #publish(message: string): void {
    if (this.#link.state === 'up') void this.#link.client.publish(this.#channel, message).catch(() => {});
  }

  /** What counts of the values that are read from here on is held against where this process is now. */
  #beginReads(): (found: Buffer | null) => Promise<Head> {
    const need = this.#position();
    return (found) => this.#judge(need, found);
  }

  /**
   * Says which values count, by where the table was at the very moment at which they were read: none unless it had followed the log as far as this process had when it asked, and then those at or after its
   * base. What this process hears of later than that meets the flights that are under way. It is not enough to look at the table before:
   *
   * 1. the table says that the server has forgotten all that it has to;
   * 2. the server becomes a replica of one that lags behind, and takes over what that one holds, without closing a connection;
   * 3. a value of before is read.
   */
  async #judge(need: LogPosition, found: Buffer | null): Promise<Head> {
    if (need.epoch === '') return null;
    const [, epoch, base, fence] = HEAD.exec(found?.toString('latin1') ?? '') ?? [];
    const at = epoch === need.epoch ? { base: Number(base), fence: Number(fence) } : null;
    if (at !== null && at.fence < need.number) return this.#isBehind();
    const isKnown = at !== null && this.#known?.epoch === need.epoch && this.#known.base === at.base;
    const opened = isKnown ? at : await this.#open(need);
    if (opened === null) return null;
    if (!(opened.fence >= need.number)) return this.#isBehind();
    // The values were read before the table was opened. If it was gone then, nothing says how far they had followed the log but their own points: those at or after this process's place need nobody's word.
    const from = Math.max(opened.base, at === null ? need.number : at.base);
    return (bytes) => {
      const entry = decodeEntry(bytes);
      // What is damaged is for the reader to count; what was loaded before the base does not count.
      return entry === null || (entry.point.generation === need.epoch && entry.point.stamp >= from);
    };
  }

  #isBehind(): null {
    this.#listener?.onBehind();
    return null;
  }

  /** Reads the whole table once for all who need it now, and makes it if it is gone. */
  async #open(need: LogPosition): Promise<Opened | null> {
    this.#opening ??= this.#openNow(need).finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #openNow({ epoch, number }: LogPosition): Promise<Opened | null> {
    const { clock } = this.#link;
    const reply = await this.#calls.run(openLog([this.#table, this.#head], epoch, number, null), clock.now() + OPEN_MS);
    if (!reply.ok || !Array.isArray(reply.value) || this.#position().epoch !== epoch) return null;
    this.#tellIfAnew(reply.value as Buffer[]);
    const [, base = Number.NaN, fence = Number.NaN, ...fields] = reply.value.map(Number);
    const stamps: [number, number][] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) stamps.push([fields[i] ?? 0, fields[i + 1] ?? 0]);
    this.#tags.merge(stamps);
    // A table that lags behind this process lacks stamps that this process may never have heard of: it is read again once it is level.
    if (fence >= number) this.#known = { epoch, base };
    return { base, fence };
  }
}

interface Opened {
  readonly base: number;
  readonly fence: number;
}

const HEAD = /^(\S+) (\d{1,16}) (\d{1,16})$/;

/** A field of the table that somebody else wrote over is as good as none. */
function isNumber(field: string | null | undefined): field is string {
  return typeof field === 'string' && /^\d{1,16}$/.test(field);
}

function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE');
}
