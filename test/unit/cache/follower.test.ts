import { expect, test } from 'vitest';
import type { Follower, FollowerOptions } from '../../../src/cache/follower-types.ts';
import { createFollower } from '../../../src/cache/follower.ts';
import type { LogEntry } from '../../../src/cache/change-log.ts';
import type { ApplyReply, LogPart, LogStore, LogStoreListener } from '../../../src/cache/log-store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { entryOf, ScriptedLog } from '../../support/scripted-log.ts';

const INTERVAL_MS = 250;
const START = 1000;

/** A store in the test's hand: it applies what comes in order, or is away. */
class ScriptedStore implements LogStore, LogPart {
  readonly opened = Promise.resolve();
  readonly applied: number[] = [];
  up = true;
  hears = true;
  fenceAt: number | 'none' = 0;
  wakes = 0;
  reads = 0;
  listener: LogStoreListener | null = null;
  readonly restarts: number[] = [];

  listen(listener: LogStoreListener): void {
    this.listener = listener;
  }
  read() {
    this.reads += 1;
    return Promise.resolve({ outcome: 'miss' } as const);
  }
  acquire() {
    return Promise.resolve({ outcome: 'granted' } as const);
  }
  fill() {
    return Promise.resolve('stored' as const);
  }
  holder() {
    return Promise.resolve(null);
  }
  probe(): void {}
  apply(_epoch: string, entry: LogEntry): Promise<ApplyReply> {
    if (!this.up) return Promise.resolve({ outcome: 'unavailable' });
    const fence = this.fenceAt === 'none' ? entry.number - 1 : this.fenceAt;
    if (fence >= entry.number) return Promise.resolve({ outcome: 'ahead', fence });
    if (fence < entry.number - 1) return Promise.resolve({ outcome: 'behind', fence });
    this.fenceAt = entry.number;
    this.applied.push(entry.number);
    return Promise.resolve({ outcome: 'applied' });
  }
  parts() {
    return [this];
  }
  fence() {
    return Promise.resolve(this.up ? this.fenceAt : null);
  }
  restart(_epoch: string, number: number) {
    this.restarts.push(number);
    this.fenceAt = number;
    return Promise.resolve(this.up);
  }
  wake(): void {
    this.wakes += 1;
  }
  state() {
    return this.up ? ('up' as const) : ('down' as const);
  }
  close() {
    return Promise.resolve();
  }
}

interface Opened {
  readonly clock: FakeClock;
  readonly log: ScriptedLog;
  readonly follower: Follower;
  /** What the caches were told to forget: keys, or `*`. */
  readonly forgotten: string[];
  readonly store: ScriptedStore;
}

async function open(
  options: Partial<FollowerOptions> & { readonly alone?: boolean } = {},
  prepare: (log: ScriptedLog) => void = () => {},
): Promise<Opened> {
  const { alone = true, ...rest } = options;
  const clock = new FakeClock(START);
  const log = new ScriptedLog();
  prepare(log);
  const store = new ScriptedStore();
  store.fenceAt = log.last;
  const follower = createFollower({ log, clock, openStore: alone ? null : () => store, ...rest });
  const forgotten: string[] = [];
  follower.listen({
    onInvalidated: (keys) => forgotten.push(...keys),
    onTagsChanged: () => forgotten.push('tags'),
    onGap: () => forgotten.push('*'),
  });
  await clock.settle();
  return { clock, log, follower, forgotten, store };
}

test('what is proven is the time of the question, not that of the answer', async () => {
  const { clock, log, follower } = await open();
  expect(follower.asOf(0)).toBe(START);
  const answer = log.hold();
  await clock.pass(INTERVAL_MS);
  await clock.pass(100);
  expect(follower.asOf(0)).toBe(START);
  answer();
  await clock.settle();
  expect(follower.asOf(0)).toBe(START + INTERVAL_MS);
  expect(clock.now()).toBe(START + INTERVAL_MS + 100);
});

test('a change that is committed between the question and the answer is found by the next question', async () => {
  const { clock, log, follower, forgotten } = await open();
  const answer = log.hold();
  await clock.pass(INTERVAL_MS);
  log.commit('row:{a}');
  answer();
  await clock.settle();
  expect(forgotten).toEqual([]);
  await clock.pass(INTERVAL_MS);
  expect(forgotten).toEqual(['row:{a}']);
  expect(follower.asOf(0)).toBe(START + 2 * INTERVAL_MS);
});

