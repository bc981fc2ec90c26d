import type { LogEntry } from './change-log.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from './remote-tier.ts';

/** What became of a try to apply one entry of the log. `fence`: the number up to which the store has followed it. */
export type ApplyReply =
  | { readonly outcome: 'applied' }
  /** It had it already. */
  | { readonly outcome: 'ahead'; readonly fence: number }
  /** Entries before it are missing: it has lost writes, or another relay is about to bring them. */
  | { readonly outcome: 'behind'; readonly fence: number }
  | { readonly outcome: 'unavailable' };

/** What a store tells of its own accord. */
export interface LogStoreListener {
  /** An entry that the store has applied. */
  onEntry(epoch: string, entry: LogEntry): void;
  /** Entries may have been missed. */
  onGap(): void;
  /** A message came that this version cannot read, most likely of a newer one: it may have told of an entry, which is in the log all the same. */
  onUnreadable(): void;
  /** A read found the store behind this process. */
  onBehind(): void;
  /** Somebody has something to be moved, and no relay of its own. */
  onWake(): void;
  /** It was found empty, or had to begin anew: nothing that was stored before counts. `mine`: this process found it so. */
  onAnew(mine: boolean): void;
  /** It can be asked again. */
  onUp(): void;
}

/** Where this process is in the log. */
export interface LogPosition {
  readonly epoch: string;
  readonly number: number;
}

/**
 * What follows the log as a whole: a server with all that is on it, or one node of several. Each entry is applied once and in order, so a part whose fence is at n has forgotten all that the entries up to n say
 * of what it holds, whatever it lost before; and one that lost writes shows it by its fence.
 *
 * No call waits longer than its deadline, none rejects, and none is queued while there is no connection. Deadlines are monotonic ms.
 */
export interface LogPart {
  /** Applies an entry if it is the next, and tells everyone who listens. */
  apply(epoch: string, entry: LogEntry, deadline: number): Promise<ApplyReply>;
  /** The fence; 'none' when there is none of this epoch; `null` when it cannot be asked. */
  fence(epoch: string, deadline: number): Promise<number | 'none' | null>;
  /** Begins anew at `number` if the fence is still `seen`: nothing that was stored before counts. Resolves to whether it was heard. */
  restart(epoch: string, number: number, seen: number | 'none', deadline: number): Promise<boolean>;
  state(): 'up' | 'down';
}

/**
 * A shared tier that follows the log: values, leases, tag stamps, and of each of its parts the fence, the number of the last entry that was applied to it.
 *
 * No call waits longer than its deadline, none rejects, and none is queued while there is no connection. Deadlines are monotonic ms.
 */
export interface LogStore {
  readonly opened: Promise<void>;
  /** Reads one key. A value counts only if the store had followed the log at least as far as this process when the read was sent; else `unverified`. */
  read(key: string, deadline: number): Promise<RemoteRead>;
  acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply>;
  fill(key: string, token: string, fill: Parameters<RemoteTier['fill']>[2]): Promise<FillReply>;
  holder(key: string): Promise<LeaseHolder | null>;
  /** Its parts at this moment. They come and go; one that went is not the one that came. */
  parts(): readonly LogPart[];
  /** Asks relays elsewhere to look at the log. */
  wake(): void;
  /** Tries at once what is away, instead of at its next time. What an operator has isolated stays so. */
  probe(): void;
  /** Wires the store to who follows the log in this process. */
  listen(listener: LogStoreListener, position: () => LogPosition): void;
  /** Whether the messages of entries are heard at this moment, as far as is known. */
  readonly hears: boolean;
  /** Whether it can be asked right now. After `down`, `onUp` is told once it can. */
  state(): 'up' | 'down';
  close(): Promise<void>;
}
