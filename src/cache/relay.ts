import type { Clock } from '../core/clock.ts';
import type { ChangeLog, LogEntry } from './change-log.ts';
import type { LogStore } from './log-store.ts';

export interface RelayOptions {
  readonly log: ChangeLog;
  readonly store: LogStore;
  readonly clock: Clock;
  /** Longest wait for the store to apply one entry, in ms; past it the store counts as away until it was asked again. */
  readonly applyMs: number;
  /** The store has applied this entry, by our hand or another relay's. */
  onApplied(entry: LogEntry): void;
}

/** Entries kept to be applied without asking the log for them again. */
const MAX_RECENT = 64;
/** Tries in which another relay was found at work on the same entries. */
const MAX_ROUNDS = 20;

/**
 * Keeps the store level with the log: applies what it lacks, in order. Several relays may do so at once: an entry is applied only if it is the next, so whoever is first applies it, and the others see that it was.
 * Whatever the store lost (a failover, an old backup, all of it) shows in its fence, and is applied again from the log; what the log does not keep any more makes the store start anew.
 */
export class Relay {
  readonly #o: RelayOptions;
  readonly #recent = new Map<number, LogEntry>();
  #target = 0;
  #fence: number | null = null;
  #running: Promise<void> | null = null;
  #failing = false;
  readonly counts = { applied: 0, ahead: 0, behind: 0, failed: 0, restarts: 0 };

  constructor(options: RelayOptions) {
    this.#o = options;
  }

  /** The fence as it was last heard of; `null` while nobody knows. */
  get fence(): number | null {
    return this.#fence;
  }

  /** Nothing is known of the store any more: another history, or another server. */
  forget(): void {
    this.#recent.clear();
    this.#target = 0;
    this.#fence = null;
  }

  /** Brings the store to `target`. `entry`: what was numbered just now. Resolves to whether the store is there; at once to `false` while it is known to be away. */
  async level(epoch: string, target: number, entry: LogEntry | null): Promise<boolean> {
    if (entry !== null) this.#remember(entry);
    // Without anything to apply, only the store itself can tell whether it has lost what was applied.
    else if (this.#running === null) this.#fence = null;
    this.#target = Math.max(this.#target, target);
    for (;;) {
      if (this.#o.store.state() === 'down') return false;
      const wasRunning = this.#running !== null;
      this.#running ??= this.#run(epoch).finally(() => {
        this.#running = null;
      });
      // It did not answer the last time: whoever waits for a write is not kept waiting while it is asked again.
      if (this.#failing && wasRunning) return false;
      await this.#running;
      if (this.#fence !== null && this.#fence >= target) return true;
      if (this.#fence === null) return false;
    }
  }

  #remember(entry: LogEntry): void {
    this.#recent.set(entry.number, entry);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > MAX_RECENT && oldest !== undefined) this.#recent.delete(oldest);
  }

  async #run(epoch: string): Promise<void> {
    let done = false;
    try {
      done = await this.#work(epoch);
    } catch {
      // The log could not be read: the source is away.
    }
    // A store that is disconnected says so by itself when it is asked again.
    this.#failing = !done && this.#o.store.state() === 'up';
    if (!done) {
      this.#fence = null;
      this.counts.failed += 1;
    }
  }

  async #work(epoch: string): Promise<boolean> {
    const { store } = this.#o;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if (store.state() === 'down') return false;
      if (this.#fence === null) {
        const found = await store.fence(epoch, this.#deadline());
        if (found === null) return false;
        if (found === 'none') {
          if (!(await this.#restart(epoch, found))) return false;
        } else this.#fence = found;
      }
      while (this.#fence !== null && this.#fence < this.#target) {
        const progress = await this.#applyNext(epoch, this.#fence);
        if (progress === 'failed') return false;
        if (progress === 'retry') break;
      }
      if (this.#fence !== null && this.#fence >= this.#target) return true;
    }
    return false;
  }

  async #applyNext(epoch: string, fence: number): Promise<'applied' | 'retry' | 'failed'> {
    const { log, store } = this.#o;
    const recent = this.#recent.get(fence + 1);
    const entries = recent === undefined ? await log.read(fence) : [recent];
    if (entries[0]?.number !== fence + 1) return (await this.#restart(epoch, fence)) ? 'retry' : 'failed';
    for (const entry of entries) {
      const reply = await store.apply(epoch, entry, this.#deadline());
      switch (reply.outcome) {
        case 'applied':
          this.counts.applied += 1;
          this.#fence = entry.number;
          break;
        case 'ahead':
          this.counts.ahead += 1;
          this.#fence = reply.fence;
          break;
        case 'behind':
          // 1. Relay A numbers 11, relay B numbers 12. 2. B comes first and is told that 11 is missing. 3. Either of them applies both.
          this.counts.behind += 1;
          this.#fence = reply.fence;
          return 'retry';
        case 'unavailable':
          return 'failed';
        default:
          return reply satisfies never;
      }
      this.#recent.delete(entry.number);
      this.#o.onApplied(entry);
    }
    return 'applied';
  }

  /** All entries up to the target were committed before now: what is loaded from now on contains them, and nothing that was stored before counts. */
  async #restart(epoch: string, seen: number | 'none'): Promise<boolean> {
    const target = this.#target;
    if (!(await this.#o.store.restart(epoch, target, seen, this.#deadline()))) return false;
    this.counts.restarts += 1;
    this.#fence = null;
    return true;
  }

  #deadline(): number {
    return this.#o.clock.now() + this.#o.applyMs;
  }
}
