import { tagBuckets } from '../../../../src/cache/tags.ts';
import { KEYS, TAGS } from './database.ts';
import { promisedBy, raise } from './floors.ts';
import type { Instance } from './instance.ts';
import type { Op, Program } from './program.ts';
import { Reads } from './reads.ts';
import { World } from './world.ts';

/** Timers waited for until everything is level; calm comes after a few. */
const MAX_TIMERS = 400;
/** More than the pause between two tries of an invalidation that was not confirmed. */
const RETRY_MS = 150;

/** Runs a program to its end and beyond, until nothing is under way, and throws at the first promise that was not kept. */
export async function runProgram(program: Program, { monotonic }: { monotonic: boolean }): Promise<void> {
  const world = new World(program.settings);
  const reads = new Reads(world, monotonic);
  await world.open('a');
  await world.open('b');
  world.lag = program.lag;
  for (const op of program.ops) {
    if (program.without.includes(op.op)) continue;
    await perform(op, program, world, reads);
    reads.check();
  }
  await calm(world, reads);
  // An invalidation that waits for its next try may be covered by a later one: let it through too.
  world.clock.advance(RETRY_MS);
  await calm(world, reads);
  await checkTiers(program, world, reads);
  for (const instance of world.instances) checkStats(instance, reads);
  reads.check();
}

async function perform(op: Op, { keys, reach }: Program, world: World, reads: Reads): Promise<void> {
  const { server, clock } = world;
  const instance = world.instances['by' in op ? op.by : 0] as Instance;
  const named = (key: number): string => KEYS[key % keys] as string;
  switch (op.op) {
    case 'read':
      if (op.how === 'peek') reads.peek(instance, named(op.key));
      else if (op.how === 'get') reads.get(instance, named(op.key));
      else reads.lookup(instance, named(op.key), op.how === 'abortable' ? new AbortController() : undefined);
      return;
    case 'many':
      return reads.getMany(instance, [...new Set(op.keys.map(named))]);
    case 'warm':
      return reads.warm(instance, named(op.key));
    case 'write':
      return write({ ...op, key: named(op.key), reach: reach === 'any' ? op.reach : reach }, instance, world, reads);
    case 'steps':
      for (const pick of op.picks) {
        await world.step(pick);
        reads.check();
      }
      return;
    case 'settle':
      return world.settle();
    case 'lag':
      world.lag = op.lag;
      return;
    case 'tick':
      return clock.advance(op.ms);
    case 'abort':
      return reads.abort(op.which);
    case 'fail':
      instance.source.failures += 1;
      return;
    case 'evict': {
      const keys = server.redis.keys().toSorted();
      server.redis.unlink(keys[op.which % Math.max(1, keys.length)] ?? '');
      return;
    }
    case 'lose':
      if (op.what === 'table') server.redis.unlink('forebay:tags');
      else if (op.what === 'everything') server.redis.flush();
      else server.redis.forgetScripts();
      return;
    case 'refuse':
      server.redis.refusals = op.scripts;
      return;
    case 'cut':
      return instance.lines[op.line].cut();
    case 'stall':
      instance.stalled.add(instance.lines[op.line]);
      return;
    case 'unstall':
      instance.stalled.delete(instance.lines[op.line]);
      return;
    default:
      op satisfies never;
  }
}

/** Commits a new version now, and asks for its invalidation when the schedule says so. */
function write(op: Omit<Op & { op: 'write' }, 'key'> & { key: string }, instance: Instance, world: World, reads: Reads): void {
  const { database } = world;
  const tags = TAGS[op.key] ?? [];
  // An absent entry carries no tags: what creates a record has to say its key.
  const byTag = op.reach === 'tag' && tags.length > 0 && database.current(op.key).present;
  const targets = op.reach === 'all' ? { all: true } : byTag ? { tags: [tags.at(-1) ?? ''] } : { keys: [op.key] };
  database.commit(op.key, op.present);
  world.intend(() => {
    world.expect(instance.name, targets);
    const change =
      'keys' in targets && targets.keys !== undefined
        ? ({ kind: 'keys', keys: targets.keys } as const)
        : ({ kind: 'tags', buckets: tagBuckets(targets.tags ?? []), all: op.reach === 'all' } as const);
    const promised = promisedBy(change, database, (key) => key);
    const call = op.purge ? instance.cache.purge(targets) : instance.cache.invalidate(targets);
    for (const key of targets.keys ?? []) {
      if (instance.cache.peek(key) !== undefined)
        reads.blame(`${instance.name}: ${key} is still in process memory though its invalidation was called`);
    }
    // Applied or queued: the process that asked never sees anything older again, since it does not read Redis until the queue is through.
    reads.follow(
      call.then(() => raise(instance.own, promised)),
      'invalidate',
    );
  });
}

