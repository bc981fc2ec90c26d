import type { Alert } from './alerts/alert.ts';
import type { BreakerChange } from './cache/breaker-types.ts';
import type { HealthFinding } from './cache/health-types.ts';

export type EventKind = 'redis' | 'breaker' | 'node' | 'finding' | 'alert' | 'database' | 'freshness' | 'recovery' | 'log';

/** Something that happened, for people: never with a key or a name of a file in it. */
export interface ForebayEvent {
  /** 1 for the first since the start of the process. */
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly kind: EventKind;
  /** `good`: it is over. */
  readonly level: 'good' | 'info' | 'warning' | 'critical';
  readonly text: string;
}

/** Events kept at most; the oldest go. */
const MAX_EVENTS = 200;
/** A server's own words may be long. */
const MAX_TEXT = 400;

/** The last things that happened, in order. */
export class EventLog {
  readonly #wallNow: () => number;
  #events: ForebayEvent[] = [];
  #number = 0;

  constructor(wallNow: () => number) {
    this.#wallNow = wallNow;
  }

  add(kind: EventKind, level: ForebayEvent['level'], text: string): void {
    this.#number += 1;
    const event = Object.freeze({ number: this.#number, at: this.#wallNow(), kind, level, text: text.slice(0, MAX_TEXT).toWellFormed() });
    this.#events = [...this.#events.slice(1 - MAX_EVENTS), event];
  }

  /** Those kept with a number above `after`, the oldest first. */
  since(after = 0): readonly ForebayEvent[] {
    return this.#events.filter(({ number }) => number > after);
  }

  redisChanged(state: 'up' | 'down', reason: string): void {
    if (state === 'up') this.add('redis', 'good', 'Redis is connected.');
    else this.add('redis', 'warning', `The connection to Redis is lost: ${reason}.`);
  }

  nodeChanged(node: string, state: 'up' | 'down', reason: string): void {
    if (state === 'up') this.add('node', 'good', `The node ${node} of the Cluster is connected.`);
    else this.add('node', 'warning', `The node ${node} of the Cluster is away: ${reason}.`);
  }

  /** Probes of a breaker that stays open are of no news. */
  breakerChanged({ from, to, reason }: BreakerChange): void {
    if (to === 'closed') this.add('breaker', 'good', `The breaker of Redis is closed, calls pass: ${reason}.`);
    else if (to === 'isolated') this.add('breaker', 'warning', 'Redis is isolated by hand: it is not asked until it is restored.');
    else if (to === 'open' && from === 'closed') this.add('breaker', 'warning', `The breaker of Redis is open, no call passes: ${reason}.`);
    else if (to === 'half-open' && from === 'isolated') this.add('breaker', 'info', 'Redis is restored by hand: it is probed.');
  }

  found({ node, text }: HealthFinding): void {
    this.add('finding', 'warning', `The Redis server ${node}: ${text}`);
  }

  alerted({ state, severity, summary }: Alert): void {
    this.add('alert', state === 'resolved' ? 'good' : severity, summary);
  }
}
