import type { FaultProxy } from '../support/fault-proxy.ts';
import type { Load } from './protocol.ts';
import type { SeededChance } from './random.ts';
import type { RedisControl, Topology } from './redis/control.ts';
import type { RedisFront } from './redis/front.ts';

/** The engine as it is, or one whose formats are all newer: `newer-version.ts`. */
export type EngineVersion = 'today' | 'newer';

/** One process of a run, whoever lives in it. */
export interface ProcessControl {
  readonly index: number;
  readonly redis: RedisFront;
  readonly database: FaultProxy;
  freeze(): void;
  thaw(): void;
  /** The next commit of this process is the last thing that it does. Resolves when it is dead. */
  dieAtCommit(): Promise<void>;
  /** It dies at that step of its relay. Resolves when it is dead, or after `timeoutMs` when that step does not come. */
  dieAtRelayStep(step: string, timeoutMs: number): Promise<boolean>;
  /** A new process in its place, at work. */
  respawn(): Promise<void>;
  /** Which version of the engine it runs. */
  readonly version: EngineVersion;
  /** Ends it and starts one of this version in its place. `orderly`: what it began has come to an end; else it is killed, whatever it is at. */
  restartAs(version: EngineVersion, how: { readonly orderly: boolean }): Promise<void>;
}

/** What a scenario can do to the world. */
export interface World {
  readonly chance: SeededChance;
  readonly processes: readonly ProcessControl[];
  readonly redis: RedisControl;
  readonly boundMs: number;
  readonly pause: (ms: number) => Promise<void>;
  /** From here until the result is called, this process cannot reach the database: its errors are honest. */
  readonly databaseAway: (process: number) => () => void;
  /** From here until the result is called, this process does not run. */
  readonly frozen: (process: number) => () => void;
}

/** One way in which the world goes wrong. */
export interface Scenario {
  readonly name: string;
  /** What has to hold all the same, in a sentence. */
  readonly claim: string;
  /** On which kinds of Redis it can be played. @defaultValue all */
  readonly on?: readonly Topology[];
  readonly load?: Partial<Load>;
  /** One load of three takes up to this long after it read its rows, in ms. @defaultValue 150 */
  readonly slowLoadMs?: number;
  /** Somebody who writes past every cache. */
  readonly outsider?: { readonly sessions: number; readonly perSecond: number; readonly openMs: number; readonly rollBackShare: number };
  /** Which processes have a relay. @defaultValue all */
  readonly relayIn?: (process: number) => boolean;
  /** Which processes run a newer version of the engine. @defaultValue none */
  readonly newerIn?: (process: number) => boolean;
  /** Whether the newer version reads entries of today; else it also numbers tags in another way. @defaultValue true */
  readonly newerReadsToday?: boolean;
  /** Before the first read. */
  readonly prepare?: (world: World) => Promise<void>;
  /** One fault with its healing, done again and again with pauses between. */
  readonly fault?: (world: World) => Promise<void>;
}