test('nothing is proven before everything up to the number of the answer was forgotten', async () => {
  const { clock, log, follower, forgotten } = await open();
  log.commit('row:{a}');
  log.number();
  log.commit('row:{b}');
  log.number();
  const reads: number[] = [];
  const read = log.read.bind(log);
  log.read = async (after) => {
    reads.push(follower.asOf(0));
    return read(after);
  };
  await clock.pass(INTERVAL_MS);
  expect(reads).toEqual([START]);
  expect(forgotten).toEqual(['row:{a}', 'row:{b}']);
  expect(follower.asOf(0)).toBe(START + INTERVAL_MS);
});

test('while more waits than one call numbers, nothing is proven, and the log is asked at once again', async () => {
  const { clock, log, follower, forgotten } = await open();
  log.perCall = 1;
  for (const key of ['a', 'b', 'c']) log.commit(`row:{${key}}`);
  const asked = log.calls.length;
  await clock.pass(INTERVAL_MS);
  expect(log.calls.slice(asked)).toEqual(['advance', 'advance', 'advance']);
  expect(forgotten).toEqual(['row:{a}', 'row:{b}', 'row:{c}']);
  expect(follower.asOf(0)).toBe(START + INTERVAL_MS);
});

test('a source that does not answer proves nothing, and is asked again', async () => {
  const { clock, log, follower } = await open();
  log.away = true;
  await clock.pass(5 * INTERVAL_MS);
  expect(follower.asOf(0)).toBe(START);
  expect(follower.stats().counts.failed).toBe(5);
  log.away = false;
  await clock.pass(INTERVAL_MS);
  expect(follower.asOf(0)).toBe(clock.now());
});

test('a question that is never answered is given up after the bound, and another is asked', async () => {
  const { clock, log, follower } = await open();
  const advance = log.advance.bind(log);
  let signal: AbortSignal | undefined;
  log.advance = ((call: { signal: AbortSignal }) => {
    signal = call.signal;
    return new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error)));
  }) as typeof log.advance;
  await clock.pass(INTERVAL_MS);
  log.advance = advance;
  await clock.pass(999);
  expect(signal?.aborted).toBe(false);
  await clock.pass(1 + INTERVAL_MS);
  expect(signal?.aborted).toBe(true);
  expect(follower.asOf(0)).toBe(clock.now());
});

test('a log that does not reach back any more makes this process forget everything', async () => {
  const { clock, log, follower, forgotten } = await open();
  log.entries = [entryOf(7, ['row:{a}'])];
  await clock.pass(INTERVAL_MS);
  expect(forgotten).toEqual(['*']);
  expect(follower.stats()).toMatchObject({ number: 7, counts: { restarts: 1 } });
  expect(follower.tags.isGood({ generation: 'epoch1', stamp: 6 }, [])).toBe(false);
  expect(follower.tags.isGood({ generation: 'epoch1', stamp: 7 }, [])).toBe(true);
});

test('another epoch makes this process forget everything, and nothing of the old one is good', async () => {
  const { clock, log, follower, forgotten } = await open();
  const { point } = follower.tags;
  log.epoch = 'epoch2';
  await clock.pass(INTERVAL_MS);
  expect(forgotten).toEqual(['*']);
  expect(follower.tags.isGood(point, [])).toBe(false);
  expect(follower.asOf(0)).toBe(clock.now());
});

test('a source that has forgotten what it once committed begins a new epoch, and is not believed before', async () => {
  const { clock, log, follower, forgotten } = await open({}, (log) => {
    log.entries = [entryOf(5, ['row:{a}'])];
  });
  log.entries = [entryOf(3, ['row:{a}'])];
  await clock.pass(INTERVAL_MS);
  expect(log.calls).toContain('renew');
  await clock.pass(INTERVAL_MS);
  expect(forgotten).toEqual(['*']);
  expect(follower.tags.point).toEqual({ generation: 'epoch1x', stamp: 3 });
});

