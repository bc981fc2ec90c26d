/** A stretch of time in which an alert fires, from the first bad look to the one after which it stayed good. */
export interface Episode {
  readonly id: string;
  /** Wall time and monotonic time of the first bad look, in ms. */
  readonly startedAt: number;
  readonly startedNow: number;
  /** What was measured last while it was bad, or the sum. */
  readonly value: number;
  /** How often it came back before it was told to be over. */
  readonly returns: number;
  /** So long it has to be good, in ms. */
  readonly clearMs: number;
}

/** Where one alert stands. */
export type AlertState =
  | { readonly kind: 'quiet' }
  /** Bad, and not for long enough to tell anyone. */
  | { readonly kind: 'pending'; readonly since: number; readonly startedAt: number; readonly startedNow: number }
  /** Bad, and told. */
  | { readonly kind: 'firing'; readonly episode: Episode }
  /** Good, told to be bad, and not good for long enough to take that back. */
  | { readonly kind: 'clearing'; readonly episode: Episode; readonly since: number; readonly endedAt: number; readonly endedNow: number };

/** One look, with the three times that it is ordered by. */
export interface Look {
  /** What was measured; `null` = not known. */
  readonly measure: number | null;
  readonly isBad: boolean;
  /** Time that was watched, in ms: it stands still while nobody looks. */
  readonly watched: number;
  readonly now: number;
  readonly wallNow: number;
}

/** What of a rule matters here. */
export interface AlertTimes {
  readonly holdMs: number;
  readonly clearMs: number;
  /** Whether measures add up over an episode. */
  readonly sums: boolean;
}

const QUIET: AlertState = Object.freeze({ kind: 'quiet' });
const HOUR_MS = 3_600_000;

/**
 * One alert's way through its states. It keeps three kinds of storm from a human:
 *
 * - *A failure that goes on* changes no state, however often it is looked at.
 * - *A blip* ends in `pending`, and *one good look in a bad time* ends in `clearing`: neither is told.
 * - *A failure that comes and goes* takes longer to be told over each time: with the n-th episode within an hour it has to be good for 2^(n-1) times `clearMs`, an hour at most. So its returns fall into an episode that fires already,
 *   and in any hour there are at most log2(3600 s / clearMs + 1) + 1 episodes (7 with 30 s), each with two messages. Nothing is told late for it: what is held back is the all-clear alone, never a firing.
 */
export class AlertTracker {
  #state: AlertState = QUIET;
  /** Monotonic starts of the episodes of the last hour. */
  #starts: number[] = [];
  readonly #newId: () => string;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  get state(): AlertState {
    return this.#state;
  }

  /** Takes a look into account, and says what a human should be told. */
  step(look: Look, times: AlertTimes): 'firing' | { readonly resolved: Extract<AlertState, { kind: 'clearing' }> } | null {
    if (look.measure === null) return null;
    const before = this.#state;
    this.#state = look.isBad ? this.#afterBad(before, look, look.measure, times) : afterGood(before, look);
    if (this.#state.kind === 'firing' && (before.kind === 'quiet' || before.kind === 'pending')) return 'firing';
    return before.kind === 'clearing' && this.#state.kind === 'quiet' ? { resolved: before } : null;
  }

  #afterBad(state: AlertState, { watched, now, wallNow }: Look, measure: number, times: AlertTimes): AlertState {
    switch (state.kind) {
      case 'quiet':
      case 'pending': {
        const { since, startedAt, startedNow } = state.kind === 'pending' ? state : { since: watched, startedAt: wallNow, startedNow: now };
        if (watched - since < times.holdMs) return { kind: 'pending', since, startedAt, startedNow };
        this.#starts = [...this.#starts.filter((at) => now - at < HOUR_MS), now];
        const clearMs = Math.min(times.clearMs * 2 ** (this.#starts.length - 1), Math.max(HOUR_MS, times.clearMs));
        return { kind: 'firing', episode: { id: this.#newId(), startedAt, startedNow, value: measure, returns: 0, clearMs } };
      }
      case 'firing':
      case 'clearing': {
        const { episode } = state;
        const value = times.sums ? episode.value + measure : measure;
        const returns = episode.returns + (state.kind === 'clearing' ? 1 : 0);
        return { kind: 'firing', episode: { ...episode, value, returns } };
      }
      default:
        return state satisfies never;
    }
  }
}

function afterGood(state: AlertState, { watched, now, wallNow }: Look): AlertState {
  switch (state.kind) {
    case 'quiet':
    case 'pending':
      return QUIET;
    case 'firing':
      return { kind: 'clearing', episode: state.episode, since: watched, endedAt: wallNow, endedNow: now };
    case 'clearing':
      return watched - state.since >= state.episode.clearMs ? QUIET : state;
    default:
      return state satisfies never;
  }
}
