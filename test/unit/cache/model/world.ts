import { tagBuckets } from '../../../../src/cache/tags.ts';
import type { MemoryConnection, Moment } from '../../../support/memory-connection.ts';
import type { Invalidated } from '../../../support/memory-redis.ts';
import { MemoryServer } from '../../../support/memory-remote.ts';
import { Database } from './database.ts';
import { History, promisedBy } from './floors.ts';
import type { Instance, Settings } from './instance.ts';
import { CACHE_NAME, openModelInstance } from './instance.ts';
import type { Lag } from './program.ts';
import { ScheduledClock } from './scheduled-clock.ts';

const MOMENTS: readonly Moment[] = ['deliver', 'arrive', 'connect'];
/** More moments than this without time passing means that something calls itself for ever. */
const MAX_MOMENTS = 5000;

/** An invalidation that was asked for and that the server has not carried out since. */
interface Outstanding {
  readonly by: string;
  readonly keys: readonly string[];
  readonly buckets: readonly number[];
  readonly all: boolean;
}

/**
 * Two processes, one Redis and one database, in which nothing happens by itself: every arrival of a command, every reply, message, query, timer and end of turn is a moment that the schedule
 * lets happen, one at a time, with all promises run in between.
 */
export class World {
  readonly clock = new ScheduledClock();
  readonly database = new Database();
  readonly history = new History();
  readonly server: MemoryServer;
  readonly instances: Instance[] = [];
  readonly #settings: Settings;
  /** Calls that were decided on and not made yet: a process may be slow between its commit and its invalidation. */
  readonly #intents: (() => void)[] = [];
  #outstanding: Outstanding[] = [];
  /** What stands still. */
  lag: Lag | null = null;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.server = new MemoryServer({ now: () => this.clock.now(), onMoment: () => {}, mark: () => this.history.mark });
    this.server.redis.loadScripts();
    this.server.redis.onInvalidated = (change) => this.#note(change);
  }

  /** Opens a process and waits until it hears the bus. */
  async open(name: string): Promise<Instance> {
    const { server, clock, database } = this;
    const instance = openModelInstance(name, { server, clock, database, settings: this.#settings });
    this.instances.push(instance);
    await this.settle();
    return instance;
  }

  intend(call: () => void): void {
    this.#intents.push(call);
  }

  /** Has to be told of each invalidation as it is asked for. */
  expect(by: string, change: { readonly keys?: readonly string[]; readonly tags?: readonly string[]; readonly all?: boolean }): void {
    const { keys = [], tags = [], all = false } = change;
    this.#outstanding.push({ by, keys, buckets: tagBuckets(tags), all });
  }

  /** Whether all that was written is invalidated in Redis and told to everyone. */
  get isLevel(): boolean {
    if (this.#outstanding.length > 0 || this.#intents.length > 0) return false;
    return this.instances.every(({ lines: { commands, bus }, cache, source }) => {
      const isUp = commands.status === 'ready' && bus.status === 'ready';
      return isUp && bus.received === this.history.mark && cache.stats().loading.flights === 0 && source.pending === 0;
    });
  }

  /** The moments that are possible now, in a fixed order; without those of the part that lags, if any. */
  moments(): (() => void)[] {
    const { lag } = this;
    const possible: (() => void)[] = [];
    if (this.clock.turnIsPending) possible.push(() => this.clock.runTurn());
    this.instances.forEach(({ lines, stalled, source }, by) => {
      const lagging = lag?.by === by ? lag.part : null;
      for (const part of ['commands', 'bus'] as const) {
        if (lagging !== part && !stalled.has(lines[part])) this.#addLine(possible, lines[part]);
      }
      for (let i = 0; i < source.pending; i += 1) if (lagging !== source.next(i)) possible.push(() => source.step(i));
    });
    if (this.clock.timerIsDue) possible.push(() => this.clock.runTimer());
    if (this.#intents.length > 0 && lag?.part !== 'intents') possible.push(() => this.#intents.shift()?.());
    return possible;
  }

  #addLine(possible: (() => void)[], line: MemoryConnection): void {
    for (const moment of MOMENTS) if (line.can(moment)) possible.push(() => line.step(moment));
  }

  /** Lets one moment happen, the `pick`-th of those possible, and runs the promises that follow. */
  async step(pick: number): Promise<boolean> {
    const possible = this.moments();
    possible[pick % possible.length]?.();
    await promisesRan();
    return possible.length > 0;
  }

  /** Lets everything happen that is possible without time passing, but for the part that lags, if any. */
  async settle(): Promise<void> {
    await promisesRan();
    for (let moments = 0; await this.step(0); moments += 1) {
      if (moments > MAX_MOMENTS) throw new Error(`not settled after ${MAX_MOMENTS} moments without time passing`);
    }
  }

  #note(change: Invalidated): void {
    // The first id that a process draws, which begins with its name, is its origin on the bus.
    const by = change.origin.slice(0, 1);
    this.history.add(this.clock.now(), by, promisedBy(change, this.database, keyOf));
    this.#outstanding = this.#outstanding.filter((asked) => asked.by !== by || !covers(change, asked));
  }
}

function keyOf(remoteKey: string): string {
  return remoteKey.slice(CACHE_NAME.length + 2, -1);
}

/** Whether what was carried out does what was asked for; a change of everything does whatever was asked for. */
function covers(change: Invalidated, { keys, buckets, all }: Outstanding): boolean {
  if (change.kind === 'tags' && change.all) return true;
  if (all) return false;
  if (change.kind === 'keys') return keys.length > 0 && keys.every((key) => change.keys.map(keyOf).includes(key));
  return buckets.length > 0 && buckets.every((bucket) => change.buckets.includes(bucket));
}

/** The event loop comes round only when no promise has anything left to do. */
function promisesRan(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
