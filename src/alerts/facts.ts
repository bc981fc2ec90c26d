import type { Clock } from '../core/clock.ts';

/** What is known at one moment. `null`: it could not be had, which is neither good nor bad. */
export interface AlertFacts {
  readonly redis: 'off' | 'up' | 'down' | null;
  /** `closed`: calls pass. `isolated`: none does, since an operator said so. */
  readonly breaker: 'closed' | 'open' | 'half-open' | 'isolated' | null;
  /** Infinity while nothing is proven. */
  readonly stalenessMs: number | null;
  readonly outboxDepth: number | null;
  /** Entries that the auditor found stale since the look before. */
  readonly staleFound: number | null;
  /** Callers that wait for a connection or for a load. */
  readonly waiting: number | null;
  /** Loads that were refused since the look before. */
  readonly refused: number | null;
}

/** Where facts come from. All but `outboxDepth` are read from memory; any of them may throw. */
export interface AlertSources {
  redis(): 'off' | 'up' | 'down';
  /** `null` when there is none. */
  breaker(): AlertFacts['breaker'];
  stalenessMs(): number;
  /** Asks the database. */
  outboxDepth(): Promise<number>;
  /** Since the start. */
  staleFound(): number;
  waiting(): number;
  /** Since the start. */
  refused(): number;
}

/** Each count of the outbox is a query, by every process: seldom enough to cost nothing, and often enough for the time that it has to stay deep. */
const OUTBOX_EVERY_MS = 5_000;
/** An older count says nothing of now. */
const OUTBOX_FRESH_MS = 15_000;

/**
 * Reads the facts. A look takes no time and cannot fail: what throws is unknown, and the one fact that needs the database is asked for beside the looks, one question at a time, however long it takes.
 */
export class FactReader {
  readonly #sources: AlertSources;
  readonly #clock: Clock;
  readonly #totals = new Map<string, number>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #depth: { readonly value: number; readonly at: number } | null = null;

  constructor(sources: AlertSources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
  }

  look(): AlertFacts {
    this.#ask();
    const sources = this.#sources;
    return {
      redis: known(() => sources.redis()),
      breaker: known(() => sources.breaker()),
      stalenessMs: known(() => sources.stalenessMs()),
      outboxDepth: this.#depth !== null && this.#clock.now() - this.#depth.at <= OUTBOX_FRESH_MS ? this.#depth.value : null,
      staleFound: this.#since('staleFound', () => sources.staleFound()),
      waiting: known(() => sources.waiting()),
      refused: this.#since('refused', () => sources.refused()),
    };
  }

  /** What a counter has grown by since it was last read: what happened while it could not be read is not lost. */
  #since(name: string, read: () => number): number | null {
    const total = known(read);
    if (total === null) return null;
    const before = this.#totals.get(name) ?? 0;
    this.#totals.set(name, total);
    return total - before;
  }

  #ask(): void {
    const now = this.#clock.now();
    if (this.#isAsking || now - this.#askedAt < OUTBOX_EVERY_MS) return;
    this.#askedAt = now;
    this.#isAsking = true;
    void this.#count().then((value) => {
      this.#isAsking = false;
      this.#depth = value === null ? null : { value, at: this.#clock.now() };
    });
  }

  async #count(): Promise<number | null> {
    try {
      return await this.#sources.outboxDepth();
    } catch {
      return null;
    }
  }
}

function known<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
