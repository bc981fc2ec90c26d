import type { BreakerState } from './breaker-types.ts';

/** What a Redis server says of itself; what it does not say is `null`. */
export interface NodeHealth {
  /** `HOST:PORT`, or the path of its socket. */
  readonly node: string;
  /** Whether there is a connection, and the breaker lets calls pass. */
  readonly state: 'up' | 'down';
  /** Whether there is a connection, whatever the breaker says. */
  readonly connected: boolean;
  /** Of this server; closed = calls pass. */
  readonly breaker: BreakerState;
  /** Of the last PING that was answered, in ms. */
  readonly pingMs: number | null;
  readonly version: string | null;
  readonly role: 'primary' | 'replica' | null;
  readonly connectedReplicas: number | null;
  readonly keys: number | null;
  readonly usedMemoryBytes: number | null;
  /** 0: no limit. */
  readonly maxMemoryBytes: number | null;
  readonly policy: string | null;
  /** Since the server's start. */
  readonly evictedKeys: number | null;
  /** Memory that the server holds / what it uses. */
  readonly fragmentation: number | null;
}

export const FINDING_CODES = [
  'memory_unlimited',
  'evicts_nothing',
  'memory_full',
  'version_old',
  'bus_buffer_small',
  'right_missing',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

/** Something about a server that endangers what Forebay promises. */
export interface HealthFinding {
  readonly code: FindingCode;
  readonly node: string;
  /** What it is, why it matters, and what to do: for people. */
  readonly text: string;
}

/** Looks after the servers of Redis. */
export interface HealthReport {
  /** As they were at the last look; in no order. */
  nodes(): readonly NodeHealth[];
  /** What is amiss now. */
  findings(): readonly HealthFinding[];
}
