import { expect, it } from 'vitest';
import type { LogEntry } from '../../../src/cache/change-log.ts';
import { encodeEntry } from '../../../src/cache/entry.ts';
import { LogTags } from '../../../src/cache/log-tags.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { createMemoryLogStore, MemoryServer } from '../../support/memory-remote.ts';
import { arriveAll, flow } from './flow.ts';

const EPOCH = 'e';
const KEY = 'f:{1}';
const entry = (number: number, keys: readonly string[] = []): LogEntry => ({ number, keys, buckets: [], all: false, purge: false });

/** Two processes on one server, the second of which reads while the first applies entries. */
function open() {
  const clock = new FakeClock();
  const server = new MemoryServer({ now: clock.now, onMoment: () => {} });
  server.redis.loadScripts();
  const openOne = (number: number) => {
    const tags = new LogTags();
    tags.begin(EPOCH, number);
    const process = { number, ...createMemoryLogStore(server, { clock }, tags) };
    const anew: boolean[] = [];
    const onAnew = (mine: boolean): void => void anew.push(mine);
    const listener = {
      onEntry: () => {},
      onGap: () => {},
      onUnreadable: () => {},
      onBehind: () => {},
      onWake: () => {},
      onAnew,
      onUp: () => {},
    };
    process.store.listen(listener, () => ({ epoch: EPOCH, number: process.number }));
    return Object.assign(process, { anew });
  };
  const [writer, reader] = [openOne(0), openOne(0)];
  const lines = [writer.commands, writer.bus, reader.bus];
  return {
    clock,
    server,
    reader,
    start: () => flow(clock, ...lines, reader.commands),
    apply: async (one: LogEntry): Promise<void> => {
      const [part] = writer.store.parts();
      const applied = part?.apply(EPOCH, one, clock.now() + 50);
      await flow(clock, ...lines);
      await expect(applied).resolves.toEqual({ outcome: 'applied' });
    },
    put: (stamp: number) => {
      const { beforeClock, afterClock } = encodeEntry({
        absent: false,
        version: 1,
        ttlMs: 1000,
        point: { generation: EPOCH, stamp },
        buckets: [],
        json: Buffer.from('1'),
      });
      server.redis.set(KEY, Buffer.concat([Buffer.from(beforeClock), Buffer.from('0'), afterClock]));
    },
  };
}

it('a value that was read before the store was level is not vouched for by a table that is opened after', async () => {
  const world = open();
  const { clock, reader } = world;
  await world.start();
  await world.apply(entry(1));
  world.put(1);
  reader.number = 2;
  const read = reader.store.read(KEY, clock.now() + 50);
  await clock.settle();
  // The head, the time and the old value are on their way to a reader that knows no table yet.
  arriveAll(reader.commands);
  await world.apply(entry(2, [KEY]));
  await flow(clock, reader.commands);
  expect(await read).toEqual({ outcome: 'unavailable', reason: 'unverified' });
});

it('of values that were read while the table was gone, those count that were loaded at the reader’s place or later', async () => {
  for (const [stamp, outcome] of [
    [1, 'miss'],
    [2, 'found'],
  ] as const) {
    const world = open();
    const { clock, server, reader } = world;
    await world.start();
    world.put(stamp);
    reader.number = 2;
    const read = reader.store.read(KEY, clock.now() + 50);
    await clock.settle();
    arriveAll(reader.commands);
    // A process that lags makes the table anew meanwhile, and it is brought level: that says nothing of what was read before.
    server.redis.setHash('forebay:log', { e: EPOCH, b: '1', f: '1' });
    server.redis.set('forebay:log:at', Buffer.from(`${EPOCH} 1 1`));
    await world.apply(entry(2, [KEY]));
    await flow(clock, reader.commands);
    expect((await read).outcome).toBe(outcome);
  }
});

it('a server that is set back to an older copy of itself at any moment of a read does not have its old values believed', async () => {
  const outcomes: string[] = [];
  for (let arrivals = 0; ; arrivals += 1) {
    const world = open();
    const { clock, server, reader } = world;
    await world.start();
    await world.apply(entry(1));
    world.put(1);
    const copy = server.redis.copy();
    await world.apply(entry(2, [KEY]));
    reader.number = 2;
    // It knows the table.
    const first = reader.store.read(KEY, clock.now() + 50);
    await flow(clock, reader.commands);
    expect(await first).toEqual({ outcome: 'miss' });

    const read = reader.store.read(KEY, clock.now() + 50);
    await clock.settle();
    let left = arrivals;
    for (; left > 0 && reader.commands.can('arrive'); left -= 1) reader.commands.step('arrive');
    if (left > 0) break;
    server.redis.restore(copy);
    await flow(clock, reader.commands);
    outcomes.push((await read).outcome);
  }
  expect(outcomes.length).toBeGreaterThan(2);
  expect(outcomes).not.toContain('found');
});

it('a process that missed the word that the table was made anew learns it from its next read', async () => {
  const world = open();
  const { clock, server, reader } = world;
  await world.start();
  await world.apply(entry(1));
  reader.number = 1;
  const readAll = async (): Promise<void> => {
    const read = reader.store.read(KEY, clock.now() + 50);
    await flow(clock, reader.commands);
    await read;
  };
  await readAll();
  reader.anew.length = 0;
  await readAll();
  expect(reader.anew).toEqual([]);
  server.redis.flush();
  // The word of the other one, who makes it, is on its way to the reader.
  await world.apply(entry(2));
  reader.number = 2;
  reader.anew.length = 0;
  await readAll();
  expect(reader.anew).toEqual([false]);
  await readAll();
  expect(reader.anew).toEqual([false]);
});
