import type { Clock } from '../core/clock.ts';
import type { ChangeLog, LogEntry } from './change-log.ts';
import type { LogPart, LogStore } from './log-store.ts';
import { Relay } from './relay.ts';
import type { Tracer } from './tracer.ts';

export interface RelaysOptions {
  readonly log: ChangeLog;
  readonly store: LogStore;
  readonly clock: Clock;
  /** See `RelayOptions`. */
  readonly applyMs: number;
  readonly readMs: number;
  readonly tracer?: Tracer | null;
  onApplied(entry: LogEntry): void;
}

const SOONEST_MS = 5;
/** Longest wait for a part to tell its fence, in ms. */
const FENCE_MS = 250;

/** A relay for each part of a store, which follow the log each for itself: one that is away holds up no other. */
export class Relays {
  readonly #o: RelaysOptions;
  #relays = new Map<LogPart, Relay>();
  /** What relays did whose parts are gone. */
  readonly #past: Relay['counts'] = { rounds: 0, applied: 0, ahead: 0, behind: 0, failed: 0, restarts: 0 };

  constructor(options: RelaysOptions) {
    this.#o = options;
  }

  get counts(): Relay['counts'] {
    const sum = { ...this.#past };
    for (const { counts } of this.#relays.values()) add(sum, counts);
    return sum;
  }

  /** The least of the parts' fences, of those that answer; `null` while nobody knows. */
  get fence(): number | null {
    const fences = [...this.#relays].filter(([part]) => part.state() === 'up').map(([, { fence }]) => fence);
    return fences.length === 0 || fences.includes(null) ? null : Math.min(...(fences as number[]));
  }

  /** The highest number that any part is known to have applied. */
  get highest(): number {
    return Math.max(0, ...[...this.#relays.values()].map(({ fence }) => fence ?? 0));
  }

  /** Nothing is known of any part any more: another history. */
  forget(): void {
    for (const relay of this.#relays.values()) relay.forget();
  }

  /** Brings every part to `target`. Resolves to whether all are there; see `Relay.level`. */
  async level(epoch: string, target: number, entry: LogEntry | null): Promise<boolean> {
    const { store } = this.#o;
    const parts = store.parts();
    const before = this.#relays;
    this.#relays = new Map(parts.map((part) => [part, before.get(part) ?? new Relay({ ...this.#o, store: part })]));
    for (const [part, { counts }] of before) if (!this.#relays.has(part)) add(this.#past, counts);
    const levelled = await Promise.all([...this.#relays.values()].map((relay) => relay.level(epoch, target, entry)));
    return levelled.length > 0 && levelled.every(Boolean);
  }
}

/** Looks at the fences of a store that others level until all are at `number`, as long as somebody wants to know. */
export async function seeLevel(
  store: LogStore,
  wanted: {
    readonly epoch: string;
    readonly number: number;
    readonly clock: Clock;
    /** Monotonic ms. */
    readonly giveUpAt: number;
    isWanted(): boolean;
  },
): Promise<boolean> {
  const { epoch, number, clock, giveUpAt } = wanted;
  for (let pauseMs = SOONEST_MS; wanted.isWanted() && clock.now() < giveUpAt; pauseMs *= 2) {
    const fences = await Promise.all(store.parts().map((part) => part.fence(epoch, clock.now() + FENCE_MS)));
    if (fences.length === 0 || fences.includes(null)) return false;
    if (fences.every((fence) => typeof fence === 'number' && fence >= number)) return true;
    await new Promise<void>((resolve) => void clock.schedule(pauseMs, resolve));
  }
  return false;
}

function add(sum: Relay['counts'], counts: Relay['counts']): void {
  for (const name of Object.keys(sum) as (keyof Relay['counts'])[]) sum[name] += counts[name];
}
