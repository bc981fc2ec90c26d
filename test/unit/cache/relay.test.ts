import { expect, test } from 'vitest';
import type { ChangeLog, LogCall, LogEntry } from '../../../src/cache/change-log.ts';
import type { ApplyReply, LogPart } from '../../../src/cache/log-store.ts';
import { Relay } from '../../../src/cache/relay.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const EPOCH = 'e1';
const entry = (number: number): LogEntry => ({ number, keys: [`f:{${number}}`], buckets: [], all: false, purge: false });

/** A call that waits until the test says what becomes of it. */
interface Held {
  readonly what: string;
  /** Carries the call out, if it was not, and replies. */
  go(): Promise<void>;
  fail(error?: Error): Promise<void>;
}

/** A log and a store that answer when the test says so. */
class World {
  readonly clock = new FakeClock();
  readonly log: LogEntry[] = [];
  /** The fence by epoch; nothing there: no table. */
  readonly fences = new Map<string, number>();
  readonly held: Held[] = [];
  state: 'up' | 'down' = 'up';
  /** The store's replies do not come. */
  isSilent = false;

  relay(): { relay: Relay; applied: number[] } {
    const applied: number[] = [];
    const relay = new Relay({
      log: {
        read: (after: number, call: LogCall) => this.#hold(`read ${after}`, () => this.log.filter(({ number }) => number > after), call),
      } as unknown as ChangeLog,
      store: this.#store(),
      clock: this.clock,
      applyMs: 100,
      readMs: 200,
      onApplied: ({ number }) => applied.push(number),
    });
    return { relay, applied };
  }

  /** What is held, by name. */
  get waiting(): string[] {
    return this.held.map(({ what }) => what);
  }

  /** Lets the oldest call of this name go; fails if there is none. */
  async go(what: string): Promise<void> {
    await this.clock.settle();
    const call = this.held.find((one) => one.what === what);
    if (call === undefined) throw new Error(`"${what}" is not under way: ${this.waiting.join(', ')}`);
    await call.go();
  }

  /** Lets all calls go until none is left. */
  async goOn(): Promise<string[]> {
    const gone: string[] = [];
    for (await this.clock.settle(); this.held.length > 0; await this.clock.settle()) {
      gone.push(this.waiting[0] ?? '');
      await this.held[0]?.go();
    }
    return gone;
  }

  #store(): LogPart {
    const { fences } = this;
    return {
      state: () => this.state,
      fence: (epoch: string) => this.#hold('fence', () => (this.isSilent ? null : (fences.get(epoch) ?? 'none'))),
      apply: (epoch: string, { number }: LogEntry) => this.#hold(`apply ${number}`, () => this.#apply(epoch, number)),
      restart: (epoch: string, number: number, seen: number | 'none') =>
        this.#hold(`restart ${number}`, () => {
          if ((fences.get(epoch) ?? 'none') === seen) fences.set(epoch, number);
          return true;
        }),
    };
  }

  #apply(epoch: string, number: number): ApplyReply {
    const fence = this.fences.get(epoch) ?? number - 1;
    if (fence >= number) return { outcome: 'ahead', fence };
    if (fence < number - 1) return { outcome: 'behind', fence };
    this.fences.set(epoch, number);
    return { outcome: 'applied' };
  }

  #hold<T>(what: string, run: () => T, call?: { readonly signal?: AbortSignal }): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = async (settle: () => void): Promise<void> => {
        this.held.splice(this.held.indexOf(held), 1);
        settle();
        await this.clock.settle();
      };
      const held: Held = {
        what,
        go: () => end(() => resolve(run())),
        fail: (error = new Error('the source is away')) => end(() => reject(error)),
      };
      this.held.push(held);
      call?.signal?.addEventListener('abort', () => void held.fail(call.signal?.reason as Error));
    });
  }
}

/** A world whose store is at `fence` and whose log holds the entries up to `last`. */
function worldAt(fence: number, last: number, first = 1): World {
  const world = new World();
  world.fences.set(EPOCH, fence);
  for (let number = first; number <= last; number += 1) world.log.push(entry(number));
  return world;
}

test('what was numbered just now is applied without asking the log', async () => {
  const world = worldAt(10, 11);
  const { relay, applied } = world.relay();
  const level = relay.level(EPOCH, 11, entry(11));
  expect(await world.goOn()).toEqual(['fence', 'apply 11']);
  expect([await level, applied, relay.fence, relay.counts.applied]).toEqual([true, [11], 11, 1]);
  // The fence is known now.
  const next = relay.level(EPOCH, 12, entry(12));
  expect(await world.goOn()).toEqual(['apply 12']);
  expect([await next, applied]).toEqual([true, [11, 12]]);
});

test('two relays that number 11 and 12 at once both end level, and each entry is applied once', async () => {
  const world = worldAt(10, 12);
  const [a, b] = [world.relay(), world.relay()];
  const levels = Promise.all([a.relay.level(EPOCH, 11, entry(11)), b.relay.level(EPOCH, 12, entry(12))]);
  await world.go('fence');
  await world.go('fence');
  // The second one sees that it is too early: it lacks 11, and reads it from the log.
  await world.go('read 10');
  await world.goOn();
  expect([await levels, world.fences.get(EPOCH)]).toEqual([[true, true], 12]);
  expect(a.relay.counts.applied + b.relay.counts.applied).toBe(2);
  expect([a.applied, b.applied]).toEqual([[11], [11, 12]]);
});

