import type { Clock } from '../core/clock.ts';
import type { Answering } from './ask-log.ts';
import type { ChangeLog } from './change-log.ts';
import type { LogStore } from './log-store.ts';
import type { LogTags } from './log-tags.ts';
import type { Relay } from './relay.ts';
import type { RemoteTier } from './remote-tier.ts';
import type { Tracer } from './tracer.ts';

/** Steps at which a test may stop the process. */
export type FollowerStep = 'asked' | 'numbered' | 'applied' | 'heard' | 'swept';

export interface FollowerOptions {
  readonly log: ChangeLog;
  /** Opens the shared tier, which is closed with the follower; `null`: process memory only. @defaultValue null */
  readonly openStore?: ((tags: LogTags) => LogStore) | null;
  /** Whether this process numbers changes and applies them to the store. At least one process has to. @defaultValue 'always' */
  readonly relay?: 'always' | 'never';
  /** The staleness bound in ms: the log is asked four times as often, and once a second at least. @defaultValue 1,000 */
  readonly maxStalenessMs?: number;
  /** Longest wait of a write for its invalidation, in ms. @defaultValue 1,000 */
  readonly confirmMs?: number;
  /** Told when the store has begun anew, so that nothing that it held counts. `mine`: this process found it so. @defaultValue does nothing */
  readonly onAnew?: (mine: boolean) => void;
  /** Told of the first message of the bus, and of the first entry of the log, that this version cannot read. @defaultValue does nothing */
  readonly onUnreadable?: (what: 'message' | 'entry') => void;
  readonly clock?: Clock;
  /** Is told of the relay's work. @defaultValue none */
  readonly tracer?: Tracer | null;
  /** Called in the course of the work. @defaultValue does nothing */
  readonly onStep?: (step: FollowerStep) => void;
}

/** What a follower counted since its start, and where it is. */
export interface FollowerStats {
  readonly counts: {
    /** Looks at the log, and those that failed. */
    asked: number;
    failed: number;
    /** Entries by how this process heard of them first. */
    heardByBus: number;
    heardByRelay: number;
    heardByLog: number;
    /** Entries that came by the bus, those included that were known by then. */
    messages: number;
    /** Times that entries were read from the log itself, since nothing had brought them. */
    catchUps: number;
    /** Messages that came before one that should have come first, or lost connections of the bus. */
    gaps: number;
    /** Messages of the bus that this version cannot read: of another version, or of nobody's. */
    unreadableMessages: number;
    /** Entries of the log that this version cannot read, by which everything was forgotten. */
    unreadableEntries: number;
    /** Times process memory was emptied since the log did not reach back far enough, or began anew. */
    restarts: number;
    swept: number;
  };
  readonly relay: Relay['counts'] | null;
  /** Number up to which this process has followed the log, and the newest that it knows of. */
  readonly number: number;
  readonly last: number;
  /** Number up to which the store has, as far as this relay knows. */
  readonly fence: number | null;
  /** Writes that wait for their invalidation. */
  readonly settling: number;
  /** Monotonic ms: all that was committed before this has been applied to the store; `null` before the first time, and in a process without a relay. */
  readonly levelAt: number | null;
  /** Whether the source answered the last look. */
  readonly answered: boolean;
  /** Whether the bus is subscribed; `null` without a store. Without it the log itself is read, a little later. */
  readonly hears: boolean | null;
  /** How the source of the log answers. */
  readonly source: Answering;
}

export function newFollowerCounts(): FollowerStats['counts'] {
  return {
    asked: 0,
    failed: 0,
    heardByBus: 0,
    heardByRelay: 0,
    heardByLog: 0,
    messages: 0,
    catchUps: 0,
    gaps: 0,
    unreadableMessages: 0,
    unreadableEntries: 0,
    restarts: 0,
    swept: 0,
  };
}

export interface Follower extends RemoteTier {
  stats(): FollowerStats;
  /** How many changes wait in the outbox, or in the log for the store; rejects when the source does not answer. */
  depth(): Promise<number>;
}