test('a write waits for a question that is asked after it, not for one that was under way', async () => {
  const { clock, log, follower, forgotten } = await open();
  const answer = log.hold();
  await clock.pass(INTERVAL_MS);
  log.commit('row:{a}');
  let state = '';
  void follower.invalidate({ keys: ['row:{a}'], buckets: [], all: false, purge: false, logged: true }).then((told) => (state = told));
  // So that the two questions have different times.
  await clock.pass(1);
  expect(state).toBe('');
  answer();
  await clock.settle();
  expect([state, forgotten]).toEqual(['applied', ['row:{a}']]);
});

test('a write whose proof does not come in time is queued, and the store is not read before it came', async () => {
  const { clock, log, follower, store } = await open({ alone: false });
  log.away = true;
  const told = follower.invalidate({ keys: ['row:{a}'], buckets: [], all: false, purge: false, logged: true });
  await clock.pass(1000);
  expect(await told).toBe('queued');
  expect(await follower.read('row:{a}', clock.now() + 50)).toEqual({ outcome: 'unavailable', reason: 'unverified' });
  expect(store.reads).toBe(0);
  log.away = false;
  await clock.pass(INTERVAL_MS);
  expect(await follower.read('row:{a}', clock.now() + 50)).toEqual({ outcome: 'miss' });
});

test('a write is queued at once while the store is away, and this process has forgotten it', async () => {
  const { clock, log, follower, forgotten, store } = await open({ alone: false });
  store.up = false;
  log.commit('row:{a}');
  const told = follower.invalidate({ keys: ['row:{a}'], buckets: [], all: false, purge: false, logged: true });
  await clock.settle();
  expect(await told).toBe('queued');
  expect(forgotten).toEqual(['row:{a}']);
  store.up = true;
  await clock.pass(INTERVAL_MS);
  expect(store.applied).toEqual([1]);
});

test('a message that comes too early is heeded at once, and those before it are looked for', async () => {
  const { clock, log, follower, forgotten, store } = await open({ alone: false });
  log.commit('row:{a}');
  log.number();
  log.commit('row:{b}');
  log.number();
  store.fenceAt = 2;
  store.listener?.onEntry('epoch1', log.entries[1] as LogEntry);
  expect([forgotten, follower.stats().number]).toEqual([['row:{b}'], 0]);
  await clock.pass(25);
  expect(forgotten).toEqual(['row:{b}', 'row:{a}', 'row:{b}']);
  expect(follower.stats()).toMatchObject({ number: 2, counts: { gaps: 1, heardByLog: 2 } });
});

test('a message that cannot be read brings the next look forward, at most to where it is when others are at work, and is counted and told once', async () => {
  const told: string[] = [];
  const { clock, log, forgotten, store, follower } = await open({ alone: false, onUnreadable: (what) => told.push(what) });
  const looks = log.calls.length;
  log.commit('row:{a}');
  for (let count = 0; count < 5; count += 1) store.listener?.onUnreadable();
  await clock.settle();
  expect(log.calls.length).toBe(looks);
  await clock.pass(INTERVAL_MS / 8);
  expect([forgotten, log.calls.length]).toEqual([['row:{a}'], looks + 1]);
  expect([told, follower.stats().counts]).toMatchObject([['message'], { unreadableMessages: 5, unreadableEntries: 0 }]);
});

test('messages that cannot be read, however many, make no more than eight times as many looks', async () => {
  const { clock, log, store } = await open({ alone: false });
  const looks = log.calls.length;
  for (let ms = 0; ms < INTERVAL_MS * 4; ms += 1) {
    store.listener?.onUnreadable();
    await clock.pass(1);
  }
  expect(log.calls.length - looks).toBeLessThanOrEqual(4 * 8);
});

test('an entry that cannot be read is as good as everything: all is forgotten, the number is followed, and it is told once', async () => {
  const told: string[] = [];
  const { clock, log, forgotten, follower } = await open({ onUnreadable: (what) => told.push(what) });
  log.entries.push(
    entryOf(1, [], { all: true, purge: true, unreadable: true }),
    entryOf(2, [], { all: true, purge: true, unreadable: true }),
  );
  await clock.pass(INTERVAL_MS);
  expect(forgotten).toEqual(['*', '*']);
  expect(follower.asOf(0)).toBe(START + INTERVAL_MS);
  expect([told, follower.stats()]).toMatchObject([['entry'], { number: 2, counts: { unreadableEntries: 2 } }]);
});

