import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import { LogAsker } from './ask-log.ts';
import type { ChangeLog, LogEntry, LogLook, LogState } from './change-log.ts';
import type { Follower, FollowerOptions, FollowerStats, FollowerStep } from './follower-types.ts';
import { newFollowerCounts } from './follower-types.ts';
import { LookPace } from './look-pace.ts';
import { LogTags } from './log-tags.ts';
import type { LogStore } from './log-store.ts';
import type { InvalidationState } from './lookup.ts';
import { OutboxDepth } from './outbox-depth.ts';
import { Relays, seeLevel } from './relays.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteInvalidation, RemoteListener, RemoteRead, RemoteTier } from './remote-tier.ts';
import { Settling } from './settling.ts';
import type { Tracer } from './tracer.ts';

/** Looks at the log in one staleness bound. */
const LOOKS_PER_BOUND = 4;
const MAX_INTERVAL_MS = 250;
/** How long a message may take after its entry was seen in the log, before the log itself is read. */
const GRACE_MS = 25;
const APPLY_MS = 250;
const LEAST_ASK_MS = 250;
const SWEEP_EVERY_MS = 10_000;

/** A remote tier that follows a log of changes: everything that was ever committed reaches this process's memory and the store, whoever wrote it and whatever fails meanwhile. It begins at once; close it with `close`. */
export function createFollower(options: FollowerOptions): Follower {
  return new LogFollower(options);
}

/**
 * Follows the log by number. The proof of freshness is one question to the source (decision 5):
 *
 * 1. The local time t0 is taken.
 * 2. The log is asked. It says: everything that was committed before your question is at or below number n.
 * 3. This process has forgotten what the entries up to n say; it was told by the bus, by its own relay, or it reads the log.
 * 4. Then all that was committed before t0 is known here: `asOf = t0`. A value of the store counts only if the store has followed the log at least as far as this process.
 *
 * The bus makes this quick and is needed for nothing: a lost message is a number that does not come.
 */
class LogFollower implements Follower {
  readonly tags = new LogTags();
  readonly opened: Promise<void>;
  readonly #log: ChangeLog;
  readonly #store: LogStore | null;
  readonly #relay: Relays | null;
  /** Whether this process gives numbers. */
  readonly #numbers: boolean;
  readonly #clock: Clock;
  readonly #onStep: (step: FollowerStep) => void;
  readonly #onUnreadable: (what: 'message' | 'entry') => void;
  readonly #pace: LookPace;
  readonly #askMs: number;
  readonly #asker: LogAsker;
  readonly #graceMs: number;
  readonly #confirmMs: number;
  readonly #settling: Settling;
  readonly #outbox: OutboxDepth;
  readonly #listeners: RemoteListener[] = [];
  readonly #firstLook = Promise.withResolvers<void>();
  readonly #counts = newFollowerCounts();
  #epoch = '';
  #number = 0;
  #last = 0;
  #asOf = Number.NEGATIVE_INFINITY;
  #levelAt: number | null = null;
  #answered = false;
  #provenLook = 0;
  /** The first look since the last proof of a process that gives no numbers. */
  #unproven: { readonly look: number; readonly startedAt: number; readonly moment: string } | null = null;
  #looking = false;
  #again = false;
  #waitsToHear: (() => void) | null = null;
  #sweptAt: number;
  #closed = false;

