import { decodeEntry } from '../cache/entry.ts';
import type { LogEntry } from '../cache/change-log.ts';
import type { LogTags } from '../cache/log-tags.ts';
import type { ApplyReply, LogPart, LogPosition, LogStoreListener } from '../cache/log-store.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../cache/remote-tier.ts';
import type { Head, ReadWithHead } from './key-reads.ts';
import type { RedisLink } from './link.ts';
import { encodeEntryMessage } from './log-message.ts';
import { ScriptCalls } from './script-calls.ts';
import type { ApplyEntryArgs, ScriptCall } from './scripts.ts';
import { RedisValues } from './values.ts';

/** Longest wait for the whole table, in ms; it is up to 100 kB, and read only when it was made anew. */
const OPEN_MS = 500;

/** How the table is named and spoken to: alone on its server, or on one node of a Cluster. */
export interface LogLayout {
  /** One hash, the table, holds where this part is: the epoch, the fence, the base (values of before do not count), and a number for each tag bucket. */
  readonly table: string;
  /** Epoch, base and fence of the table once more, so that they can be read in one command with values. */
  readonly head: string;
  /** Where applied entries are told; '' = nowhere. */
  channel(): string;
  apply(keys: readonly string[], args: ApplyEntryArgs): ScriptCall;
  open(epoch: string, number: number, seen: number | 'none' | null): ScriptCall;
  /** Takes apart what `open` replied: whether it made the table, base, fence, and buckets with their numbers. */
  opened(reply: readonly string[]): {
    readonly isAnew: boolean;
    readonly base: number;
    readonly fence: number;
    readonly fields: readonly string[];
  };
  /** The number at or after which a value of this key has to have been loaded, by what the head says besides; infinity: none counts. */
  since(key: string, more: string): number;
  readonly readWith?: ReadWithHead;
  /** Keys that should be here were not. */
  readonly onElsewhere?: () => void;
}

/** What one server, or one node of several, holds, and how far it has followed the log. If its table vanishes it is made anew with a newer base, so its loss costs loads; scripts write both it and its head, and if either vanishes it is made from the other or anew. */
export class LogShard implements LogPart {
  readonly link: RedisLink;
  readonly #layout: LogLayout;
  readonly #tags: LogTags;
  readonly #position: () => LogPosition;
  readonly #listener: () => LogStoreListener | null;
  /** Of all processes that find the table gone, one makes it. The others learn of it from the bus, or from a base that is newer when they read next. */
  readonly #tellAnew: () => void;
  readonly #calls: ScriptCalls;
  readonly #values: RedisValues;
  #known: Known | null = null;
  #opening: Promise<Opened | null> | null = null;

  constructor(
    link: RedisLink,
    layout: LogLayout,
    parts: { tags: LogTags; position: () => LogPosition; listener: () => LogStoreListener | null; tellAnew: () => void },
  ) {
    this.link = link;
    this.#layout = layout;
    this.#tags = parts.tags;
    this.#position = parts.position;
    this.#listener = parts.listener;
    this.#tellAnew = parts.tellAnew;
    this.#calls = new ScriptCalls(link);
    this.#values = new RedisValues(link, this.#calls, { key: layout.head, begin: () => this.#beginReads() }, layout.readWith);
    link.onUp(() => this.#listener()?.onUp());
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
    const { prefix } = this.link;
    const args = { epoch, number, channel: this.#layout.channel(), message: encodeEntryMessage(epoch, entry), all, buckets };
    const keys = entry.keys.map((key) => prefix + key);
    const reply = await this.#calls.run(this.#layout.apply(keys, args), deadline);
    if (!reply.ok) return { outcome: 'unavailable' };
    const [outcome, fence, elsewhere] = (reply.value as Buffer[]).map(String);
    if (outcome === 'anew') this.#tellAnew();
    if (elsewhere === '1') this.#layout.onElsewhere?.();
    return outcome === 'ahead' || outcome === 'behind' ? { outcome, fence: Number(fence) } : { outcome: 'applied' };
  }

  async fence(epoch: string, deadline: number): Promise<number | 'none' | null> {
    const { clock, client, breaker } = this.link;
    const pass = this.link.connection === 'up' ? breaker.enter() : null;
    if (pass === null) return null;
    const late = Promise.withResolvers<null>();
    const timer = clock.schedule(Math.max(0, deadline - clock.now()), () => {
      late.resolve(null);
      pass.late();
    });
    try {
      const asked = client.hmget(this.#layout.table, 'e', 'f');
      asked.then(
        () => pass.answered(),
        (error: unknown) => pass.failed(error),
      );
      const fields = await Promise.race([asked, late.promise]);
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
    const reply = await this.#calls.run(this.#layout.open(epoch, number, seen), deadline);
    if (reply.ok && this.#layout.opened((reply.value as Buffer[]).map(String)).isAnew) this.#tellAnew();
    return reply.ok;
  }

  state(): 'up' | 'down' {
    return this.link.state;
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
    const [, epoch, base, fence, more = ''] = HEAD.exec(found?.toString('latin1') ?? '') ?? [];
    const at = epoch === need.epoch ? { base: Number(base), fence: Number(fence) } : null;
    if (at !== null && at.fence < need.number) return this.#isBehind();
    const isKnown = at !== null && this.#known?.epoch === need.epoch && this.#known.base === at.base;
    const opened = isKnown ? at : await this.#open(need);
    if (opened === null) return null;
    if (!(opened.fence >= need.number)) return this.#isBehind();
    // The values were read before the table was opened. If it was gone then, nothing says how far they had followed the log but their own points: those at or after this process's place need nobody's word.
    const from = Math.max(opened.base, at === null ? need.number : at.base);
    return (bytes, key) => {
      const entry = decodeEntry(bytes);
      // What is damaged is for the reader to count; what was loaded before the base does not count.
      return (
        entry === null || (entry.point.generation === need.epoch && entry.point.stamp >= Math.max(from, this.#layout.since(key, more)))
      );
    };
  }

  #isBehind(): null {
    this.#listener()?.onBehind();
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
    const { clock } = this.link;
    const reply = await this.#calls.run(this.#layout.open(epoch, number, null), clock.now() + OPEN_MS);
    if (!reply.ok || !Array.isArray(reply.value) || this.#position().epoch !== epoch) return null;
    const { isAnew, base, fence, fields } = this.#layout.opened(reply.value.map(String));
    if (isAnew) this.#tellAnew();
    // Made anew by another, whose word on the bus may have been lost.
    else if (this.#known?.epoch === epoch && base > this.#known.base) this.#listener()?.onAnew(false);
    const stamps: [number, number][] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) stamps.push([Number(fields[i]), Number(fields[i + 1])]);
    this.#tags.merge(stamps);
    // A table that lags behind this process lacks stamps that this process may never have heard of: it is read again once it is level.
    if (fence >= number) this.#known = { epoch, base };
    return { base, fence };
  }
}

/** The table as this process knows it. */
interface Known {
  readonly epoch: string;
  readonly base: number;
}

interface Opened {
  readonly base: number;
  readonly fence: number;
}

const HEAD = /^(\S+) (\d{1,16}) (\d{1,16})(?: ([\d@,-]*))?$/;

/** A field of the table that somebody else wrote over is as good as none. */
function isNumber(field: string | null | undefined): field is string {
  return typeof field === 'string' && /^\d{1,16}$/.test(field);
}

function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE');
}
