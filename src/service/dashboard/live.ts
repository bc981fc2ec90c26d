import type { Clock, Timer } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { ForebayEvent } from '../../event-log.ts';
import type { Columns } from './history.ts';
import { History } from './history.ts';
import type { Look } from './sampler.ts';
import { Sampler } from './sampler.ts';
import type { Snapshot } from './snapshot.ts';

/** One who watches: where the messages go. */
export interface Watcher {
  write(text: string): void;
  /** Bytes that were written and are not sent yet. */
  unsentBytes(): number;
  /** Ends it after what was written. */
  end(): void;
  /** Ends it at once. */
  drop(): void;
}

export interface LiveOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly look: () => Look;
  /** Those with a number above `after`. */
  readonly events: (after: number) => readonly ForebayEvent[];
  /** Whether what names files needs a token: a page that knows asks for none of it in vain. */
  readonly needsToken: boolean;
}

/** The limits of the stream, in one place. */
export const LIVE = Object.freeze({
  everyMs: 1_000,
  /** Watchers at once: each costs some 3 kB and 50 µs a second. */
  maxWatchers: 50,
  /** One who is so far behind is dropped: the history and a minute of snapshots. */
  maxUnsentBytes: 512 * 1024,
  /** When a browser that lost the stream asks again, in ms. */
  retryMs: 1_000,
});

/**
 * Looks once a second, whether anybody watches or not, so that whoever opens the page sees the last ten minutes; and tells all who watch. What is sent: first `history`, with all columns and events and the newest snapshot; then a `snapshot`
 * a second with the events since the one before; `heartbeat` in its place when there is none, so that a page can tell a service that cannot look from one that is gone; `bye` at the end.
 */
export class Live {
  readonly #o: LiveOptions;
  readonly #sampler = new Sampler();
  readonly #history = new History();
  readonly #watchers = new Set<Watcher>();
  #last: Snapshot | null = null;
  #told = 0;
  #timer: Timer | null = null;
  #failed = false;
  #closed = false;
  /** Watchers that were dropped since they did not read, and those that were refused. */
  readonly counts = { dropped: 0, refused: 0 };

  constructor(options: LiveOptions) {
    this.#o = options;
    this.#tick();
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Whether there is room for one more; who does not ask has to be sent away. */
  admits(): boolean {
    if (!this.#closed && this.#watchers.size < LIVE.maxWatchers) return true;
    this.counts.refused += 1;
    return false;
  }

  /** Sends the history, and what follows. Returns what ends it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    const columns: Columns = this.#history.columns;
    const { needsToken } = this.#o;
    const first = { needsToken, columns, snapshot: this.#last, events: this.#o.events(0).filter(({ number }) => number <= this.#told) };
    this.#send(watcher, `retry: ${LIVE.retryMs}\n${message('history', first)}`);
    return () => this.#watchers.delete(watcher);
  }

  /** Tells all who watch that it is over. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    for (const watcher of this.#watchers) {
      watcher.write(message('bye', {}));
      watcher.end();
    }
    this.#watchers.clear();
  }

  #tick(): void {
    const text = this.#look();
    for (const watcher of this.#watchers) this.#send(watcher, text);
    if (!this.#closed) this.#timer = this.#o.clock.schedule(LIVE.everyMs, () => this.#tick());
  }

  #look(): string {
    try {
      const snapshot = this.#sampler.see(this.#o.look());
      this.#last = snapshot;
      this.#history.add(snapshot);
      const events = this.#o.events(this.#told);
      this.#told = events.at(-1)?.number ?? this.#told;
      this.#failed = false;
      return this.#watchers.size === 0 ? '' : message('snapshot', { snapshot, events });
    } catch (error) {
      if (!this.#failed) this.#o.logger.error({ error }, 'the dashboard could not look at the state of the service; it goes on trying');
      this.#failed = true;
      return message('heartbeat', {});
    }
  }

  #send(watcher: Watcher, text: string): void {
    if (watcher.unsentBytes() <= LIVE.maxUnsentBytes) watcher.write(text);
    else {
      this.counts.dropped += 1;
      this.#watchers.delete(watcher);
      watcher.drop();
    }
  }
}

/** JSON holds no line breaks, so that it is one line of data. */
function message(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