  constructor(options: FollowerOptions) {
    const { log, openStore = null, relay = 'always', maxStalenessMs = 1000, confirmMs = 1000, clock = systemClock } = options;
    this.#log = log;
    this.#clock = clock;
    this.#onStep = options.onStep ?? (() => {});
    this.#onUnreadable = options.onUnreadable ?? (() => {});
    this.#pace = new LookPace(clock, Math.min(MAX_INTERVAL_MS, maxStalenessMs / LOOKS_PER_BOUND), () => void this.#run());
    this.#graceMs = Math.min(GRACE_MS, maxStalenessMs / 10);
    this.#askMs = Math.max(LEAST_ASK_MS, maxStalenessMs);
    this.#asker = new LogAsker(clock, this.#askMs);
    this.#confirmMs = confirmMs;
    this.#settling = new Settling(clock, confirmMs);
    this.#outbox = new OutboxDepth(log, clock);
    this.#sweptAt = clock.now();
    this.#numbers = relay === 'always';
    this.#store = openStore === null ? null : openStore(this.tags);
    this.#relay = relay === 'never' || this.#store === null ? null : this.#openRelay(this.#store, options.tracer ?? null);
    this.#store?.listen(
      {
        onEntry: (epoch, entry) => {
          this.#counts.messages += 1;
          if (epoch !== this.#epoch) this.#soon();
          else this.#hear(entry, 'heardByBus');
        },
        onGap: () => {
          this.#counts.gaps += 1;
          this.#soon();
        },
        onUnreadable: () => {
          this.#noteUnreadable('unreadableMessages', 'message');
          this.#pace.bringForward();
        },
        onBehind: () => {
          if (this.#relay === null) this.#store?.wake();
          this.#soon();
        },
        onWake: () => {
          if (this.#numbers) this.#soon();
        },
        onAnew: (mine) => options.onAnew?.(mine),
        onUp: () => this.#soon(),
      },
      () => ({ epoch: this.#epoch, number: this.#number }),
    );
    this.opened = Promise.all([this.#firstLook.promise, this.#store?.opened]).then(() => {});
    this.#soon();
  }

  #openRelay(store: LogStore, tracer: Tracer | null): Relays {
    const onApplied = (entry: LogEntry): void => {
      this.#onStep('applied');
      this.#hear(entry, 'heardByRelay');
    };
    const applyMs = Math.min(APPLY_MS, this.#askMs / 2);
    return new Relays({ log: this.#log, store, clock: this.#clock, applyMs, readMs: this.#askMs, tracer, onApplied });
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    if (this.#store === null) return Promise.resolve({ outcome: 'unavailable', reason: 'off' });
    // A write of this process that was not seen in the log in time may be of this very key.
    if (this.#settling.barrier > this.#provenLook) return Promise.resolve({ outcome: 'unavailable', reason: 'unverified' });
    const asOf = this.#asOf;
    return this.#store.read(key, deadline).then((read) => (read.outcome === 'found' ? { ...read, asOf } : read));
  }

  async acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    if (this.#store === null) return { outcome: 'unavailable', reason: 'off' };
    const asOf = this.#asOf;
    const reply = await this.#store.acquire(key, token, options);
    return reply.outcome === 'found' ? { ...reply, asOf } : reply;
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#store?.fill(key, token, payload) ?? Promise.resolve('unavailable');
  }

  put(key: string): Promise<never> {
    return Promise.reject(
      new ForebayError('INPUT_INVALID', `"${key}" cannot be set: the records of this cache have a source; change it there and call settle`),
    );
  }

  async invalidate({ keys, tags = [], all, purge, logged = false }: RemoteInvalidation): Promise<InvalidationState> {
    if (!logged) await this.#log.append({ keys, tags, all, purge });
    const settled = this.#settling.wait(this.#counts.asked + 1);
    this.#soon();
    return settled;
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#store?.holder(key) ?? Promise.resolve(null);
  }

  asOf(_now: number): number {
    return this.#asOf;
  }

  listen(listener: RemoteListener): void {
    this.#listeners.push(listener);
  }

  state(): 'off' | 'up' | 'down' {
    return this.#store?.state() ?? 'off';
  }

  stats(): FollowerStats {
    return {
      counts: { ...this.#counts },
      relay: this.#relay === null ? null : { ...this.#relay.counts },
      number: this.#number,
      last: this.#last,
      fence: this.#relay?.fence ?? null,
      settling: this.#settling.size,
      levelAt: this.#levelAt,
      answered: this.#answered,
      hears: this.#store?.hears ?? null,
      source: this.#asker.answering,
    };
  }

  async depth(): Promise<number> {
    const unapplied = this.#store === null ? 0 : this.#last - (this.#relay?.fence ?? this.#number);
    return (await this.#outbox.waiting()) + Math.max(0, unapplied);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pace.cancel();
    this.#settling.close();
    this.#waitsToHear?.();
    this.#firstLook.resolve();
    await this.#store?.close();
  }

  /** Looks now, or again as soon as the look that is under way has ended. */
  #soon(): void {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#pace.cancel();
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#closed) return;
    this.#looking = true;
    do {
      this.#again = false;
      const startedAt = this.#clock.now();
      try {
        await this.#look(startedAt);
      } catch {
        // The source does not answer: nothing is proven, and who waits for a proof is told when its time is up.
        this.#counts.failed += 1;
        this.#answered = false;
        this.#again = false;
      }
      this.#firstLook.resolve();
    } while (this.#again && !this.#closed);
    this.#looking = false;
    this.#sweep();
    if (this.#closed) return;
    this.#pace.next();
  }

  /** One look at the log; see the comment of the class. */
  async #look(startedAt: number): Promise<void> {
    const before = Math.max(this.#number, this.#relay?.highest ?? 0);
    this.#counts.asked += 1;
    const look = this.#counts.asked;
    const since = this.#unproven?.moment ?? null;
    const state = await this.#ask<LogState | LogLook>((call) => (this.#numbers ? this.#log.advance(call) : this.#log.look(since, call)));
    this.#answered = true;
    this.#onStep(state.entry === null ? 'asked' : 'numbered');
    await this.#place(state, before);
    const levelled = this.#level(state);
    if (state.entry === null && state.last > this.#number) this.#pace.hurry();
    if (this.#number < state.last) await this.#waitToHear(state.last, levelled);
    if (state.entry !== null) this.#hear(state.entry, 'heardByLog');
    if (this.#number < state.last) await this.#readLog(state.last);
    if (!state.more) {
      this.#unproven = null;
      this.#prove(look, startedAt, levelled);
    } else if ('moment' in state) {
      const earlier = this.#unproven;
      const isProven = earlier !== null && state.reached;
      if (earlier === null || isProven) this.#unproven = { look, startedAt, moment: state.moment };
      if (isProven) this.#prove(earlier.look, earlier.startedAt, levelled);
      this.#askForRelay();
    } else this.#again = true;
  }

  /** All that was committed before this look is known here. */
  #prove(look: number, startedAt: number, levelled: Promise<boolean>): void {
    this.#asOf = Math.max(this.#asOf, startedAt);
    this.#onStep('heard');
    this.#provenLook = Math.max(this.#provenLook, look);
    this.#settling.proven(look, levelled);
    if (this.#relay === null) return;
    void levelled.then((isLevel) => {
      if (isLevel) this.#levelAt = Math.max(this.#levelAt ?? startedAt, startedAt);
    });
  }

  async #ask<T>(call: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
    const answer = await this.#asker.ask(call);
    if (this.#closed) throw new ForebayError('CLOSED', 'the follower was closed');
    return answer;
  }

  /** Takes over where the log is. `before`: a number that was known to exist when the log was asked. */
  async #place({ epoch, last }: LogState, before: number): Promise<void> {
    if (epoch !== this.#epoch) {
      const isFirst = this.#epoch === '';
      this.#epoch = epoch;
      this.#number = last;
      this.#last = last;
      this.#asOf = Number.NEGATIVE_INFINITY;
      this.#unproven = null;
      this.tags.begin(epoch, last);
      this.#relay?.forget();
      if (!isFirst) this.#forgetEverything();
    } else if (last < before) {
      // The source has forgotten what it once committed (an old backup, a replica that lagged behind): its numbers come a second time and say nothing of what was stored meanwhile.
      await this.#ask((call) => this.#log.renew(epoch, call));
      this.#again = true;
      throw new ForebayError('DATABASE_UNAVAILABLE', `the log of changes went back from ${before} to ${last}; it begins anew`);
    } else this.#last = Math.max(this.#last, last);
  }

  /** Brings the store level, or sees whether somebody has. */
  #level({ epoch, last, entry }: LogState): Promise<boolean> {
    if (this.#relay !== null) return this.#relay.level(epoch, last, entry);
    if (this.#store === null) return Promise.resolve(true);
    const isWanted = (): boolean => this.#settling.size > 0 && !this.#closed;
    return seeLevel(this.#store, { epoch, number: last, clock: this.#clock, giveUpAt: this.#clock.now() + this.#confirmMs, isWanted });
  }

  #askForRelay(): void {
    this.#store?.wake();
    if (this.#settling.size > 0) this.#pace.hurryMost();
    else this.#pace.hurry();
  }

  /** Gives the bus, or our own relay, a little time to bring what was seen in the log: the usual case, and cheaper than to read it. */
  async #waitToHear(number: number, levelled: Promise<boolean>): Promise<void> {
    const mayCome = this.#store !== null && this.#store.state() === 'up' && (this.#store.hears || this.#relay !== null);
    if (!mayCome) return;
    const { promise: heard, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.schedule(this.#graceMs, resolve);
    this.#waitsToHear = () => {
      if (this.#number >= number || this.#closed) resolve();
    };
    await Promise.race([heard, levelled.then((isLevel) => (isLevel ? heard : undefined))]);
    timer.cancel();
    this.#waitsToHear = null;
  }

  /** Catches up from the log itself. */
  async #readLog(target: number): Promise<void> {
    this.#counts.catchUps += 1;
    while (this.#number < target) {
      const entries = await this.#ask((call) => this.#log.read(this.#number, call));
      const first = entries[0]?.number ?? Number.POSITIVE_INFINITY;
      if (first > this.#number + 1) {
        // What came before is not kept any more: all that is kept here may be old.
        this.tags.restart(this.#epoch, target);
        this.#number = target;
        this.#forgetEverything();
        return;
      }
      for (const entry of entries) this.#hear(entry, 'heardByLog');
    }
  }

  /** Forgets what the next entry of the log says. One that comes too early is heeded, and those before it are looked for. */
  #hear(entry: LogEntry, by: 'heardByBus' | 'heardByRelay' | 'heardByLog'): void {
    if (entry.number <= this.#number) return;
    if (entry.number === this.#number + 1) {
      this.#number = entry.number;
      this.#last = Math.max(this.#last, entry.number);
      this.tags.follow(entry);
      this.#counts[by] += 1;
      if (entry.unreadable === true) this.#noteUnreadable('unreadableEntries', 'entry');
    } else {
      this.#counts.gaps += 1;
      this.#soon();
    }
    for (const listener of this.#listeners) {
      if (entry.all) listener.onGap(entry.purge ? 'purged' : 'invalidated');
      else {
        if (entry.keys.length > 0) listener.onInvalidated(entry.keys, entry.purge);
        if (entry.buckets.length > 0) listener.onTagsChanged(entry.purge);
      }
    }
    this.#waitsToHear?.();
  }

  #noteUnreadable(count: 'unreadableMessages' | 'unreadableEntries', what: 'message' | 'entry'): void {
    this.#counts[count] += 1;
    if (this.#counts[count] === 1) this.#onUnreadable(what);
  }

  #forgetEverything(): void {
    this.#counts.restarts += 1;
    for (const listener of this.#listeners) listener.onGap('missed');
  }

  #sweep(): void {
    const now = this.#clock.now();
    if (!this.#numbers || now - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = now;
    this.#ask((call) => this.#log.sweep(call)).then(
      (swept) => {
        this.#counts.swept += swept;
        this.#onStep('swept');
      },
      () => {},
    );
  }
}
