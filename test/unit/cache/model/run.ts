import { KEYS } from './database.ts';
import type { Instance } from './instance.ts';
import type { Op, Program } from './program.ts';
import type { Monotonic } from './reads.ts';
import { Reads } from './reads.ts';
import type { World } from './world.ts';

/** Timers waited for until everything is level; calm comes after a few. */
const MAX_TIMERS = 400;
/** More than any lease lasts. */
const LONGEST_LEASE_MS = 510;
/** More than the pause between two tries of an invalidation that was not confirmed. */
const RETRY_MS = 150;

/** Runs a program to its end and beyond, until nothing is under way, and throws at the first promise that was not kept. */
export async function runProgram(program: Program, world: World, { monotonic }: { monotonic: Monotonic }): Promise<void> {
  const reads = new Reads(world, monotonic);
  await world.open('a');
  await world.open('b');
  world.lag = program.lag;
  for (const { lines } of world.instances) lines.bus.lostMessages = program.lost;
  for (const { by, line } of program.stalled) world.instances[by]?.stalled.add(line);
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
      else if (op.how === 'fresh') reads.lookupNewest(instance, named(op.key), { maxStalenessMs: 0 });
      else if (op.how === 'version')
        reads.lookupNewest(instance, named(op.key), { minVersion: world.database.current(named(op.key)).version });
      else reads.lookup(instance, named(op.key), op.how === 'abortable' ? new AbortController() : undefined);
      return;
    case 'many':
      return reads.getMany(instance, [...new Set(op.keys.map(named))]);
    case 'warm':
      return reads.warm(instance, named(op.key));
    case 'write':
      return world.write({ ...op, key: named(op.key), reach: reach === 'any' ? op.reach : reach }, instance, reads);
    case 'steps':
      for (const pick of op.picks) {
        await world.step(pick);
        reads.check();
      }
      return;
    case 'settle':
      return world.settle(op.pick);
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
      if (op.what === 'table') for (const key of world.tables) server.redis.unlink(key);
      else if (op.what === 'everything') server.redis.flush();
      else server.redis.forgetScripts();
      return;
    case 'refuse':
      server.redis.refusals = op.scripts;
      return;
    case 'cut':
      return instance.lines[op.line].cut();
    case 'stall':
      instance.stalled.add(op.line);
      return;
    case 'unstall':
      instance.stalled.delete(op.line);
      return;
    default:
      return world.perform(op, instance);
  }
}

/** Mends everything and lets time pass until nothing is under way. */
async function calm(world: World, reads: Reads): Promise<void> {
  world.lag = null;
  for (const { stalled, queries, lines } of world.instances) {
    stalled.clear();
    lines.bus.lostMessages = 0;
    for (const one of queries) one.failures = 0;
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

/** No tier holds anything old that would be served: process memory as it is, Redis as a process sees it that has just started. And whatever happened before, it does not keep anybody from caching. */
async function checkTiers(program: Program, world: World, reads: Reads): Promise<void> {
  for (const instance of world.instances) peekAll(instance, world, reads);
  const third = await world.open('c');
  // Twice: the first answered read may do no more than bring a copy of the tag table level.
  for (const instance of [third, ...world.instances, ...world.instances]) await getAll(instance, world, reads);
  for (const instance of world.instances) {
    let known = peekAll(instance, world, reads);
    // An entry may have come to its end in between; it does not do so twice.
    for (let tries = 0; tries < 2 && known < KEYS.length; tries += 1) {
      await getAll(instance, world, reads);
      known = peekAll(instance, world, reads);
    }
    if (known < KEYS.length && program.settings.maxEntries > KEYS.length)
      reads.blame(`${instance.name} at the end: ${KEYS.length} keys were read just now, and ${known} are kept`);
  }
  await checkShared(world, reads);
  // A peek may have begun a refresh.
  await calm(world, reads);
}

/** What one process has loaded another finds in Redis, once leases of processes that are gone have ended. */
async function checkShared(world: World, reads: Reads): Promise<void> {
  for (const name of ['d', 'e', 'f', 'g']) {
    const instance = await world.open(name);
    await getAll(instance, world, reads);
    const { remoteHit, remoteAbsent } = instance.cache.stats().counts.lookups;
    if (remoteHit + remoteAbsent === KEYS.length) return;
    if (name === 'd') world.clock.advance(LONGEST_LEASE_MS);
    await calm(world, reads);
  }
  reads.blame('what was read by one process after another is not found in Redis at the end');
}

async function getAll(instance: Instance, world: World, reads: Reads): Promise<void> {
  instance.lookups += KEYS.length;
  let rows: ReadonlyMap<string, { version: number } | null> | null = null;
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

/** How many keys a process knows of by itself. */
function peekAll(instance: Instance, world: World, reads: Reads): number {
  let known = 0;
  for (const key of KEYS) {
    const row = instance.cache.peek(key);
    if (row !== undefined) known += 1;
    compare(`peek in ${instance.name}`, key, row, world, reads);
  }
  instance.lookups += known;
  return known;
}

function compare(what: string, key: string, row: { version: number } | null | undefined, world: World, reads: Reads): void {
  const { version, present } = world.database.current(key);
  if (row === undefined && what.startsWith('peek')) return;
  if ((row?.version ?? null) !== (present ? version : null)) {
    reads.blame(`${what} at the end: ${key} is ${row?.version ?? 'absent'}, and the database has ${present ? version : 'no record'}`);
  }
}

/** Every look-up ended in exactly one outcome, and nothing was loaded that nobody missed. */
function checkStats({ name, cache, lookups, limited, warmed }: Instance, reads: Reads): void {
  const { counts, loads, loading } = cache.stats();
  const ended = Object.values(counts.lookups).reduce((sum, count) => sum + count, 0);
  if (ended !== lookups) reads.blame(`${name}: ${lookups} look-ups ended in ${ended} outcomes`);
  // A look-up that was joined and found wanting has the source asked once more.
  const missed =
    ended - counts.lookups.localHit - counts.lookups.localAbsent - counts.joined + counts.refreshes + counts.reloads + limited + warmed;
  if (loads.keys > missed) reads.blame(`${name}: ${loads.keys} keys were loaded for ${missed} misses`);
  if (loading.flights + loading.queued + loading.running > 0)
    reads.blame(`${name}: something is under way at the end: ${JSON.stringify(loading)}`);
}
