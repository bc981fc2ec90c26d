import type { ChangeLog, LogEntry, LogLook, LogNote, LogState } from '../../src/cache/change-log.ts';

/** An entry about keys. */
export const entryOf = (number: number, keys: readonly string[], more: Partial<LogEntry> = {}): LogEntry => ({
  number,
  keys,
  buckets: [],
  all: false,
  purge: false,
  ...more,
});

/** A log of changes in memory, whose answers a test can hold up. What is committed waits in the outbox until it is numbered. */
export class ScriptedLog implements ChangeLog {
  epoch = 'epoch1';
  entries: LogEntry[] = [];
  /** Committed changes without a number, each a list of keys. */
  outbox: (readonly string[])[] = [];
  /** Numbers given in one call at most. */
  perCall = Number.POSITIVE_INFINITY;
  away = false;
  readonly calls: string[] = [];
  readonly notes: LogNote[] = [];
  /** Changes that ever got a number. */
  #told = 0;
  #hold: Promise<void> | null = null;

  /** What is asked from now on is answered by what is there now, and only when the result is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hold = promise;
    return () => {
      this.#hold = null;
      resolve();
    };
  }

  get last(): number {
    return this.entries.at(-1)?.number ?? 0;
  }

  /** Commits a change of keys. */
  commit(...keys: string[]): void {
    this.outbox.push(keys);
  }

  /** Gives a number to all that waits, as another relay would. */
  number(): void {
    if (this.outbox.length > 0) this.#give(this.outbox.splice(0));
  }

  advance(): Promise<LogState> {
    return this.#answer('advance', () => {
      const taken = this.outbox.splice(0, this.perCall);
      const entry = taken.length === 0 ? null : this.#give(taken);
      return { epoch: this.epoch, last: this.last, more: this.outbox.length > 0, entry };
    });
  }

  look(since: string | null): Promise<LogLook> {
    return this.#answer('look', () => ({
      epoch: this.epoch,
      last: this.last,
      more: this.outbox.length > 0,
      entry: null,
      moment: String(this.#told + this.outbox.length),
      reached: since !== null && this.#told >= Number(since),
    }));
  }

  read(after: number): Promise<readonly LogEntry[]> {
    return this.#answer('read', () => this.entries.filter(({ number }) => number > after).slice(0, 50));
  }

  append(note: LogNote): Promise<void> {
    return this.#answer('append', () => {
      this.notes.push(note);
      this.commit(...note.keys);
    });
  }

  renew(epoch: string): Promise<void> {
    return this.#answer('renew', () => {
      if (this.epoch === epoch) this.epoch = `${epoch}x`;
    });
  }

  sweep(): Promise<number> {
    return this.#answer('sweep', () => 0);
  }

  waiting(): Promise<number> {
    return this.#answer('waiting', () => this.outbox.length);
  }

  #give(taken: readonly (readonly string[])[]): LogEntry {
    const entry = entryOf(this.last + 1, taken.flat());
    this.entries.push(entry);
    this.#told += taken.length;
    return entry;
  }

  async #answer<T>(call: string, work: () => T): Promise<T> {
    this.calls.push(call);
    if (this.away) throw new Error('the source is away');
    const answer = work();
    await this.#hold;
    return answer;
  }
}