test('a relay that comes too early is told what is missing, and brings it', async () => {
  const world = worldAt(10, 12);
  const { relay, applied } = world.relay();
  await relayTo(world, relay, 10);
  // The store lost what it had applied; this relay goes by the fence that it knows.
  world.fences.set(EPOCH, 8);
  const level = relay.level(EPOCH, 11, entry(11));
  expect(await world.goOn()).toEqual(['apply 11', 'read 8', 'apply 9', 'apply 10', 'apply 11', 'apply 12']);
  expect([await level, relay.counts.behind, applied]).toEqual([true, 1, [9, 10, 11, 12]]);
});

test('a relay that comes late goes on from where the others are', async () => {
  const world = worldAt(10, 13);
  const { relay, applied } = world.relay();
  await relayTo(world, relay, 10);
  world.fences.set(EPOCH, 13);
  const level = relay.level(EPOCH, 11, entry(11));
  expect(await world.goOn()).toEqual(['apply 11']);
  expect([await level, relay.fence, relay.counts.ahead, applied]).toEqual([true, 13, 1, [11]]);
});

test('without anything to apply the store itself is asked, and what it lost is applied again from the log', async () => {
  const world = worldAt(12, 12);
  const { relay } = world.relay();
  await relayTo(world, relay, 12);
  world.fences.set(EPOCH, 10);
  const level = relay.level(EPOCH, 12, null);
  expect(await world.goOn()).toEqual(['fence', 'read 10', 'apply 11', 'apply 12']);
  expect(await level).toBe(true);
});

test('what the log does not keep any more makes the store begin anew, at the number that everybody is to have', async () => {
  const world = worldAt(3, 12, 8);
  const { relay, applied } = world.relay();
  const level = relay.level(EPOCH, 12, null);
  expect(await world.goOn()).toEqual(['fence', 'read 3', 'restart 12', 'fence']);
  expect([await level, relay.counts.restarts, applied]).toEqual([true, 1, []]);
});

test('a store without a table begins anew; one that another relay has made is left as it is', async () => {
  const world = worldAt(0, 12);
  world.fences.clear();
  const { relay } = world.relay();
  const level = relay.level(EPOCH, 12, null);
  await world.go('fence');
  world.fences.set(EPOCH, 11);
  expect(await world.goOn()).toEqual(['restart 12', 'fence', 'read 11', 'apply 12']);
  expect(await level).toBe(true);
});

test('while the store is away nobody waits for it, and nothing is asked; later it is brought level', async () => {
  const world = worldAt(10, 11);
  const { relay } = world.relay();
  world.state = 'down';
  expect(await relay.level(EPOCH, 11, entry(11))).toBe(false);
  expect([world.waiting, relay.fence]).toEqual([[], null]);
  world.state = 'up';
  const level = relay.level(EPOCH, 11, null);
  expect(await world.goOn()).toEqual(['fence', 'apply 11']);
  expect(await level).toBe(true);
});

test('a store that does not answer keeps only the first waiting: those after it are told at once until it answers again', async () => {
  const world = worldAt(10, 11);
  const { relay } = world.relay();
  const first = relay.level(EPOCH, 11, null);
  await unanswered(world);
  expect([await first, relay.counts.failed]).toEqual([false, 1]);
  const second = relay.level(EPOCH, 11, null);
  await world.clock.settle();
  expect(await relay.level(EPOCH, 11, null)).toBe(false);
  await world.goOn();
  expect(await second).toBe(true);
});

test('while the source does not give its log the store is not level, and nothing rejects', async () => {
  const world = worldAt(10, 11);
  const { relay } = world.relay();
  const level = relay.level(EPOCH, 11, null);
  await world.go('fence');
  await world.held[0]?.fail();
  expect(await level).toBe(false);
});

test('a log that is not answered is given up in time', async () => {
  const world = worldAt(10, 11);
  const { relay } = world.relay();
  const level = relay.level(EPOCH, 11, null);
  await world.go('fence');
  expect(world.waiting).toEqual(['read 10']);
  await world.clock.pass(200);
  expect(await level).toBe(false);
  expect(world.waiting).toEqual([]);
});

test('what is numbered while a run ends is not lost', async () => {
  const world = worldAt(10, 11);
  const { relay, applied } = world.relay();
  const first = relay.level(EPOCH, 11, entry(11));
  await world.go('fence');
  // Asked for in the very turn in which the last reply of the run is handled, at each of its steps.
  const later: Promise<boolean>[] = [];
  const settled = world.go('apply 11');
  for (let number = 12; number < 22; number += 1) {
    later.push(relay.level(EPOCH, number, entry(number)));
    await Promise.resolve();
  }
  await settled;
  await world.goOn();
  expect([await first, ...(await Promise.all(later))]).toEqual(Array.from({ length: 11 }, () => true));
  expect(applied).toEqual(Array.from({ length: 11 }, (_, i) => i + 11));
});

test('what is still applied of another history is not told, and is not taken for where the store is', async () => {
  const world = worldAt(10, 11);
  const { relay, applied } = world.relay();
  const old = relay.level(EPOCH, 11, entry(11));
  await world.go('fence');
  relay.forget();
  const level = relay.level('e2', 11, null);
  await world.go('apply 11');
  expect([await old, applied]).toEqual([false, []]);
  expect(await world.goOn()).toEqual(['fence', 'restart 11', 'fence']);
  expect([await level, world.fences.get('e2')]).toEqual([true, 11]);
});

async function relayTo(world: World, relay: Relay, number: number): Promise<void> {
  const level = relay.level(EPOCH, number, null);
  await world.goOn();
  expect([await level, relay.fence]).toEqual([true, number]);
}

/** The store is asked for its fence, and the answer does not come in time. */
async function unanswered(world: World): Promise<void> {
  world.isSilent = true;
  await world.go('fence');
  world.isSilent = false;
}