test('an entry is forgotten once, by whichever way it comes first', async () => {
  const { clock, log, forgotten, follower, store } = await open({ alone: false });
  log.commit('row:{a}');
  await clock.pass(INTERVAL_MS);
  store.listener?.onEntry('epoch1', log.entries[0] as LogEntry);
  expect(forgotten).toEqual(['row:{a}']);
  expect(follower.stats().counts).toMatchObject({ heardByRelay: 1, heardByBus: 0, heardByLog: 0 });
});

test('what a relay numbered and did not live to apply is applied by another', async () => {
  const { clock, log, store } = await open({ alone: false });
  log.commit('row:{a}');
  log.number();
  await clock.pass(INTERVAL_MS);
  expect(store.applied).toEqual([1]);
});

test('a store that lost entries gets them again, also when nothing new is committed', async () => {
  const { clock, log, store } = await open({ alone: false });
  log.commit('row:{a}');
  await clock.pass(INTERVAL_MS);
  log.commit('row:{b}');
  await clock.pass(INTERVAL_MS);
  store.fenceAt = 0;
  await clock.pass(INTERVAL_MS);
  expect(store.applied).toEqual([1, 2, 1, 2]);
});

test('a store that knows more than the source has ever committed is no reason to trust either', async () => {
  const { clock, log, store } = await open({ alone: false });
  store.fenceAt = 9;
  await clock.pass(2 * INTERVAL_MS);
  expect(log.epoch).toBe('epoch1x');
});

test('a process without a relay gives no numbers, asks others to, and proves nothing before they have', async () => {
  const { clock, log, follower, store } = await open({ alone: false, relay: 'never' });
  log.commit('row:{a}');
  const told = follower.invalidate({ keys: ['row:{a}'], buckets: [], all: false, purge: false, logged: true });
  await clock.pass(100);
  expect(store.wakes).toBeGreaterThan(0);
  expect(follower.asOf(0)).toBe(START);
  log.number();
  store.fenceAt = 1;
  await clock.pass(100);
  expect(await told).toBe('applied');
  expect(log.calls).not.toContain('advance');
});

test('a process without a relay is proven under steady writes too, as of its look before what was numbered since', async () => {
  const { clock, log, follower, store } = await open({ alone: false, relay: 'never' });
  log.commit('row:{a}');
  await clock.pass(INTERVAL_MS);
  const firstLook = clock.now();
  // What was there at that look gets its number, and then there is more again: at no look is there nothing.
  log.number();
  store.fenceAt = log.last;
  log.commit('row:{b}');
  expect(follower.asOf(0)).toBe(START);
  await clock.pass(INTERVAL_MS);
  expect(log.outbox).toEqual([['row:{b}']]);
  expect(follower.asOf(0)).toBe(firstLook);
  // Nobody numbers any more: nothing else is proven.
  await clock.pass(4 * INTERVAL_MS);
  expect(follower.asOf(0)).toBe(firstLook);
});

test('the caches are told the names of tags through the log, and everything by one entry', async () => {
  const { clock, log, follower, forgotten } = await open();
  await Promise.all([follower.invalidate({ keys: [], buckets: [7], tags: ['owner:a'], all: false, purge: true }), clock.pass(INTERVAL_MS)]);
  expect(log.notes).toEqual([{ keys: [], tags: ['owner:a'], all: false, purge: true }]);
  log.entries.push(entryOf(log.last + 1, [], { buckets: [7] }), entryOf(log.last + 2, [], { all: true }));
  const { point } = follower.tags;
  await clock.pass(INTERVAL_MS);
  expect(forgotten).toEqual(['tags', '*']);
  expect(follower.tags.isGood(point, [])).toBe(false);
});

test('closing ends every wait and leaves no timer', async () => {
  const { clock, log, follower } = await open({ alone: false });
  const answer = log.hold();
  const told = follower.invalidate({ keys: ['row:{a}'], buckets: [], all: false, purge: false, logged: true });
  await clock.settle();
  await follower.close();
  expect(await told).toBe('queued');
  answer();
  await clock.settle();
  expect(clock.timers).toBe(0);
});
