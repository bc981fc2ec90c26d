import type { ChangeLog, LogCall, LogEntry, LogLook, LogNote, LogState } from '../../../../src/cache/change-log.ts';
import { tagBuckets } from '../../../../src/cache/tags.ts';
import { ForebayError } from '../../../../src/core/errors.ts';
import type { ScheduledQueries } from './source.ts';

/** A version of a record that a commit brought about. */
export interface Commit {
  readonly key: string;
  readonly version: number;
  readonly at: number;
}

/** What a commit or a note puts into the outbox. */
interface Row extends LogNote {
  readonly commit: Commit | null;
}

/** The log of changes as the model's database keeps it. Each call is carried out whole, at one moment. */
export class ModelLog {
  /** Every commit, and the number of the log that told of it. */
  readonly commits: Commit[] = [];
  readonly numbered: { readonly number: number; readonly commit: Commit }[] = [];
  readonly #numbers = new Map<Commit, number>();
  readonly #rowsPerEntry: number;
  #outbox: Row[] = [];
  /** Rows that ever got a number. */
  #told = 0;
  #entries: LogEntry[] = [];
  #histories = 1;
  last = 0;

  constructor(rowsPerEntry: number) {
    this.#rowsPerEntry = rowsPerEntry;
  }

  get epoch(): string {
    return `e${this.#histories}`;
  }

  get waiting(): number {
    return this.#outbox.length;
  }

  /** The rows of a transaction become visible with all else that it did. */
  commit(commit: Commit, row: LogNote): void {
    this.commits.push(commit);
    this.#outbox.push({ ...row, commit });
  }

  append(note: LogNote): void {
    this.#outbox.push({ ...note, commit: null });
  }

  advance(): LogState {
    const rows = this.#outbox.splice(0, this.#rowsPerEntry);
    if (rows.length === 0) return this.#state();
    this.last += 1;
    this.#told += rows.length;
    const entry: LogEntry = {
      number: this.last,
      keys: [...new Set(rows.flatMap(({ keys }) => keys))],
      buckets: tagBuckets(rows.flatMap(({ tags }) => tags)),
      all: rows.some(({ all }) => all),
      purge: rows.some(({ purge }) => purge),
    };
    this.#entries.push(entry);
    for (const { commit } of rows) {
      if (commit === null) continue;
      this.numbered.push({ number: this.last, commit });
      this.#numbers.set(commit, this.last);
    }
    return { ...this.#state(), entry };
  }

  look(since: string | null): LogLook {
    const moment = String(this.#told + this.#outbox.length);
    return { ...this.#state(), moment, reached: since !== null && this.#told >= Number(since) };
  }

  #state(): LogState {
    return { epoch: this.epoch, last: this.last, more: this.#outbox.length > 0, entry: null };
  }

  /** The entry that tells of a commit; infinity while none does. */
  numberOf(commit: Commit): number {
    return this.#numbers.get(commit) ?? Number.POSITIVE_INFINITY;
  }

  read(after: number): readonly LogEntry[] {
    return this.#entries.filter(({ number }) => number > after).slice(0, 2);
  }

  renew(epoch: string): void {
    if (epoch === this.epoch) this.#histories += 1;
  }

  /** Keeps only the last so many entries. */
  sweep(keep: number): void {
    this.#entries = this.#entries.slice(Math.max(0, this.#entries.length - keep));
  }
}

interface Call {
  readonly run: () => unknown;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
  /** What the database said; `null` while the call has not reached it. */
  reply: { readonly value: unknown } | null;
}

/** One process's way to the log. A call that is given up may reach the database all the same, at any later time. */
export class ScheduledLog implements ChangeLog, ScheduledQueries {
  readonly #log: ModelLog;
  readonly #calls: Call[] = [];
  failures = 0;

  constructor(log: ModelLog) {
    this.#log = log;
  }

  get pending(): number {
    return this.#calls.length;
  }

  next(at: number): 'log query' | 'log reply' {
    return this.#calls[at]?.reply === null ? 'log query' : 'log reply';
  }

  step(at: number): void {
    const call = this.#calls[at];
    if (call === undefined) return;
    if (call.reply === null) {
      call.reply = { value: call.run() };
      return;
    }
    this.#calls.splice(at, 1);
    if (this.failures === 0) call.resolve(call.reply.value);
    else {
      this.failures -= 1;
      call.reject(new ForebayError('DATABASE_UNAVAILABLE', 'the log failed'));
    }
  }

  advance(call?: LogCall): Promise<LogState> {
    return this.#ask(() => this.#log.advance(), call);
  }

  look(since: string | null, call?: LogCall): Promise<LogLook> {
    return this.#ask(() => this.#log.look(since), call);
  }

  read(after: number, call?: LogCall): Promise<readonly LogEntry[]> {
    return this.#ask(() => this.#log.read(after), call);
  }

  append(note: LogNote, call?: LogCall): Promise<void> {
    return this.#ask(() => this.#log.append(note), call);
  }

  renew(epoch: string, call?: LogCall): Promise<void> {
    return this.#ask(() => this.#log.renew(epoch), call);
  }

  /** What the log keeps is for the program to say. */
  sweep(call?: LogCall): Promise<number> {
    return this.#ask(() => 0, call);
  }

  waiting(call?: LogCall): Promise<number> {
    return this.#ask(() => this.#log.waiting, call);
  }

  #ask<T>(run: () => T, { signal }: LogCall = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#calls.push({ run, resolve: resolve as (reply: unknown) => void, reject, reply: null });
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }
}
