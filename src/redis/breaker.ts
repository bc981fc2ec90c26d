import type { BreakerChange, BreakerControl, BreakerState } from '../cache/breaker-types.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import type { BreakerOptions } from './breaker-options.ts';
import { resolveBreakerOptions } from './breaker-options.ts';
import type { Pass } from './breaker-pass.ts';
import { isAnswer, openPass, textOf } from './breaker-pass.ts';
import { TripWatch } from './trip-watch.ts';

export interface BreakerParts {
  readonly clock: Clock;
  readonly chance: Chance;
  /** Asks the server for a sign of life; `null`: there is no connection to ask on. */
  readonly probe: () => Promise<unknown> | null;
  /** Told of each change of state, once. @defaultValue does nothing */
  readonly onChange?: (change: BreakerChange) => void;
  readonly options?: Partial<BreakerOptions>;
}

/** `tries`: how often it opened without having stood closed for a whole window in between; the delay before the next probe grows with it. */
interface Closed {
  readonly kind: 'closed';
  readonly tries: number;
  readonly since: number;
  readonly watch: TripWatch;
}
interface Open {
  readonly kind: 'open';
  readonly tries: number;
  readonly timer: Timer;
}
/** One for each probe: what comes back of an earlier one finds another state. */
interface HalfOpen {
  readonly kind: 'half-open';
  readonly tries: number;
  readonly answered: number;
  readonly timer: Timer;
}
interface Isolated {
  readonly kind: 'isolated';
}
type State = Closed | Open | HalfOpen | Isolated;

/** Shortest delay before a probe, in ms. */
const LEAST_DELAY_MS = 50;

/**
 * The breaker of one server. *Closed: calls pass*, and what became of them is watched. Open: no call passes, so that none waits for a server that does not answer. After a delay (exponential, full
 * jitter, so that a fleet does not come back in step) it asks the server itself, half-open: one PING at a time, each with a deadline; some answers in a row close it. Isolated: as open, by hand and until `restore`.
 *
 * What happens between a call and its answer:
 * - it opens: the call goes on, and its caller has the answer if it comes in time. The answer is as true as ever; whether a value counts is for the fence to say.
 * - it opens, and closes again: what became of calls of before says nothing of the server now. Each period has its own watch.
 */
export class Breaker implements BreakerControl {
  readonly counts = { transitions: { closed: 0, open: 0, 'half-open': 0, isolated: 0 }, refused: 0 };
  readonly #parts: BreakerParts;
  readonly #o: BreakerOptions;
  readonly #listeners: ((change: BreakerChange) => void)[] = [];
  #state: State;
  #reason = 'calls pass from the start';
  #ended = false;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
    this.#o = resolveBreakerOptions(parts.options);
    this.#state = this.#closedState(0);
    if (parts.onChange !== undefined) this.#listeners.push(parts.onChange);
  }

  get state(): BreakerState {
    return this.#state.kind;
  }

  get reason(): string {
    return this.#reason;
  }

  /** Whether a call may be made now. A `false` is counted as a call that was refused. */
  admits(): boolean {
    if (this.#state.kind === 'closed') return true;
    this.counts.refused += 1;
    return false;
  }

  /** Asked right before `calls` calls are sent together; `null`: they may not be. */
  enter(calls = 1): Pass | null {
    const state = this.#state;
    if (state.kind === 'closed') {
      const { clock } = this.#parts;
      return openPass({ clock, watch: state.watch, fairMs: this.#o.fairMs, trip: (reason) => this.#trip(state, reason) });
    }
    this.counts.refused += calls;
    return null;
  }

  /** There is a connection again: no need to wait for the rest of the delay. */
  hurry(): void {
    if (this.#state.kind === 'open') this.#probe(this.#state, 'there is a connection again');
  }

  listen(listener: (change: BreakerChange) => void): void {
    this.#listeners.push(listener);
  }

  isolate(): BreakerState {
    if (this.#state.kind !== 'isolated') this.#become({ kind: 'isolated' }, 'isolated by hand');
    return this.state;
  }

  restore(): BreakerState {
    if (this.#state.kind === 'open' || this.#state.kind === 'isolated')
      this.#probe({ kind: this.#state.kind, tries: 0 }, 'restored by hand');
    return this.state;
  }

  probe(): BreakerState {
    if (this.#state.kind === 'open') this.#probe(this.#state, 'asked to probe');
    return this.state;
  }

  /** Ends its timers; nothing is told any more. */
  end(): void {
    this.#ended = true;
    cancelTimer(this.#state);
  }

  #trip(period: Closed, reason: string): void {
    if (this.#state !== period) return;
    const stood = this.#parts.clock.now() - period.since >= this.#o.windowMs;
    this.#open(stood ? 0 : period.tries, reason);
  }

  #open(tries: number, reason: string): void {
    const { clock, chance } = this.#parts;
    const delayMs = LEAST_DELAY_MS + chance.random() * Math.min(this.#o.maxDelayMs, this.#o.firstDelayMs * 2 ** tries);
    const timer = clock.schedule(delayMs, () => this.#probe(state, 'time for a probe'));
    const state: Open = { kind: 'open', tries, timer };
    this.#become(state, reason);
  }

  /** Sends one probe. `from`: what it was before, with how often it opened in a row. */
  #probe(
    from: Pick<Open, 'tries'> & { readonly kind: 'open' | 'half-open' | 'isolated'; readonly answered?: number },
    reason: string,
  ): void {
    if (this.#ended) return;
    const { tries, answered = 0 } = from;
    const asked = this.#parts.probe();
    if (asked === null) {
      this.#open(tries, from.kind === 'open' ? this.#reason : 'there is no connection');
      return;
    }
    const timer = this.#parts.clock.schedule(this.#o.probeMs, () =>
      this.#failed(state, `a probe was not answered within ${this.#o.probeMs} ms`),
    );
    const state: HalfOpen = { kind: 'half-open', tries, answered, timer };
    this.#become(state, reason);
    asked.then(
      () => this.#answered(state),
      (error: unknown) => (isAnswer(error) ? this.#answered(state) : this.#failed(state, `a probe failed: ${textOf(error)}`)),
    );
  }

  #answered(probe: HalfOpen): void {
    if (this.#state !== probe) return;
    const answered = probe.answered + 1;
    if (answered < this.#o.probesToClose) this.#probe({ ...probe, answered }, this.#reason);
    else this.#become(this.#closedState(probe.tries + 1), `${answered} probes in a row were answered`);
  }

  #failed(probe: HalfOpen, reason: string): void {
    if (this.#state === probe) this.#open(probe.tries + 1, reason);
  }

  #closedState(tries: number): Closed {
    const now = this.#parts.clock.now();
    return { kind: 'closed', tries, since: now, watch: new TripWatch(this.#o, now) };
  }

  #become(next: State, reason: string): void {
    const { kind: from } = this.#state;
    cancelTimer(this.#state);
    if (this.#ended) {
      cancelTimer(next);
      return;
    }
    this.#state = next;
    this.#reason = reason;
    if (next.kind === from) return;
    this.counts.transitions[next.kind] += 1;
    const change = Object.freeze({ from, to: next.kind, reason });
    // Told last: whoever hears of it may change the state again.
    for (const listener of this.#listeners) listener(change);
  }
}

function cancelTimer(state: State): void {
  if (state.kind === 'open' || state.kind === 'half-open') state.timer.cancel();
}