/** Mends everything and lets time pass until nothing is under way. */
async function calm(world: World, reads: Reads): Promise<void> {
  world.lag = null;
  for (const { stalled, source } of world.instances) {
    stalled.clear();
    source.failures = 0;
  }
  world.server.redis.refusals = 0;
  for (let timers = 0; ; timers += 1) {
    await world.settle();
    reads.check();
    if (reads.pending === 0 && world.isLevel) return;
    if (timers > MAX_TIMERS)
      throw new Error(`${reads.pending} calls have not settled, or the processes are not level, after ${MAX_TIMERS} timers`);
    world.clock.advanceToNext();
  }
}

/** No tier holds anything old that would be served: process memory as it is, Redis as a process sees it that has just started. */
async function checkTiers(program: Program, world: World, reads: Reads): Promise<void> {
  const peekAll = (mustKnow: boolean): void => {
    for (const instance of world.instances) {
      for (const key of KEYS) {
        const row = instance.cache.peek(key);
        if (row !== undefined) instance.lookups += 1;
        else if (mustKnow) reads.blame(`peek in ${instance.name} at the end: ${key} was read just now and is not kept`);
        compare(`peek in ${instance.name}`, key, row, world, reads);
      }
    }
  };
  peekAll(false);
  const third = await world.open('c');
  // Twice: the first answered read may do no more than bring a copy of the tag table level.
  for (const instance of [third, ...world.instances, ...world.instances]) {
    instance.lookups += KEYS.length;
    let rows: ReadonlyMap<string, unknown> | null = null;
    reads.follow(
      instance.cache.getMany(KEYS).then((found) => {
        rows = found;
      }),
      'getMany at the end',
    );
    await calm(world, reads);
    for (const key of KEYS)
      compare(`get in ${instance.name}`, key, (rows as ReadonlyMap<string, { version: number } | null> | null)?.get(key), world, reads);
  }
  // Whatever happened before, it does not keep a process from caching.
  peekAll(program.settings.maxEntries > KEYS.length);
  // A peek may have begun a refresh.
  await calm(world, reads);
}

function compare(what: string, key: string, row: { version: number } | null | undefined, world: World, reads: Reads): void {
  const { version, present } = world.database.current(key);
  if (row === undefined && what.startsWith('peek')) return;
  if ((row?.version ?? null) !== (present ? version : null)) {
    reads.blame(`${what} at the end: ${key} is ${row?.version ?? 'absent'}, and the database has ${present ? version : 'no record'}`);
  }
}

/** Every look-up ended in exactly one outcome, and nothing was loaded that nobody missed. */
function checkStats({ name, cache, lookups, warmed }: Instance, reads: Reads): void {
  const { counts, loads, loading } = cache.stats();
  const ended = Object.values(counts.lookups).reduce((sum, count) => sum + count, 0);
  if (ended !== lookups) reads.blame(`${name}: ${lookups} look-ups ended in ${ended} outcomes`);
  const missed = ended - counts.lookups.localHit - counts.lookups.localAbsent - counts.joined + counts.refreshes + counts.reloads + warmed;
  if (loads.keys > missed) reads.blame(`${name}: ${loads.keys} keys were loaded for ${missed} misses`);
  if (loading.flights + loading.queued + loading.running > 0)
    reads.blame(`${name}: something is under way at the end: ${JSON.stringify(loading)}`);
}
