import type { MemoryConnection, Moment } from '../../../support/memory-connection.ts';
import { MemoryServer } from '../../../support/memory-remote.ts';
import { Database } from './database.ts';
import type { Floors } from './floors.ts';
import type { Instance, Settings } from './instance.ts';
import type { Lag, Op } from './program.ts';
import type { Reads } from './reads.ts';
import { ScheduledClock } from './scheduled-clock.ts';
import type { ScheduledQueries } from './source.ts';

const MOMENTS: readonly Moment[] = ['deliver', 'arrive', 'connect'];
/** More moments than this without time passing means that something calls itself for ever. */
const MAX_MOMENTS = 5000;

/** A write as a program says it, of the key with this name. */
export type Write = Omit<Op & { op: 'write' }, 'key'> & { readonly key: string };

/**
 * Two processes, one Redis and one database, in which nothing happens by itself: every arrival of a command, every reply, message, query, timer and end of turn is a moment that the schedule
 * lets happen, one at a time, with all promises run in between.
 */
export abstract class World<I extends Instance = Instance> {
  readonly clock = new ScheduledClock();
  readonly database = new Database();
  readonly server: MemoryServer;
  readonly instances: I[] = [];
  /** Keys in Redis that say which values count. */
  abstract readonly tables: readonly string[];
  protected readonly settings: Settings;
  /** Calls that were decided on and not made yet: a process may be slow between its commit and its invalidation. */
  readonly #intents: (() => void)[] = [];
  /** What processes that have ended had asked the database: it arrives all the same. */
  protected readonly left: ScheduledQueries[] = [];
  /** What stands still. */
  lag: Lag | null = null;
  /** So long takes each moment, in ms. */
  protected readonly momentMs: number = 0;

  constructor(settings: Settings) {
    this.settings = settings;
    this.server = new MemoryServer({ now: () => this.clock.now(), onMoment: () => {}, mark: () => this.mark });
    this.server.redis.loadScripts();
  }

  /** What a read of this process that begins now may not go below. */
  abstract binding(instance: I): Floors;
  /** Whether everyone has heard of all that was written, and nothing is under way. */
  abstract get isLevel(): boolean;
  /** Commits a new version now, and tells of it, if at all, when the schedule says so. */
  abstract write(op: Write, instance: I, reads: Reads): void;
  /** What only some worlds have. */
  abstract perform(op: Op, instance: I): void;
  /** What is wrong at this moment, whether anybody reads it or not. */
  check(): string | null {
    return null;
  }

  protected abstract make(name: string): I;

  /** Place in the server's history, if the world keeps one. */
  protected get mark(): number {
    return 0;
  }

  /** Opens a process and waits until it hears the bus. */
  async open(name: string): Promise<I> {
    const instance = this.make(name);
    this.instances.push(instance);
    await this.settle();
    return instance;
  }

  protected intend(call: () => void): void {
    this.#intents.push(call);
  }

  /** Whether a process has its connections, nobody asks anything, and nothing that was decided on waits to be done. */
  protected isQuiet({ lines: { commands, bus }, cache, source }: I): boolean {
    const isUp = commands.status === 'ready' && bus.status === 'ready';
    return isUp && this.#intents.length === 0 && cache.stats().loading.flights === 0 && source.pending === 0;
  }

  /** The moments that are possible now, in a fixed order; without those of the part that lags, if any. */
  moments(): (() => void)[] {
    const { lag } = this;
    const possible: (() => void)[] = [];
    if (this.clock.turnIsPending) possible.push(() => this.clock.runTurn());
    this.instances.forEach(({ lines, stalled, queries }, by) => {
      const lagging = lag?.by === by ? lag.part : null;
      for (const part of ['commands', 'bus'] as const) {
        if (lagging !== part && !stalled.has(part)) this.#addLine(possible, lines[part]);
      }
      if (!stalled.has('source')) for (const source of queries) this.#addQueries(possible, source, lagging);
    });
    for (const source of this.left) this.#addQueries(possible, source, null);
    if (this.clock.timerIsDue) possible.push(() => this.clock.runTimer());
    if (this.#intents.length > 0 && lag?.part !== 'intents') possible.push(() => this.#intents.shift()?.());
    return possible;
  }

  #addLine(possible: (() => void)[], line: MemoryConnection): void {
    for (const moment of MOMENTS) if (line.can(moment)) possible.push(() => line.step(moment));
  }

  #addQueries(possible: (() => void)[], source: ScheduledQueries, lagging: Lag['part'] | null): void {
    for (let i = 0; i < source.pending; i += 1) if (lagging !== source.next(i)) possible.push(() => source.step(i));
  }

  /** Lets one moment happen, the `pick`-th of those possible, and runs the promises that follow. */
  async step(pick: number): Promise<boolean> {
    const possible = this.moments();
    possible[pick % possible.length]?.();
    this.clock.advance(this.momentMs);
    await promisesRan();
    return possible.length > 0;
  }

  /** Lets everything happen that is possible without time passing, but for the part that lags, if any. */
  async settle(pick = 0): Promise<void> {
    await promisesRan();
    for (let moments = 0; await this.step(pick); moments += 1) {
      if (moments > MAX_MOMENTS) throw new Error(`not settled after ${MAX_MOMENTS} moments without time passing`);
    }
  }
}

/** The event loop comes round only when no promise has anything left to do. */
function promisesRan(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
