import type { Clock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import type { Pacer } from './pacer.ts';
import type { PopularCall, PopularStore, RankedKey } from './popular-store.ts';

const LISTING = Object.freeze({
  /**
   * Keys in the first page, and in each further one. The store looks through all its rows for each page, so they are few; the first is small, since it falls into the moment when the database has most to do. Of 13,000
   * rows a page costs Postgres' processor 4 to 6 ms, all of them in one list 20 ms.
   */
  firstPage: 500,
  page: 5000,
  /** Longest wait for a page, in ms. */
  pageMs: 30_000,
});

export interface PopularListOptions {
  readonly store: PopularStore;
  readonly caches: readonly string[];
  /** Keys at most. */
  readonly limit: number;
  readonly pacer: Pacer;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * The popular keys, the most popular one first, asked for page by page as they are used, each page at the pace of the pacer: it is load of the database as what is warmed is.
 *
 * Counts go on meanwhile. A key that grows warmer than the page that was given last is not in a later one: it is being read, so it comes into the tiers by itself. One that cools down may come twice, and is found the second time.
 */
export class PopularList {
  readonly #o: PopularListOptions;
  #page: readonly RankedKey[] = [];
  #at = 0;
  #given = 0;
  #last: RankedKey | null = null;
  #isWhole = false;
  #counted = 0;

  constructor(options: PopularListOptions) {
    this.#o = options;
  }

  /** Keys that there are, so far as is known: right once the second page was asked for, but for what is counted meanwhile. */
  get size(): number {
    return Math.min(this.#o.limit, this.#isWhole ? this.#given + this.#page.length - this.#at : this.#counted);
  }

  /** The next keys, so many at most; none when there are no more. @throws {ForebayError} `DATABASE_UNAVAILABLE` */
  async take(most: number): Promise<readonly RankedKey[]> {
    if (this.#at === this.#page.length && !this.#isWhole) await this.#turnPage();
    const some = this.#page.slice(this.#at, this.#at + most);
    this.#at += some.length;
    this.#given += some.length;
    return some;
  }

  async #turnPage(): Promise<void> {
    const { store, caches, limit, pacer, signal } = this.#o;
    const isFirst = this.#last === null;
    const most = Math.min(limit - this.#given, isFirst ? LISTING.firstPage : LISTING.page);
    await pacer.turn(signal);
    this.#page = most === 0 ? [] : await this.#ask((call) => store.top(caches, most, this.#last, call));
    this.#at = 0;
    this.#last = this.#page.at(-1) ?? this.#last;
    this.#isWhole = this.#page.length < most || this.#given + this.#page.length >= limit;
    if (isFirst && !this.#isWhole) this.#counted = await this.#ask((call) => store.size(caches, call));
    this.#counted = Math.max(this.#counted, this.#given + this.#page.length);
  }

  async #ask<T>(question: (call: PopularCall) => Promise<T>): Promise<T> {
    const { clock, pacer, signal } = this.#o;
    const startedAt = clock.now();
    const late = new AbortController();
    const timer = clock.schedule(LISTING.pageMs, () =>
      late.abort(new ForebayError('DATABASE_UNAVAILABLE', `the popular keys were not told within ${LISTING.pageMs} ms`)),
    );
    try {
      return await question({ signal: AbortSignal.any([signal, late.signal]) });
    } finally {
      timer.cancel();
      pacer.note(clock.now() - startedAt, 1, 1);
    }
  }
}
