/**
 * Whether calls of a server pass. *closed*: calls pass. *open*: none passes, since too many failed. *half-open*: none passes but the breaker's own probes, one at a time. *isolated*: none passes
 * until somebody says so, since somebody said so.
 */
export type BreakerState = 'closed' | 'open' | 'half-open' | 'isolated';

/** One change of state. */
export interface BreakerChange {
  readonly from: BreakerState;
  readonly to: BreakerState;
  /** For people: what brought it about. */
  readonly reason: string;
}

/** What a breaker counted since its start. */
export interface BreakerCounts {
  /** Changes of state by the state that they led to. */
  readonly transitions: Readonly<Record<BreakerState, number>>;
  /** Calls that were not made. */
  readonly refused: number;
}

/** The operator's hands on a breaker, and a look at it. */
export interface BreakerControl {
  readonly state: BreakerState;
  /** Why it is in this state. */
  readonly reason: string;
  readonly counts: BreakerCounts;
  /** No call passes until `restore`, whatever the server answers; in this process alone, and until it ends. Returns the state. Idempotent. */
  isolate(): BreakerState;
  /** Ends an isolation, or the delay of a breaker that is open: asks the server at once, and calls pass again when it answers. Returns the state. Changes nothing while calls pass. */
  restore(): BreakerState;
  /** Asks at once a server whose breaker is open by itself, instead of after its delay; an isolation stays. Returns the state. */
  probe(): BreakerState;
}
